"""Files and directories through the DFS surface, as azure-storage-file-datalake uses it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.filedatalake import ContentSettings, DataLakeLeaseClient, FileSystemClient
from azure.storage.filedatalake.aio import DataLakeServiceClient as AsyncDataLakeServiceClient

from localcloud.config import ACCOUNT_KEY
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
    return account.new(f"paths-{next(_names)}")


def names(fs: FileSystemClient, **options: object) -> list[str]:
    """Return the paths of a listing."""
    return [path.name for path in fs.get_paths(**options)]


def test_uploaded_bytes_come_back_whatever_their_number(fs: FileSystemClient) -> None:
    """Chunks arrive in parallel and any order; the file is their whole, with its content settings and metadata."""
    data = bytes(range(256)) * 4096
    file = fs.get_file_client("a/b/big.bin")
    file.upload_data(
        data, overwrite=True, chunk_size=100_000, max_concurrency=4, metadata={"Owner": "me"},
        content_settings=ContentSettings(content_type="text/csv", cache_control="no-store"),
    )  # fmt: skip
    assert file.download_file().readall() == data
    assert file.download_file(offset=1000, length=77).readall() == data[1000:1077]
    properties = file.get_file_properties()
    assert (properties.size, properties.metadata) == (len(data), {"Owner": "me"})
    assert (properties.content_settings.content_type, properties.content_settings.cache_control) == (
        "text/csv",
        "no-store",
    )
    assert names(fs) == ["a", "a/b", "a/b/big.bin"]


def test_an_empty_file_reads_as_empty(fs: FileSystemClient) -> None:
    """The first ranged read of an empty file is a 416, after which the client reads it whole."""
    fs.create_file("empty")
    assert fs.get_file_client("empty").download_file().readall() == b""


def test_names_are_kept_as_sent(fs: FileSystemClient) -> None:
    """Blanks, plus, percent, umlauts and hashes in names are neither decoded twice nor lost."""
    wanted = ["a b+c", "per%cent", "a%20b", "übung/ß#1", "x=1&y=2", "semi;colon"]
    for name in wanted:
        fs.get_file_client(name).upload_data(name.encode(), overwrite=True)
    assert sorted(set(names(fs)) - {"übung"}) == sorted(wanted)
    assert all(fs.get_file_client(name).download_file().readall() == name.encode() for name in wanted)


def test_exactly_one_of_racing_creates_wins(fs: FileSystemClient) -> None:
    """``If-None-Match: *`` on an existing path is a 409 PathAlreadyExists."""
    fs.get_file_client("lock").create_file(match_condition=MatchConditions.IfMissing)
    with pytest.raises(ResourceExistsError) as refusal:
        fs.get_file_client("lock").create_file(match_condition=MatchConditions.IfMissing)
    assert refusal.value.error_code == "PathAlreadyExists"


def test_create_replaces_a_file_and_keeps_a_directory(fs: FileSystemClient) -> None:
    """A file is truncated and gets a new ETag; a directory keeps its children; neither turns into the other."""
    file = fs.get_file_client("d/f")
    file.upload_data(b"old", overwrite=True)
    before = file.get_file_properties().etag
    file.create_file()
    assert file.get_file_properties().size == 0
    assert file.get_file_properties().etag != before
    fs.create_directory("d")
    assert names(fs) == ["d", "d/f"]
    with pytest.raises(ResourceExistsError):
        fs.create_file("d")
    with pytest.raises(ResourceExistsError):
        fs.create_directory("d/f")


def test_appends_show_only_after_the_flush(fs: FileSystemClient) -> None:
    """Staged bytes may come in any order and repeatedly; until the flush length and ETag stay."""
    file = fs.get_file_client("f")
    etag = file.create_file()["etag"]
    file.append_data(b"def", offset=3)
    file.append_data(b"xxx", offset=0)
    file.append_data(b"abc", offset=0)
    assert (file.get_file_properties().size, file.get_file_properties().etag) == (0, etag)
    file.flush_data(6, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert file.download_file().readall() == b"abcdef"
    file.append_data(b"ghi", offset=6, flush=True)
    assert file.download_file().readall() == b"abcdefghi"


@pytest.mark.parametrize("position", [2, 5, 7])
def test_a_flush_at_a_gap_changes_nothing(fs: FileSystemClient, position: int) -> None:
    """Below the committed length, in a gap or beyond the data a flush is 400 InvalidFlushPosition."""
    file = fs.get_file_client("f")
    file.upload_data(b"abc", overwrite=True)
    file.append_data(b"f", offset=5)
    with pytest.raises(HttpResponseError) as refusal:
        file.flush_data(position)
    assert refusal.value.error_code == "InvalidFlushPosition"
    assert file.download_file().readall() == b"abc"


def test_a_flush_is_conditional(fs: FileSystemClient) -> None:
    """Upload without overwrite is a flush with ``If-None-Match: *``: refused where a path is, 404 where none is."""
    fs.get_file_client("f").upload_data(b"abc", overwrite=True)
    with pytest.raises(ResourceModifiedError):
        fs.get_file_client("f").upload_data(b"new")
    with pytest.raises(ResourceNotFoundError) as missing:
        fs.get_file_client("nothing").upload_data(b"new")
    assert missing.value.error_code == "PathNotFound"


def test_a_reader_never_sees_two_versions(fs: FileSystemClient) -> None:
    """A file that changed between two ranged reads fails the second one instead of mixing versions."""
    file = fs.get_file_client("f")
    file.upload_data(b"a" * 100, overwrite=True)
    reader = fs.get_file_client("f")
    reader._config.max_single_get_size = reader._blob_client._config.max_single_get_size = 10
    reader._blob_client._config.max_chunk_get_size = 10
    stream = reader.download_file()
    file.upload_data(b"b" * 100, overwrite=True)
    with pytest.raises(ResourceModifiedError):
        stream.readall()


def test_conditions_on_reads_and_properties(fs: FileSystemClient) -> None:
    """If-Match guards with 412, If-None-Match answers 304, dates compare whole seconds."""
    file = fs.get_file_client("f")
    file.upload_data(b"abc", overwrite=True)
    known = file.get_file_properties()
    for call in (file.get_file_properties, file.download_file):
        with pytest.raises(HttpResponseError) as same:
            call(etag=known.etag, match_condition=MatchConditions.IfModified)
        assert same.value.status_code == 304
        with pytest.raises(HttpResponseError) as other:
            call(etag='"0x8D0000000000000"', match_condition=MatchConditions.IfNotModified)
        assert other.value.status_code == 412
    with pytest.raises(HttpResponseError) as unmodified:
        file.get_file_properties(if_modified_since=known.last_modified)
    assert unmodified.value.status_code == 304
    with pytest.raises(ResourceModifiedError):
        file.set_metadata({"a": "b"}, etag='"0x8D0000000000000"', match_condition=MatchConditions.IfNotModified)


def test_etags_change_with_content_and_properties_only(fs: FileSystemClient) -> None:
    """Metadata and headers make a new version; lists, leases and renames do not."""
    file = fs.get_file_client("f")
    file.upload_data(b"abc", overwrite=True)
    etags = [file.get_file_properties().etag]
    file.set_metadata({"a": "b"})
    etags.append(file.get_file_properties().etag)
    file.set_http_headers(ContentSettings(content_type="text/plain"))
    etags.append(file.get_file_properties().etag)
    assert len(set(etags)) == 3
    file.set_access_control(permissions="rwxr-x--x")
    file.acquire_lease(15).release()
    moved = file.rename_file(f"{fs.file_system_name}/g")
    properties = moved.get_file_properties()
    assert properties.etag == etags[-1]
    assert (properties.metadata, properties.content_settings.content_type) == ({"a": "b"}, "text/plain")


def test_a_file_made_again_takes_the_mode_that_is_asked_for(fs: FileSystemClient) -> None:
    """And keeps its own when none is."""
    file = fs.create_file("again")
    file.upload_data(b"x", overwrite=True, permissions="0777", umask="0000")
    assert file.get_access_control()["permissions"] == "rwxrwxrwx"
    file.upload_data(b"y", overwrite=True)
    assert file.get_access_control()["permissions"] == "rwxrwxrwx"


def test_a_directory_moves_in_one_step(fs: FileSystemClient) -> None:
    """Everything below goes along, the old name is free, and a repeated rename finds no source."""
    for name in ("s/a", "s/x/b"):
        fs.get_file_client(name).upload_data(name.encode(), overwrite=True)
    fs.create_directory("to")
    fs.get_directory_client("s").rename_directory(f"{fs.file_system_name}/to/t")
    assert names(fs) == ["to", "to/t", "to/t/a", "to/t/x", "to/t/x/b"]
    assert fs.get_file_client("to/t/x/b").download_file().readall() == b"s/x/b"
    with pytest.raises(ResourceNotFoundError) as repeated:
        fs.get_directory_client("s").rename_directory(f"{fs.file_system_name}/to/t")
    assert repeated.value.error_code == "SourcePathNotFound"


def test_what_a_rename_may_replace(fs: FileSystemClient) -> None:
    """A file replaces a file, a directory an empty directory; never something full, of another kind, or itself."""
    for name in ("f", "g", "full/x", "d/y"):
        fs.get_file_client(name).upload_data(name.encode(), overwrite=True)
    fs.create_directory("empty")
    here = fs.file_system_name

    def refused(source: str, target: str) -> str:
        with pytest.raises(HttpResponseError) as refusal:
            fs.get_directory_client(source).rename_directory(f"{here}/{target}")
        return str(
            refusal.value.error_code.value if hasattr(refusal.value.error_code, "value") else refusal.value.error_code
        )

    assert refused("d", "full") == "DirectoryNotEmpty"
    assert refused("d", "f") == "InvalidSourceOrDestinationResourceType"
    assert refused("d", "d/sub") == "InvalidRenameSourcePath"
    assert refused("d", "no/parent") == "RenameDestinationParentPathNotFound"
    with pytest.raises(ResourceExistsError):
        fs.get_file_client("f").rename_file(f"{here}/g", match_condition=MatchConditions.IfMissing)
    fs.get_file_client("f").rename_file(f"{here}/g")
    fs.get_directory_client("d").rename_directory(f"{here}/empty")
    assert names(fs) == ["empty", "empty/y", "full", "full/x", "g"]
    assert fs.get_file_client("g").download_file().readall() == b"f"


def test_a_rename_crosses_filesystems(account: Account, fs: FileSystemClient) -> None:
    """Within one account the target may lie in another filesystem."""
    other = account.new(f"{fs.file_system_name}-other")
    fs.get_file_client("f").upload_data(b"abc", overwrite=True)
    moved = fs.get_file_client("f").rename_file(f"{other.file_system_name}/g")
    assert moved.download_file().readall() == b"abc"
    assert names(fs) == []


def test_delete(fs: FileSystemClient) -> None:
    """A directory goes with all below it at once; what is gone is 404."""
    for number in range(20):
        fs.create_file(f"d/{number % 3}/{number}")
    with pytest.raises(ResourceExistsError) as full:
        fs.get_file_client("d").delete_file()
    assert full.value.error_code == "DirectoryNotEmpty"
    fs.delete_directory("d")
    assert names(fs) == []
    with pytest.raises(ResourceNotFoundError):
        fs.delete_directory("d")
    fs.create_file("d")
    fs.delete_file("d")
    assert not fs.get_file_client("d").exists()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 5000])
def test_a_paged_listing_loses_and_doubles_nothing(fs: FileSystemClient, size: int) -> None:
    """Depth first, a directory before its children, at any page size; one level without recursion."""
    for name in ("a/x", "a/y/z", "a-b/q", "a.c", "b/1", "b/2"):
        fs.create_file(name)
    expected = ["a", "a/x", "a/y", "a/y/z", "a-b", "a-b/q", "a.c", "b", "b/1", "b/2"]
    assert sorted(names(fs, max_results=size)) == sorted(expected)
    assert names(fs, recursive=False, max_results=size) == ["a", "a-b", "a.c", "b"]
    assert names(fs, path="/a/", max_results=size) == ["a/x", "a/y", "a/y/z"]
    with pytest.raises(ResourceNotFoundError):
        names(fs, path="nowhere")


def test_entries_of_a_listing(fs: FileSystemClient) -> None:
    """Each entry tells kind, length, ETag, times and rights."""
    fs.get_file_client("d/f").upload_data(b"abc", overwrite=True)
    directory, file = fs.get_paths()
    assert (directory.is_directory, file.is_directory, file.content_length) == (True, False, 3)
    known = fs.get_file_client("d/f").get_file_properties()
    assert f'"{file.etag}"' == known.etag
    assert (file.owner, file.permissions, directory.permissions) == ("$superuser", "rw-r-----", "rwxr-x---")
    assert file.creation_time.replace(microsecond=0) == known.creation_time


def test_leases(account: Account, fs: FileSystemClient) -> None:
    """A leased path is written with the lease's id only; leases end by the cloud's clock and can be broken."""
    file = fs.get_file_client("f")
    file.upload_data(b"abc", overwrite=True)
    lease = file.acquire_lease(15)
    with pytest.raises(HttpResponseError) as missing:
        file.upload_data(b"new", overwrite=True)
    assert missing.value.error_code == "LeaseIdMissing"
    with pytest.raises(ResourceExistsError):
        file.acquire_lease(15)
    file.upload_data(b"with lease", overwrite=True, lease=lease)
    assert file.get_file_properties().lease.state == "leased"
    account.clock.advance(16)
    assert file.get_file_properties().lease.state == "expired"
    with pytest.raises(HttpResponseError) as lost:
        file.set_metadata({}, lease=lease)
    assert lost.value.error_code == "LeaseLost"
    lease.renew()
    assert lease.break_lease(lease_break_period=5) == 5
    with pytest.raises(HttpResponseError):
        file.delete_file()
    account.clock.advance(6)
    assert file.get_file_properties().lease.state == "broken"
    DataLakeLeaseClient(file).acquire(-1)
    with pytest.raises(HttpResponseError):
        file.rename_file(f"{fs.file_system_name}/g")


def test_filesystems(account: Account) -> None:
    """They are made once, listed, have metadata, and are free again after their deletion."""
    fs = account.new("some-files")
    with pytest.raises(ResourceExistsError) as twice:
        account.new("some-files")
    assert twice.value.error_code == "ContainerAlreadyExists"
    fs.set_file_system_metadata({"a": "b"})
    assert fs.get_file_system_properties().metadata == {"a": "b"}
    assert "some-files" in [one.name for one in account.dfs().list_file_systems(name_starts_with="some")]
    fs.create_file("d/f")
    fs.delete_file_system()
    assert not fs.exists()
    with pytest.raises(ResourceNotFoundError) as gone:
        names(fs)
    assert gone.value.error_code == "FilesystemNotFound"
    assert names(account.new("some-files")) == []
    with pytest.raises(HttpResponseError) as misnamed:
        account.new("Bad_Name")
    assert misnamed.value.error_code == "InvalidResourceName"


def test_the_asynchronous_client(account: Account) -> None:
    """What holds for the synchronous clients holds for the aio ones."""

    async def story() -> bytes:
        service = AsyncDataLakeServiceClient(account.url, credential=ACCOUNT_KEY, retry_total=0)
        async with service, await service.create_file_system("aio") as fs:
            file = fs.get_file_client("d/f")
            await file.upload_data(b"abc" * 1000, overwrite=True, chunk_size=500, max_concurrency=3)
            assert [path.name async for path in fs.get_paths()] == ["d", "d/f"]
            renamed = await file.rename_file("aio/d/g")
            return await (await renamed.download_file()).readall()

    assert asyncio.run(story()) == b"abc" * 1000
