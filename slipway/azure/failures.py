"""What an Azure SDK raised, as a failure the orchestration can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    DeserializationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from slipway.failure import Failed, Failure, Kind

#: Status to (code, whether the same request may succeed later). A conflict may: whoever asks again decides anew.
_BY_STATUS: Mapping[int, tuple[str, bool]] = {
    HTTPStatus.UNAUTHORIZED: ("unauthenticated", True),
    HTTPStatus.FORBIDDEN: ("access", False),
    HTTPStatus.NOT_FOUND: ("not-found", False),
    HTTPStatus.REQUEST_TIMEOUT: ("unavailable", True),
    HTTPStatus.CONFLICT: ("conflict", True),
    HTTPStatus.PRECONDITION_FAILED: ("conflict", True),
    HTTPStatus.TOO_MANY_REQUESTS: ("throttled", True),
    HTTPStatus.NOT_IMPLEMENTED: ("rejected", False),
}

#: The codes by which the storage service says that a copy's source is not there, or not the expected one.
_OF_SOURCES = frozenset(
    {"CannotVerifyCopySource", "SourceConditionNotMet", "BlobNotFound", "PathNotFound", "ResourceNotFound"}
)


def failure_of(error: BaseException) -> Failure:
    """Say what kind of failure an exception of azure-core, -identity, -storage, -ai-ml or -eventgrid stands for.

    Codes: `throttled`, `unavailable`, `no-answer`, `damaged-answer`, `identity`, `unauthenticated` and `conflict`
    are transient; `access`, `not-found` and `rejected` are not. `retry_after` holds seconds, if the service named
    a time. A `Failed` gives back the failure it carries.

    Raises:
        BaseException: `error` itself, when it is none of these: a bug is not a failure.
    """
    if isinstance(error, Failed):
        return error.failure
    if isinstance(error, DecodeError | DeserializationError | json.JSONDecodeError):
        return _platform("damaged-answer", f"The service's answer could not be read: {error}", transient=True)
    if isinstance(error, ServiceRequestError | ServiceResponseError | ConnectionError | TimeoutError):
        return _platform("no-answer", f"The service did not answer: {error}", transient=True)
    if isinstance(error, HttpResponseError) and error.response is not None:
        return _of_response(error, error.response)
    if isinstance(error, ClientAuthenticationError):
        return _platform("identity", f"No token could be had for this identity: {error.message}", transient=True)
    if isinstance(error, AzureError):  # azure-ai-ml's own: it refused the request before sending it
        return _platform("rejected", str(error), transient=False)
    raise error


def failure_from(error: Exception) -> Failure:
    """The failure that an exception stands for; one that nobody foresaw is Slipway's own, and may pass."""
    try:
        return failure_of(error)
    except Exception:
        return Failure(Kind.SLIPWAY, "unforeseen", f"{type(error).__name__}: {error}", transient=True)


def _of_response(error: HttpResponseError, response: Any) -> Failure:
    status = error.status_code or response.status_code
    usual = ("unavailable", True) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ("rejected", False)
    code, transient = _BY_STATUS.get(status, usual)
    message = f"{_asked(response)} was answered {status} {_service_code(error)}: {_first_line(error)}{_blame(response)}"
    return _platform(code, message, transient=transient, retry_after=_retry_after(response.headers))


def _platform(code: str, message: str, *, transient: bool, retry_after: float | None = None) -> Failure:
    return Failure(Kind.PLATFORM, code, message, transient, retry_after)


def _asked(response: Any) -> str:
    """Name the request by method, host and path; its query may hold a signature."""
    request = getattr(response, "request", None)
    if request is None:
        return "A request"
    url = urlsplit(request.url)
    return f"{request.method} {url.hostname}{url.path}"


def _blame(response: Any) -> str:
    """Say when a copy's source refused: the request names the target alone, and on-call would look there.

    Source: REST reference, Put Blob From URL, x-ms-copy-source-status-code and x-ms-copy-source-error-code.
    """
    status = response.headers.get("x-ms-copy-source-status-code")
    code = response.headers.get("x-ms-copy-source-error-code", "")
    return f" It was the copy's source that answered {status} {code}".rstrip() + "." if status else ""


def source_changed(error: HttpResponseError) -> bool:
    """Tell whether a copy was refused because its source is gone, or is not the expected one any more.

    Source: REST reference, Put Blob From URL, x-ms-copy-source-status-code; recordings of azure-storage-blob, which
    have one of two codes alone.
    """
    headers: Any = getattr(error.response, "headers", {})
    status = headers.get("x-ms-copy-source-status-code")
    if status is None and headers.get("x-ms-error-code") in _OF_SOURCES:
        status = str(error.status_code)
    return status in ("404", "412")


def _service_code(error: HttpResponseError) -> str:
    storage = getattr(error, "error_code", None)
    odata = getattr(error.error, "code", None)
    return str(getattr(storage, "value", storage) or odata or error.reason or "").strip()


def _first_line(error: HttpResponseError) -> str:
    odata = getattr(error.error, "message", None)
    return str(odata or error.message or "").strip().split("\n", 1)[0]


def _retry_after(headers: Any) -> float | None:
    """Read Retry-After, in seconds; a date counts from the service's own Date header, so that no clock is mixed."""
    text = headers.get("Retry-After")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(headers["Date"])).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
