"""Listing the blobs of a filesystem: azure-core's pipeline, read by a parser that makes nothing but what is asked for.

azure-storage-blob makes dozens of objects of each entry: of the records of 200 models and two years, which every pass
of the reconciler lists, that was most of a minute of processor time. Source: REST reference, List Blobs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote, urlencode
from xml.etree import ElementTree as ET

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline import policies
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.storage.blob import ExponentialRetry

from slipway.failure import Failed, Failure, Kind
from slipway.listing import Entry

#: What a request to the lake is authorised for. Source: REST reference, "Authorize with Microsoft Entra ID".
STORAGE_SCOPE = "https://storage.azure.com/.default"
#: The first version that tells all that is read here, directories among it, was 2020-06-12; this one is in wide use.
VERSION = "2023-11-03"


class BlobPages:
    """The listings of one account, through its Blob endpoint. Threads may share it."""

    def __init__(
        self, url: str, token: TokenCredential, retry: ExponentialRetry, transport: RequestsTransport, **timeouts: Any
    ) -> None:
        self._url = url.rstrip("/")
        steps = [
            policies.RequestIdPolicy(),
            policies.HeadersPolicy({"x-ms-version": VERSION}),
            policies.UserAgentPolicy("slipway"),
            retry,
            policies.BearerTokenCredentialPolicy(token, STORAGE_SCOPE),
        ]
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            self._url, policies=steps, transport=transport, **timeouts
        )

    def of(self, filesystem: str, prefix: str) -> Iterator[tuple[datetime, list[Entry]]]:
        """Each page of what begins with `prefix`, by name: the lake's own time, and the entries.

        Raises HttpResponseError, or Failed `damaged-answer` for an answer that is no listing.
        """
        asked = {"restype": "container", "comp": "list", "prefix": prefix, "include": "metadata,copy"}
        marker = ""
        while True:
            query = urlencode({**asked, **({"marker": marker} if marker else {})}, quote_via=quote)
            response = self._client.send_request(HttpRequest("GET", f"{self._url}/{filesystem}?{query}"))
            if response.status_code != HTTPStatus.OK:
                raise _refused(response)
            try:
                page = ET.fromstring(response.content)  # noqa: S314 - the lake's own answer
                entries = [_entry(blob) for blob in page.iterfind("Blobs/Blob")]
                marker = page.findtext("NextMarker") or ""
                now = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
            except (ET.ParseError, LookupError, ValueError, TypeError, binascii.Error) as error:
                words = f"{filesystem}/{prefix} is no listing: {error}"
                raise Failed(Failure(Kind.PLATFORM, "damaged-answer", words, transient=True)) from error
            yield now, entries
            if not marker:
                return


def _entry(blob: ET.Element) -> Entry:
    parts = {part.tag: part for part in blob}
    facts = {fact.tag: fact.text or "" for fact in parts["Properties"]}
    metadata = {one.tag: one.text or "" for one in parts.get("Metadata", ())}
    name, md5 = parts["Name"], facts.get("Content-MD5")
    return Entry(
        name=unquote(name.text or "") if name.get("Encoded") == "true" else name.text or "",
        length=int(facts["Content-Length"]),
        etag=facts["Etag"].strip('"'),
        hash=base64.b64decode(md5).hex() if md5 else None,
        modified=parsedate_to_datetime(facts["Last-Modified"]).astimezone(UTC),
        copy_status=facts.get("CopyStatus"),
        is_directory=metadata.get("hdi_isfolder") == "true",
        metadata=metadata,
    )


def _refused(response: HttpResponse) -> HttpResponseError:
    """The service's refusal, as the storage SDKs raise it."""
    kind = ResourceNotFoundError if response.status_code == HTTPStatus.NOT_FOUND else HttpResponseError
    try:
        words = ET.fromstring(response.content).findtext("Message")  # noqa: S314 - the lake's own answer
    except ET.ParseError:
        words = None
    error = kind(message=words or response.reason, response=response)
    error.error_code = response.headers.get("x-ms-error-code", "")  # type: ignore[attr-defined]
    return error
