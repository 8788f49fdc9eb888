"""The events of the lake: which change tells what, in the Event Grid schema, together with the change."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock
from azure.storage.filedatalake import FileSystemClient

from tests.localcloud.lake_account import Account, served

_names = itertools.count()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account for the tests of this file."""
    with served(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture
def fs(account: Account) -> FileSystemClient:
    """A filesystem of the test's own."""
    return account.new(f"events-{next(_names)}")


def told(account: Account, fs: FileSystemClient) -> list[tuple[str, str, str]]:
    """Return type, api and path of what was told of a filesystem."""
    prefix = f"/blobServices/default/containers/{fs.file_system_name}/blobs/"
    return [
        (
            event["eventType"].removeprefix("Microsoft.Storage."),
            event["data"]["api"],
            event["subject"].removeprefix(prefix),
        )
        for event in account.events(fs.file_system_name)
    ]


def test_an_upload_through_dfs_is_two_events(account: Account, fs: FileSystemClient) -> None:
    """CreateFile with no length, then FlushWithClose with it; parents and appends tell nothing."""
    fs.get_file_client("in/a b.csv").upload_data(b"12345", overwrite=True)
    created, flushed = account.events(fs.file_system_name)
    assert (created["data"]["api"], created["data"]["contentLength"]) == ("CreateFile", 0)
    expected: dict[str, Any] = {
        "api": "FlushWithClose", "contentLength": 5, "contentOffset": 5, "blobType": "BlockBlob",
        "contentType": "application/octet-stream",
        "url": f"https://lake.test/devstoreaccount1/{fs.file_system_name}/in/a%20b.csv",
    }  # fmt: skip
    assert expected.items() <= flushed["data"].items()
    assert flushed["subject"].endswith(f"/containers/{fs.file_system_name}/blobs/in/a b.csv")
    assert (flushed["dataVersion"], flushed["topic"].rpartition("/")[2]) == ("2", "devstoreaccount1")
    assert created["data"]["sequencer"] < flushed["data"]["sequencer"]
    assert f'"{flushed["data"]["eTag"]}"' == fs.get_file_client("in/a b.csv").get_file_properties().etag


def test_what_each_operation_tells(account: Account, fs: FileSystemClient) -> None:
    """A directory's rename or deletion is one event; lists, leases, metadata, blocks and refusals tell nothing."""
    container = account.blob().get_container_client(fs.file_system_name)
    fs.create_directory("d")
    blob = container.upload_blob("d/x", b"x")
    blob.set_blob_metadata({"a": "b"})
    blob.acquire_lease(15).release()
    fs.get_file_client("d/x").set_access_control(permissions="rwxr-xr-x")
    blocks = container.get_blob_client("d/y")
    blocks.stage_block("1", b"y")
    blocks.commit_block_list([BlobBlock("1")])
    container.get_blob_client("d/z").start_copy_from_url(blob.url)
    container.get_blob_client("d/u").upload_blob_from_url(blob.url, source_authorization=account.bearer("owner"))
    with pytest.raises(HttpResponseError):
        container.upload_blob("d/x", b"x")
    blob.delete_blob()
    fs.get_file_client("d/y").rename_file(f"{fs.file_system_name}/d/moved")
    fs.get_directory_client("d").rename_directory(f"{fs.file_system_name}/e")
    fs.get_file_client("e/z").delete_file()
    fs.get_directory_client("e").delete_directory()
    assert told(account, fs) == [
        ("DirectoryCreated", "CreateDirectory", "d"),
        ("BlobCreated", "PutBlob", "d/x"),
        ("BlobCreated", "PutBlockList", "d/y"),
        ("BlobCreated", "CopyBlob", "d/z"),
        ("BlobCreated", "PutBlob", "d/u"),
        ("BlobDeleted", "DeleteBlob", "d/x"),
        ("BlobRenamed", "RenameFile", "d/moved"),
        ("DirectoryRenamed", "RenameDirectory", "e"),
        ("BlobDeleted", "DeleteFile", "e/z"),
        ("DirectoryDeleted", "DeleteDirectory", "e"),
    ]
    renamed = account.events(fs.file_system_name)[7]["data"]
    assert renamed["sourceUrl"].endswith("/d")
    assert renamed["destinationUrl"].endswith("/e")
    assert "url" not in renamed
    assert account.events(fs.file_system_name)[-1]["data"]["recursive"] == "true"


def test_a_flush_that_does_not_close_tells_nothing(account: Account, fs: FileSystemClient) -> None:
    """Only the flush with close says that a file is complete."""
    file = fs.get_file_client("f")
    file.create_file()
    file.append_data(b"abc", offset=0)
    file.flush_data(3)
    file.flush_data(3, close=True)
    assert [api for _, api, _ in told(account, fs)] == ["CreateFile", "FlushWithClose"]


def test_an_events_ids_lead_to_its_request(account: Account, fs: FileSystemClient) -> None:
    """It carries the answer's request id, and the client's own."""
    response = {}
    account.blob().get_blob_client(fs.file_system_name, "x").upload_blob(
        b"", raw_response_hook=lambda answer: response.update(answer.http_response.headers)
    )
    (event,) = account.events(fs.file_system_name)
    assert event["data"]["requestId"] == response["x-ms-request-id"]
    assert event["data"]["clientRequestId"] == response["x-ms-client-request-id"]
    assert event["id"] != event["data"]["requestId"]
