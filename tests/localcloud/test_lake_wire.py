"""What clients of other kinds depend on: address forms, headers, error shapes. Raw requests, no SDK."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from collections.abc import Iterator

import pytest

from localcloud.config import ACCOUNT
from localcloud.lake import shared_key
from tests.localcloud.lake_account import Account, served

BASE = "/devstoreaccount1/models"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account with a file ``d/f`` of five bytes."""
    with served(tmp_path_factory.mktemp("account")) as running:
        running.dfs().get_file_system_client("models").get_file_client("d/f").upload_data(b"12345", overwrite=True)
        yield running


@pytest.mark.parametrize("path", [f"{BASE}/", f"{BASE}//", f"{BASE}/%2F"])
def test_the_root_directory_has_many_names(account: Account, path: str) -> None:
    """SDKs of different age and language ask for the root with one slash, two, or an encoded one."""
    answer = account.send("HEAD", f"{path}?action=getAccessControl&upn=false")
    assert (answer.status, answer.headers["x-ms-acl"]) == (200, "user::rwx,group::r-x,other::--x")


def test_encoded_slashes_separate_too(account: Account) -> None:
    """Older SDKs encode every slash of a path."""
    assert account.send("GET", f"{BASE}/d%2Ff").content == b"12345"  # type: ignore[attr-defined]


def test_every_answer_names_its_request(account: Account) -> None:
    """Ids and version are on answers and refusals alike; the version sent is echoed."""
    for path, status in ((f"{BASE}/d/f", 200), (f"{BASE}/none", 404)):
        answer = account.send("HEAD", path, {"x-ms-version": "2031-01-01", "x-ms-client-request-id": "mine"})
        assert answer.status == status
        assert (answer.headers["x-ms-version"], answer.headers["x-ms-client-request-id"]) == ("2031-01-01", "mine")
        assert len(answer.headers["x-ms-request-id"]) == 36
        assert answer.headers["Date"]
    assert answer.headers["x-ms-error-code"] == "BlobNotFound"


def test_head_tells_the_files_length(account: Account) -> None:
    """And all that clients in other languages read without checking."""
    answer = account.send("HEAD", f"{BASE}/d/f")
    wanted = [
        "ETag", "Last-Modified", "x-ms-creation-time", "x-ms-server-encrypted", "x-ms-blob-type", "x-ms-resource-type",
        "x-ms-owner", "x-ms-group", "x-ms-permissions", "x-ms-acl", "x-ms-lease-state", "x-ms-lease-status",
    ]  # fmt: skip
    assert [name for name in wanted if name not in answer.headers] == []
    assert answer.headers["Content-Length"] == "5"
    directory = account.send("HEAD", f"{BASE}/d")
    assert (directory.headers["x-ms-resource-type"], directory.headers["x-ms-meta-hdi_isfolder"]) == (
        "directory",
        "true",
    )


def test_errors_have_their_surfaces_shape(account: Account) -> None:
    """JSON where the client speaks DFS, XML where it speaks Blob, each with its own code."""
    dfs = account.send("GET", f"{BASE}/none", {"Accept": "application/json"})
    assert json.loads(dfs.content)["error"]["code"] == "PathNotFound"  # type: ignore[attr-defined]
    blob = account.send("GET", f"{BASE}/none", {"Accept": "application/xml"})
    assert b"<Error><Code>BlobNotFound</Code>" in blob.content  # type: ignore[attr-defined]


def test_a_refusals_sentence_is_its_reason(account: Account) -> None:
    """A HEAD has no other place for it, and pyarrow knows a missing filesystem by this sentence."""
    answer = account.send("HEAD", f"/{ACCOUNT}/nowhere/?action=getAccessControl")
    assert (answer.status, answer.reason) == (404, "The specified filesystem does not exist.")


@pytest.mark.parametrize(("length", "answer"), [(3, b"HTTP/1.1 100 Continue"), (0, b"HTTP/1.1 401 ")])
def test_only_a_body_is_told_to_go_on(account: Account, length: int, answer: bytes) -> None:
    """The C++ SDK, pyarrow's too, breaks where a 100 and the final answer of an empty request come at once."""
    with socket.create_connection(("127.0.0.1", account.port), timeout=60) as connection:
        head = f"PUT {BASE}/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(answer)


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
def test_a_refused_head_promises_no_document(account: Account, accept: str) -> None:
    """The C++ SDK parses what Content-Type promises, and ends its process when there is nothing."""
    answer = account.send("HEAD", f"{BASE}/none", {"Accept": accept})
    assert (answer.status, answer.headers["Content-Type"]) == (404, None)


@pytest.mark.parametrize(
    ("header", "status", "content_range", "body"),
    [
        ("bytes=1-2", 206, "bytes 1-2/5", b"23"),
        ("bytes=3-", 206, "bytes 3-4/5", b"45"),
        ("bytes=2-999", 206, "bytes 2-4/5", b"345"),
        ("bytes=5-9", 416, "bytes */5", None),
        ("bytes=3-1", 400, None, None),
    ],
)
def test_ranges(account: Account, header: str, status: int, content_range: str | None, body: bytes | None) -> None:
    """A range is cut at the end; one that begins there or later is a 416; ``x-ms-range`` wins over ``Range``."""
    answer = account.send("GET", f"{BASE}/d/f", {"x-ms-range": header, "Range": "bytes=0-0"})
    assert (answer.status, answer.headers["Content-Range"]) == (status, content_range)
    if body is not None:
        assert answer.content == body  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("match", "since", "status"), [("same", "before", 200), ("same", "after", 304), ("other", "after", 200)]
)
def test_news_by_either_condition(account: Account, match: str, since: str, status: int) -> None:
    """If-None-Match and If-Modified-Since together: it is enough that one of them holds."""
    known = account.send("HEAD", f"{BASE}/d/f").headers
    etag = known["ETag"] if match == "same" else '"0x8D0000000000000"'
    date = "Thu, 01 Jan 1970 00:00:00 GMT" if since == "before" else known["Last-Modified"]
    answer = account.send("GET", f"{BASE}/d/f", {"If-None-Match": etag, "If-Modified-Since": date})
    assert answer.status == status


@pytest.mark.parametrize(
    ("header", "feature"),
    [
        ("x-ms-encryption-key", "customer-provided keys"),
        ("x-ms-encryption-scope", "encryption scopes"),
        ("x-ms-default-encryption-scope", "encryption scopes"),
        ("x-ms-structured-body", "structured message bodies"),
        ("x-ms-content-crc64", "CRC64"),
        ("x-ms-if-tags", "tags"),
        ("x-ms-access-tier", "access tiers"),
        ("x-ms-legal-hold", "legal holds"),
        ("x-ms-expiry-option", "files that expire"),
    ],
)
def test_headers_that_ask_for_something_unsupported(account: Account, header: str, feature: str) -> None:
    """A request that would be done without what its header asks for is refused by that thing's name."""
    answer = account.send("PUT", f"{BASE}/d/f", {header: "x", "x-ms-blob-type": "BlockBlob"}, body=b"other")
    assert (answer.status, feature in str(answer.reason)) == (501, True)
    assert account.send("GET", f"{BASE}/d/f").content == b"12345"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("method", "query", "feature"),
    [
        ("PUT", "models?restype=container&comp=acl", "stored access policies"),
        ("PUT", "models?restype=container&comp=undelete", "soft delete"),
        ("GET", "models?restype=container&comp=list&endBefore=x", "endbefore"),
        ("GET", "models?restype=container&comp=list&include=deleted", "soft delete"),
        ("PUT", "?restype=service&comp=properties", "changing service properties"),
        ("POST", "?restype=service&comp=userdelegationkey", "user delegation keys"),
    ],
)
def test_operations_that_are_refused_by_name(account: Account, method: str, query: str, feature: str) -> None:
    """By the name people know them under, not by their query."""
    answer = account.send(method, f"/{ACCOUNT}/{query}")
    assert (answer.status, feature in str(answer.reason)) == (501, True)


@pytest.mark.parametrize(("version", "status"), [("2031-01-01", 200), ("newest", 400)])
def test_a_version_is_a_date(account: Account, version: str, status: int) -> None:
    """Any date is taken; what is none is refused."""
    assert account.send("HEAD", f"{BASE}/d/f", {"x-ms-version": version}).status == status


def test_headers_are_signed_in_the_services_order(account: Account) -> None:
    """Hyphens weigh nothing and underscores less than digits, which is not the order of their codes."""
    metadata = dict.fromkeys(["a_", "a0", "_a", "__", "a__", "b", "_"], "x")
    blob = account.blob().get_blob_client("models", "sorted")
    blob.upload_blob(b"", metadata=metadata)
    assert blob.get_blob_properties().metadata == metadata
    names = ["test-a", "test_", "test", "test0", "test-", "testa"]
    assert sorted(names, key=shared_key._order) == ["test", "test-", "test_", "test0", "testa", "test-a"]


def test_service_properties_say_that_nothing_is_switched_on(account: Account) -> None:
    """Of blobs and of queues, to the key alone: data roles do not reach them."""
    blobs = account.blob().get_service_properties()
    assert (blobs["cors"], blobs["delete_retention_policy"].enabled, blobs["static_website"].enabled) == (
        [],
        False,
        False,
    )
    assert account.queues().get_service_properties()["analytics_logging"].read is False
    assert account.send("GET", f"/{ACCOUNT}/?restype=service&comp=properties").status == 403


def test_the_md5_of_a_range(account: Account) -> None:
    """It comes with ranges of up to 4 MiB, which is how the SDKs check what they download; a longer one is refused."""
    data = bytes(range(256)) * (5 << 12)
    account.dfs().get_file_system_client("models").get_file_client("long").upload_data(data, overwrite=True)
    wish = {"x-ms-range-get-content-md5": "true"}
    answer = account.send("GET", f"{BASE}/long", {**wish, "x-ms-range": "bytes=1-4194304"})
    expected = base64.b64encode(hashlib.md5(data[1:4194305], usedforsecurity=False).digest()).decode()
    assert (answer.status, answer.headers["Content-MD5"]) == (206, expected)
    for header in ({"x-ms-range": "bytes=0-4194304"}, {}):
        assert account.send("GET", f"{BASE}/long", {**wish, **header}).status == 400


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", "/z", {"x-ms-copy-source": "http://[::1"}, 400),
        ("PUT", "/z", {"x-ms-rename-source": "//[x"}, 400),
        ("GET", "/d/f", {"Authorization": f"SharedKey {ACCOUNT}:\u00fc"}, 400),
        ("GET", "/d/f?sv=2022-11-02&sr=b&sp=r&se=2099-01-01&sig=%C3%BC", {"Authorization": ""}, 403),
        ("PUT", "/d/f?comp=metadata", {"x-ms-meta-a": "\u00fc"}, 400),
        ("PUT", "/d/f?comp=properties", {"x-ms-blob-content-type": "\u00fc"}, 400),
        ("PUT", "/d/g?resource=file", {"x-ms-properties": "a=eAp5"}, 400),
        ("PUT", "/%FFx?resource=file", {}, 400),
    ],
)
def test_text_that_is_none(account: Account, method: str, path: str, headers: dict[str, str], status: int) -> None:
    """What is not UTF-8, not printable or no URL is the sender's fault, and nothing that later answers break on."""
    assert account.send(method, BASE + path, headers).status == status


def test_names_that_xml_cannot_carry(account: Account) -> None:
    """They are listed percent-encoded, and marked so."""
    name = "odd/\ufffe\uffff"
    container = account.blob().get_container_client("models")
    container.upload_blob(name, b"")
    assert [blob.name for blob in container.list_blobs("odd/")] == [name]


def test_refusals_of_malformed_requests(account: Account) -> None:
    """Each with the code of its rule."""
    cases = {
        ("GET", f"{BASE}?resource=filesystem"): "MissingRequiredQueryParameter",
        ("GET", f"{BASE}?resource=filesystem&recursive=true&maxResults=0"): "OutOfRangeQueryParameterValue",
        ("GET", f"{BASE}?resource=filesystem&recursive=true&continuation=%25"): "InvalidQueryParameterValue",
        ("PUT", f"{BASE}/a/../b?resource=file"): "InvalidUri",
        ("PATCH", f"{BASE}/d/f?action=flush"): "MissingRequiredQueryParameter",
        ("PATCH", f"{BASE}/d/f?action=append&position=5"): "InvalidHeaderValue",
        ("POST", f"{BASE}/d/f?comp=query"): "NotImplemented",
        ("PUT", f"{BASE}/d/f?comp=expiry"): "NotImplemented",
        ("POST", "/devstoreaccount1/?restype=service&comp=userdelegationkey"): "NotImplemented",
        ("DELETE", f"{BASE}/?recursive=true"): "PathConflict",
        ("GET", "/someoneelse/models/x"): "ResourceNotFound",
    }
    answers = {case: account.send(*case).headers["x-ms-error-code"] for case in cases}
    assert answers == cases


def test_a_client_that_loses_the_account_in_a_rename(account: Account) -> None:
    """The C++ SDK puts the account into the source and leaves it out of the address."""
    account.dfs().get_file_system_client("models").create_file("from")
    source = {"x-ms-rename-source": "/devstoreaccount1/models/from"}
    assert account.send("PUT", "/models/to?mode=legacy", source).status == 201
    assert account.send("HEAD", f"{BASE}/to").status == 200


def test_posix_renames_move_into_a_directory(account: Account) -> None:
    """Without ``mode=legacy`` a directory renamed onto a directory goes into it."""
    fs = account.dfs().get_file_system_client("models")
    fs.create_directory("moving")
    fs.create_directory("target")
    assert account.send("PUT", f"{BASE}/target", {"x-ms-rename-source": "/models/moving"}).status == 201
    assert fs.get_directory_client("target/moving").exists()


def test_an_answer_that_is_lost_after_the_effect(account: Account) -> None:
    """Fault points know the operation, the path and the caller, and act before or after the effect."""
    from localcloud.faults.rules import Rule

    rule = Rule.parse(
        {"service": "storage", "operation": "CreateFile", "name": "models/lost", "caller": "owner", "phase": "after",
         "action": {"status": 503}, "times": 1}
    )  # fmt: skip
    account.do(lambda: account.faults.add(rule))
    assert account.send("PUT", f"{BASE}/lost?resource=file", {"If-None-Match": "*"}).status == 503
    again = account.send("PUT", f"{BASE}/lost?resource=file", {"If-None-Match": "*"})
    assert (again.status, again.headers["x-ms-error-code"]) == (409, "PathAlreadyExists")
