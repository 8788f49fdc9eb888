"""Many deletions in one request, through azure-storage-blob and by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.storage.blob import ContainerClient, PartialBatchErrorException, generate_container_sas

from localcloud.config import ACCOUNT, ACCOUNT_KEY
from localcloud.lake.routes_batch import MOST_BYTES, MOST_PARTS
from tests.localcloud.lake_account import Account, served

_names = itertools.count()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account for the tests of this file."""
    with served(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture
def container(account: Account) -> ContainerClient:
    """A container of the test's own, with a few blobs."""
    made = account.blob().create_container(f"batches-{next(_names)}")
    for name in ("d/a", "d/b ö+%25.txt", "c"):
        made.upload_blob(name, b"1")
    return made


def names(container: ContainerClient) -> list[str]:
    """Return the names of the files that are left."""
    return [blob.name for blob in container.list_blobs() if blob.name != "d"]


def part(number: int, line: str, *headers: str) -> str:
    """Return one part of a batch."""
    request = "\r\n".join([line, *headers, "", ""])
    return f"--x\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n{request}\r\n"


def send(
    account: Account, body: str, kind: str = "multipart/mixed; boundary=x", to: str = "?comp=batch"
) -> tuple[int, str]:
    """Send a batch by hand, as the owner; returns status and body."""
    path = f"/{ACCOUNT}/{to}"
    answer = account.send("POST", path, {"Content-Type": kind}, body=body.encode())
    return answer.status, answer.content.decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("principal", [None, "owner"])
def test_each_part_is_carried_out_and_answered_for_itself(
    account: Account, container: ContainerClient, principal: str | None
) -> None:
    """One that fails keeps no other; whatever became of them, the batch is accepted."""
    client = account.blob(principal).get_container_client(container.container_name)
    answers = list(client.delete_blobs("d/a", "none", "d/b ö+%25.txt", raise_on_any_failure=False))
    assert [answer.status_code for answer in answers] == [202, 404, 202]
    assert answers[1].headers["x-ms-error-code"] == "BlobNotFound"
    assert len({answer.headers["x-ms-request-id"] for answer in answers}) == 3
    assert names(container) == ["c"]
    with pytest.raises(PartialBatchErrorException):
        client.delete_blobs("none")


def test_rights_and_conditions_are_those_of_the_part(account: Account, container: ContainerClient) -> None:
    """Whoever may send a batch may not delete by it what they could not delete alone."""
    name = container.container_name
    reader = account.blob("stranger").get_container_client(name)
    assert [answer.status_code for answer in reader.delete_blobs("c", "d/a", raise_on_any_failure=False)] == [403, 403]
    old = container.get_blob_client("c").get_blob_properties().etag
    container.upload_blob("c", b"2", overwrite=True)
    wanted = {"name": "c", "etag": old, "match_condition": MatchConditions.IfNotModified}
    (answer,) = container.delete_blobs(wanted, raise_on_any_failure=False)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (412, "ConditionNotMet")
    until = account.clock.now() + timedelta(hours=1)
    signature = generate_container_sas(ACCOUNT, name, ACCOUNT_KEY, permission="rd", expiry=until)
    signed = ContainerClient(account.url, name, credential=signature)
    assert [answer.status_code for answer in signed.delete_blobs("d/a")] == [202]


def test_a_batch_tells_what_is_wrong_with_it(account: Account, container: ContainerClient) -> None:
    """Nothing of a malformed batch is carried out; a part that is no deletion is refused for itself."""
    name = container.container_name
    token = f"Authorization: {account.bearer('owner')}"
    delete = part(0, f"DELETE /{ACCOUNT}/{name}/c HTTP/1.1", token, "Content-Length: 0")

    for body, kind in (
        (delete, "text/plain"),
        (delete, "multipart/mixed"),
        (delete, "multipart/mixed; boundary=x"),
        ("", "multipart/mixed; boundary=x"),
    ):
        assert send(account, body, kind)[0] == 400, (body, kind)
    many = "".join(part(number, f"DELETE /{ACCOUNT}/{name}/c HTTP/1.1", token) for number in range(MOST_PARTS + 1))
    assert send(account, f"{many}--x--")[0] == 400
    assert "c" in names(container)

    parts = [
        part(0, f"PUT /{ACCOUNT}/{name}/c?comp=tier HTTP/1.1", token, "x-ms-access-tier: Hot"),
        part(1, f"GET /{name}/c HTTP/1.1", token),
        part(2, "nonsense"),
        part(3, f"DELETE /{name}/c HTTP/1.1"),
        part(4, f"DELETE /{name}/c HTTP/1.1", token),
    ]
    status, answer = send(account, "".join(parts) + "--x--\r\n")
    assert status == 202
    told = [line.split(" ")[1] for line in answer.split("\r\n") if line.startswith("HTTP/1.1")]
    assert told == ["501", "501", "400", "401", "202"]
    assert "c" not in names(container)


def test_a_batch_stays_within_its_container_and_its_size(account: Account, container: ContainerClient) -> None:
    """A part for another container is refused for itself; what is larger than a batch may be is not read to its end."""
    token = f"Authorization: {account.bearer('owner')}"
    delete = part(0, f"DELETE /{container.container_name}/c HTTP/1.1", token) + "--x--"
    status, answer = send(account, delete, to="models?restype=container&comp=batch")
    assert (status, "HTTP/1.1 400" in answer) == (202, True)
    assert send(account, part(0, "x" * MOST_BYTES) + "--x--")[0] == 413
    assert "c" in names(container)
