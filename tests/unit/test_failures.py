"""What the Azure SDKs raise, as failures with a kind, a code and advice on trying again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from slipway.azure.failures import failure_of, source_changed
from slipway.failure import Failed, Failure, Kind

URL = "https://account.blob.core.windows.net/landing/flights/2013-01/a.csv"


def answered(status: int, message: str = "", **headers: str) -> HttpResponseError:
    """An error as azure-core raises it for an answer with this status."""
    request = SimpleNamespace(method="PUT", url=f"{URL}?sv=2024&sig=abc%2Fdef")
    response: Any = SimpleNamespace(status_code=status, reason="Reason", headers=headers, request=request)
    return HttpResponseError(message=message, response=response)


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (400, "rejected", False),
        (401, "unauthenticated", True),
        (403, "access", False),
        (404, "not-found", False),
        (408, "unavailable", True),
        (409, "conflict", True),
        (412, "conflict", True),
        (422, "rejected", False),
        (429, "throttled", True),
        (500, "unavailable", True),
        (501, "rejected", False),
        (503, "unavailable", True),
        (599, "unavailable", True),
    ],
)
def test_the_status_tells_what_kind_of_failure_it_is(status: int, code: str, transient: bool) -> None:
    """What a pause can heal is transient; what only a person can change is not."""
    failure = failure_of(answered(status))

    assert (failure.kind, failure.code, failure.transient) == (Kind.PLATFORM, code, transient)


@pytest.mark.parametrize(
    ("error", "code", "transient"),
    [
        (ServiceRequestError("refused"), "no-answer", True),
        (ServiceResponseError("reset"), "no-answer", True),
        (IncompleteReadError("half of it"), "damaged-answer", True),
        (CredentialUnavailableError("no endpoint"), "identity", True),
        (ClientAuthenticationError("no endpoint"), "identity", True),
        (AzureError("a job needs a command"), "rejected", False),
    ],
)
def test_an_error_without_an_answer_is_told_by_its_class(error: AzureError, code: str, transient: bool) -> None:
    """Lost connections, damaged answers and an identity endpoint that is down pass; a refused document does not."""
    failure = failure_of(error)

    assert (failure.code, failure.transient) == (code, transient)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "372"}, 372.0),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "Fri, 01 Feb 2013 00:01:00 GMT", "Date": "Fri, 01 Feb 2013 00:00:00 GMT"}, 60.0),
        ({"Retry-After": "Fri, 01 Feb 2013 00:01:00 GMT"}, None),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_retry_after_is_read_in_seconds(headers: dict[str, str], seconds: float | None) -> None:
    """A number is seconds; a date counts from the service's own Date, so that no two clocks are compared."""
    assert failure_of(answered(429, **headers)).retry_after == seconds


def test_the_message_names_the_request_and_keeps_its_signature() -> None:
    """On-call reads what was asked and what was answered; the signed part of the address stays out."""
    message = failure_of(answered(403, "This request is not authorized.\nRequestId:1")).message

    assert message == f"PUT {URL.removeprefix('https://')} was answered 403 Reason: This request is not authorized."


def test_a_copy_whose_source_refused_says_so() -> None:
    """The request names the target alone; without this, on-call looks for a role that is there."""
    said = {"x-ms-copy-source-status-code": "403", "x-ms-copy-source-error-code": "AuthorizationPermissionMismatch"}
    failure = failure_of(answered(403, "Not authorized.", **said))
    assert failure.code == "access"
    assert failure.message.endswith("It was the copy's source that answered 403 AuthorizationPermissionMismatch.")


@pytest.mark.parametrize(
    ("status", "headers", "changed"),
    [
        (412, {"x-ms-error-code": "SourceConditionNotMet"}, True),
        (412, {"x-ms-error-code": "CannotVerifyCopySource"}, True),
        (404, {"x-ms-error-code": "CannotVerifyCopySource"}, True),
        (412, {"x-ms-error-code": "CannotVerifyCopySource", "x-ms-copy-source-status-code": "412"}, True),
        (403, {"x-ms-error-code": "CannotVerifyCopySource", "x-ms-copy-source-status-code": "403"}, False),
        (412, {"x-ms-error-code": "ConditionNotMet"}, False),
        (404, {"x-ms-error-code": "ContainerNotFound"}, False),
        (500, {"x-ms-error-code": "CannotVerifyCopySource"}, False),
    ],
)
def test_a_source_that_changed_is_told_from_everything_else(
    status: int, headers: dict[str, str], changed: bool
) -> None:
    """However the service says it; the same statuses of the copy's destination are no change of its source."""
    assert source_changed(answered(status, **headers)) is changed


def test_a_failure_already_known_stays_what_it_is() -> None:
    """What an inner layer has understood is not judged twice."""
    failure = Failure(Kind.DATA, "input-changed", "a.csv changed")

    assert failure_of(Failed(failure)) is failure


def test_a_bug_is_no_failure() -> None:
    """An error that no service caused is raised again as it is."""
    bug = ZeroDivisionError()

    with pytest.raises(ZeroDivisionError) as caught:
        failure_of(bug)

    assert caught.value is bug
