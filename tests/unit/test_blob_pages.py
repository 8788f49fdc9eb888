"""A listing as the Blob endpoint answers it, page by page. The SDK reads the same: tests/flows/test_reading.py."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ExponentialRetry
from requests.adapters import BaseAdapter

from slipway.azure.blob_pages import BlobPages
from slipway.azure.failures import failure_of
from slipway.failure import Failed

MD5 = "gnzLDuqKcGxMNKFokfu5Ow=="
DATE = "Sun, 22 Nov 2026 06:00:00 GMT"


class Token:
    """A credential."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """A token for an hour that never ends."""
        return AccessToken("t", 2**40)


class Answers(BaseAdapter):
    """Answers requests in order, and keeps them."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__()
        self._answers: Iterator[tuple[int, str]] = iter(answers)
        self.asked: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """The next answer."""
        self.asked.append(request)
        answer = requests.Response()
        answer.status_code, text = next(self._answers)
        answer.headers.update({"Date": DATE, "x-ms-error-code": "ContainerNotFound", "Content-Type": "application/xml"})
        answer.raw, answer.url, answer.request = io.BytesIO(text.encode("utf-8-sig")), request.url or "", request
        return answer

    def close(self) -> None:
        """Nothing is held."""


def listing(*names: str, following: str = "") -> str:
    """A page of the listing."""
    told = "".join(
        f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{DATE}</Last-Modified><Etag>0x1</Etag>"
        f"<Content-Length>5</Content-Length><Content-MD5>{MD5}</Content-MD5>"
        "<CopyStatus>success</CopyStatus></Properties><Metadata><open>no</open><why/></Metadata></Blob>"
        for name in names
    )
    return f"<EnumerationResults><Blobs>{told}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"


def pages(answers: Answers) -> BlobPages:
    """The listings of an account that gives these answers."""
    session = requests.Session()
    session.mount("https://", answers)
    return BlobPages("https://lake", Token(), ExponentialRetry(retry_total=0), RequestsTransport(session=session))


def test_a_listing_goes_on_until_no_marker_is_left() -> None:
    """Each page with the lake's own time; what is asked for is escaped once."""
    answers = Answers((200, listing("a &b", following="2!next=")), (200, listing()), (200, listing("c")))
    found = list(pages(answers).of("models", "a &/ä"))
    assert [[entry.name for entry in entries] for _, entries in found] == [["a &b"], []]
    assert {now for now, _ in found} == {datetime(2026, 11, 22, 6, tzinfo=UTC)}
    first, second = (str(request.url) for request in answers.asked)
    query = "restype=container&comp=list&prefix=a%20%26%2F%C3%A4&include=metadata%2Ccopy"
    assert first == f"https://lake/models?{query}"
    assert second == f"{first}&marker=2%21next%3D"
    assert answers.asked[0].headers["Authorization"] == "Bearer t"


def test_an_entry_has_what_the_listing_says_of_it() -> None:
    """Length, ETag without quotes, MD5 in hex, times in UTC, an empty text where metadata have none."""
    ((_, (entry,)),) = pages(Answers((200, listing("d/f")))).of("models", "")
    assert (entry.name, entry.length, entry.etag) == ("d/f", 5, "0x1")
    assert entry.hash == base64.b64decode(MD5).hex()
    assert entry.modified == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert (entry.copy_status, entry.metadata, entry.is_directory) == ("success", {"open": "no", "why": ""}, False)


@pytest.mark.parametrize("text", ["", "<EnumerationResults>", "nonsense", listing("x").replace("5<", "five<")])
def test_an_answer_that_is_no_listing_is_a_failure_never_empty(text: str) -> None:
    """It passes, as a damaged answer of any service does."""
    with pytest.raises(Failed) as caught:
        list(pages(Answers((200, text))).of("models", "p"))
    assert (caught.value.failure.code, caught.value.failure.transient) == ("damaged-answer", True)
    assert caught.value.failure.message.startswith("models/p is no listing: ")


@pytest.mark.parametrize(("status", "kind"), [(404, ResourceNotFoundError), (403, HttpResponseError)])
def test_a_refusal_is_that_of_the_sdk(status: int, kind: type[HttpResponseError]) -> None:
    """With the service's own code and words, for failures to tell."""
    answers = Answers((status, "<Error><Code>ContainerNotFound</Code><Message>It is not there.</Message></Error>"))
    with pytest.raises(kind) as caught:
        list(pages(answers).of("models", ""))
    assert "answered" in failure_of(caught.value).message
    assert "ContainerNotFound: It is not there." in failure_of(caught.value).message
