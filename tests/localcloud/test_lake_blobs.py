"""Blobs through azure-storage-blob: whole ones, blocks, copies, listings."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContainerClient

from tests.localcloud.lake_account import Account, served

_names = itertools.count()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account for the tests of this file."""
    with served(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture
def container(account: Account) -> ContainerClient:
    """A container of the test's own."""
    return account.blob().create_container(f"blobs-{next(_names)}")


def source_url(container: ContainerClient, name: str) -> str:
    """Return the address of a blob as a copy's source."""
    return container.get_blob_client(name).url


def test_a_blob_has_its_md5_and_metadata(container: ContainerClient) -> None:
    """Put Blob stores the MD5 of its bytes; metadata names keep their case."""
    blob = container.upload_blob("d/x", b"12345", metadata={"Some": "thing"})
    properties = blob.get_blob_properties()
    assert properties.content_settings.content_md5 == bytearray(hashlib.md5(b"12345", usedforsecurity=False).digest())
    assert (properties.size, properties.metadata) == (5, {"Some": "thing"})
    assert blob.download_blob().readall() == b"12345"


def test_bytes_that_were_changed_on_the_way_are_refused(container: ContainerClient) -> None:
    """A Content-MD5 that does not fit the body is a 400 and leaves nothing."""
    blob = container.get_blob_client("x")
    with pytest.raises(HttpResponseError) as refusal:
        blob.upload_blob(b"abc", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert refusal.value.error_code == "Md5Mismatch"
    assert not blob.exists()
    blob.upload_blob(b"abc", validate_content=True)


def test_records_are_compared_and_swapped(container: ContainerClient) -> None:
    """One Put Blob with If-None-Match or If-Match is the way to write a record."""
    blob = container.upload_blob("record", b"1")
    with pytest.raises(ResourceExistsError) as exists:
        blob.upload_blob(b"2")
    assert exists.value.error_code == "BlobAlreadyExists"
    etag = blob.get_blob_properties().etag
    blob.upload_blob(b"3", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError):
        blob.upload_blob(b"4", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError):
        container.get_blob_client("none").upload_blob(
            b"", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified
        )
    assert blob.download_blob().readall() == b"3"


def test_blocks_make_a_blob_when_their_list_is_put(container: ContainerClient) -> None:
    """Until then the blob does not exist; blocks not named are dropped; committed ones can be used again."""
    blob = container.get_blob_client("b")
    for name, data in (("1", b"one"), ("2", b"two"), ("3", b"three"), ("2", b"TWO")):
        blob.stage_block(name, data)
    assert not blob.exists()
    committed, uncommitted = blob.get_block_list("all")
    assert [(block.id, block.size) for block in uncommitted] == [("1", 3), ("3", 5), ("2", 3)]
    blob.commit_block_list([BlobBlock("2"), BlobBlock("1")], metadata={"a": "b"})
    assert blob.download_blob().readall() == b"TWOone"
    committed, uncommitted = blob.get_block_list("all")
    assert ([block.id for block in committed], uncommitted) == (["2", "1"], [])
    blob.stage_block("4", b"four")
    blob.commit_block_list([BlobBlock("1"), BlobBlock("4")])
    assert blob.download_blob().readall() == b"onefour"
    with pytest.raises(HttpResponseError) as unknown:
        blob.commit_block_list([BlobBlock("9")])
    assert unknown.value.error_code == "InvalidBlockList"


def test_a_large_upload_goes_by_blocks(container: ContainerClient) -> None:
    """What the client cuts into blocks comes back whole, also over several ranged reads."""
    data = bytes(range(251)) * 40_000
    container._config.max_single_put_size = container._config.max_block_size = 1 << 20
    container.upload_blob("big", data, max_concurrency=3)
    container._config.max_single_get_size = container._config.max_chunk_get_size = 3 << 20
    assert container.download_blob("big").readall() == data


def test_a_copy_brings_bytes_properties_and_metadata(account: Account, container: ContainerClient) -> None:
    """The source is read with its own authorisation, and pinned by its ETag; no bytes are stored again."""
    source = container.upload_blob("s", b"source", metadata={"a": "b"})
    etag = source.get_blob_properties().etag
    target = container.get_blob_client("t/copy")
    stored = account.do(lambda: len(list((account.state / "content").glob("??/*"))))
    authorization = account.bearer("owner")
    target.upload_blob_from_url(
        source.url, source_authorization=authorization, source_etag=etag,
        source_match_condition=MatchConditions.IfNotModified, overwrite=False,
    )  # fmt: skip
    assert account.do(lambda: len(list((account.state / "content").glob("??/*")))) == stored
    assert target.download_blob().readall() == b"source"
    assert target.get_blob_properties().metadata == {"a": "b"}
    assert (
        target.get_blob_properties().content_settings.content_md5
        == source.get_blob_properties().content_settings.content_md5
    )
    source.upload_blob(b"changed", overwrite=True)
    assert target.download_blob().readall() == b"source"
    with pytest.raises(HttpResponseError) as changed:
        target.upload_blob_from_url(
            source.url, source_authorization=authorization, source_etag=etag,
            source_match_condition=MatchConditions.IfNotModified, overwrite=True,
        )  # fmt: skip
    assert changed.value.error_code == "SourceConditionNotMet"
    with pytest.raises(ResourceExistsError):
        target.upload_blob_from_url(source.url, source_authorization=authorization, overwrite=False)


def test_a_copy_is_refused_what_its_source_refuses(account: Account, container: ContainerClient) -> None:
    """Without authorisation 401, without the right 403, without the source 404, all marked as the source's."""
    source = container.upload_blob("s", b"source")
    target = container.get_blob_client("t")

    def refused(url: str, authorization: str | None) -> tuple[int, str, str]:
        with pytest.raises(HttpResponseError) as refusal:
            target.upload_blob_from_url(url, source_authorization=authorization)
        headers = refusal.value.response.headers
        return refusal.value.status_code, headers["x-ms-error-code"], headers["x-ms-copy-source-status-code"]

    assert refused(source.url, None) == (401, "NoAuthenticationInformation", "401")
    assert refused(source.url, account.bearer("stranger")) == (403, "AuthorizationPermissionMismatch", "403")
    missing = (404, "CannotVerifyCopySource", "404")
    assert refused(source_url(container, "none"), account.bearer("owner")) == missing
    assert not target.exists()


def test_a_directory_is_no_source(container: ContainerClient) -> None:
    """Whatever the target is, so that adlfs, which tries to copy every path of a tree, goes on with the files."""
    container.upload_blob("d/x", b"x")
    container.upload_blob("e/x", b"x")
    with pytest.raises(ResourceNotFoundError) as refusal:
        container.get_blob_client("e").start_copy_from_url(source_url(container, "d"))
    assert refusal.value.error_code == "CannotVerifyCopySource"


def test_blocks_from_ranges_of_a_source(account: Account, container: ContainerClient) -> None:
    """Put Block From URL takes a range; the source's ETag goes as a header, for want of a parameter."""
    source = container.upload_blob("s", b"0123456789")
    target = container.get_blob_client("t")
    pinned = {"x-ms-source-if-match": source.get_blob_properties().etag}
    for name, offset, length in (("b", 5, 5), ("a", 0, 5)):
        target.stage_block_from_url(
            name, source.url, source_offset=offset, source_length=length,
            source_authorization=account.bearer("owner"), headers=pinned,
        )  # fmt: skip
    target.commit_block_list([BlobBlock("a"), BlobBlock("b"), BlobBlock("a")])
    assert target.download_blob().readall() == b"012345678901234"
    with pytest.raises(HttpResponseError) as stale:
        target.stage_block_from_url(
            "c", source.url, source_authorization=account.bearer("owner"), headers={"x-ms-source-if-match": '"0x8D1"'}
        )
    assert (stale.value.status_code, stale.value.error_code) == (412, "CannotVerifyCopySource")


@pytest.mark.parametrize(
    ("condition", "status"), [("source_if_unmodified_since", 412), ("source_if_modified_since", 304)]
)
def test_the_dates_of_a_source(account: Account, container: ContainerClient, condition: str, status: int) -> None:
    """One that was changed is told as a source that could not be verified, with the status of its own answer."""
    source = container.upload_blob("s", b"source")
    date = source.get_blob_properties().last_modified
    moment = date - timedelta(hours=1) if status == 412 else date
    with pytest.raises(HttpResponseError) as changed:
        container.get_blob_client("t").upload_blob_from_url(
            source.url, source_authorization=account.bearer("owner"), **{condition: moment}
        )
    assert (changed.value.status_code, changed.value.error_code) == (status, "CannotVerifyCopySource")
    assert changed.value.response.headers["x-ms-copy-source-status-code"] == str(status)


def test_a_copy_at_once_needs_its_own_authorization(account: Account, container: ContainerClient) -> None:
    """The key of the request does for a copy that may take its time, and not for one that may not."""
    source = container.upload_blob("s", b"source")
    target = container.get_blob_client("t")
    with pytest.raises(HttpResponseError) as refusal:
        target.start_copy_from_url(source.url, requires_sync=True)
    assert refusal.value.status_code == 401
    copied = target.start_copy_from_url(source.url, source_authorization=account.bearer("owner"), requires_sync=True)
    assert copied["copy_status"] == "success"


def test_the_holder_of_a_lease_replaces_a_blob_unasked(container: ContainerClient) -> None:
    """Though the client insists on a new one, as it does without overwrite; nobody else may."""
    blob = container.upload_blob("b", b"one")
    lease = blob.acquire_lease()
    blob.upload_blob(b"two", lease=lease)
    assert blob.download_blob().readall() == b"two"
    with pytest.raises(ResourceExistsError):
        blob.upload_blob(b"three")
    with pytest.raises(HttpResponseError) as other:
        blob.upload_blob(b"three", lease="00000000-1111-2222-3333-444444444444")
    assert other.value.error_code == "LeaseIdMismatchWithBlobOperation"


def test_listings_tell_how_long_a_lease_is(account: Account, container: ContainerClient) -> None:
    """Of blobs and of containers."""
    container.upload_blob("b", b"x").acquire_lease(15)
    container.acquire_lease()
    assert [blob.lease.duration for blob in container.list_blobs()] == ["fixed"]
    (listed,) = account.blob().list_containers(container.container_name)
    assert (listed.lease.duration, listed.immutable_storage_with_versioning_enabled) == ("infinite", False)


def test_an_asynchronous_copy_can_stay_pending(account: Account, container: ContainerClient) -> None:
    """Copy Blob is done at once, or held back: then HEAD and listings say pending and no other copy may begin."""
    source = container.upload_blob("s", b"source")
    target = container.get_blob_client("t")
    assert target.start_copy_from_url(source.url)["copy_status"] == "success"
    account.do(lambda: setattr(account.lake.copies, "held", True))
    started = target.start_copy_from_url(source.url)
    assert started["copy_status"] == "pending"
    assert target.get_blob_properties().copy.progress == "0/6"
    listed = {blob.name: blob.copy.status for blob in container.list_blobs(include=["copy"])}
    assert listed == {"s": None, "t": "pending"}
    with pytest.raises(ResourceExistsError) as second:
        target.start_copy_from_url(source.url)
    assert second.value.error_code == "PendingCopyOperation"
    assert account.do(account.lake.copies.release) == 1
    assert target.get_blob_properties().copy.status == "success"
    assert target.download_blob().readall() == b"source"
    with pytest.raises(HttpResponseError) as done:
        target.abort_copy(started["copy_id"])
    assert done.value.error_code == "NoPendingCopyOperation"


@pytest.mark.parametrize("size", [1, 2, 3, 5000])
def test_listings_are_in_the_order_of_full_names(container: ContainerClient, size: int) -> None:
    """Flat, directories are entries too and sort by full name; with a delimiter they are prefixes."""
    for name in ("a/x", "a/y/z", "a-b", "a.c/q", "a0", "b"):
        container.upload_blob(name, b"1", metadata={"k": "v"})
    flat = [blob.name for page in container.list_blobs(results_per_page=size).by_page() for blob in page]
    assert flat == sorted(["a", "a/x", "a/y", "a/y/z", "a-b", "a.c", "a.c/q", "a0", "b"])
    # The client puts the prefixes of a page before its blobs.
    assert sorted(blob.name for blob in container.walk_blobs(results_per_page=size)) == ["a-b", "a.c/", "a/", "a0", "b"]
    assert sorted(blob.name for blob in container.walk_blobs("a/", results_per_page=size)) == ["a/x", "a/y/"]
    assert [blob.name for blob in container.list_blobs("a/y", results_per_page=size)] == ["a/y", "a/y/z"]
    assert [blob.name for blob in container.list_blobs("a.c/q/", results_per_page=size)] == []
    told = {blob.name: blob.metadata for blob in container.list_blobs("a/", include=["metadata"])}
    assert told == {"a/x": {"k": "v"}, "a/y": {"hdi_isfolder": "true"}, "a/y/z": {"k": "v"}}


@pytest.mark.parametrize(
    "first", ["a", "a-b", "a.", "a/", "a/x", "a/y", "a/yy", "a/y/z", "a0", "b", "c", "\ue000", "\0", "a\0"]
)
def test_a_listing_begins_where_it_is_told_to(container: ContainerClient, first: str) -> None:
    """With that very name or the first behind it, in the order of the listing, below a prefix too."""
    for name in ("a/x", "a/y/z", "a-b", "a.c/q", "a0", "b", "\ud7ff"):
        container.upload_blob(name, b"1")
    everything = [blob.name for blob in container.list_blobs()]
    found = container.list_blobs(start_from=first, results_per_page=2)
    assert [blob.name for blob in found] == [name for name in everything if name >= first]
    below = [name for name in everything if name.startswith("a/") and name >= first]
    assert [blob.name for blob in container.list_blobs("a/", start_from=first)] == below
    keys = {blob.name for blob in container.walk_blobs()}
    assert {blob.name for blob in container.walk_blobs(start_from=first)} == {key for key in keys if key >= first}


def test_both_surfaces_are_one_tree(account: Account, container: ContainerClient) -> None:
    """What one surface wrote the other reads and renames; only mixed writes to one file are refused."""
    fs = account.dfs().get_file_system_client(container.container_name)
    container.upload_blob("d/x", b"blob")
    assert fs.get_file_client("d/x").download_file().readall() == b"blob"
    with pytest.raises(ResourceExistsError) as mixed:
        fs.get_file_client("d/x").append_data(b"more", offset=4)
    assert mixed.value.error_code == "InvalidFlushOperation"
    fs.get_directory_client("d").rename_directory(f"{container.container_name}/e")
    assert container.download_blob("e/x").readall() == b"blob"
    fs.get_file_client("f").upload_data(b"dfs", overwrite=True)
    assert container.download_blob("f").readall() == b"dfs"
    with pytest.raises(ResourceExistsError) as full:
        container.delete_blob("e")
    assert full.value.error_code == "DirectoryIsNotEmpty"
    container.upload_blob("flat", b"", metadata={"hdi_isfolder": "true"})
    assert fs.get_directory_client("flat").get_directory_properties().name == "flat"


def test_delete_and_missing(container: ContainerClient) -> None:
    """Blob's own codes for what is not there."""
    container.upload_blob("x", b"")
    container.delete_blob("x")
    with pytest.raises(ResourceNotFoundError) as missing:
        container.delete_blob("x")
    assert missing.value.error_code == "BlobNotFound"
    with pytest.raises(ResourceNotFoundError) as nowhere:
        container.get_blob_client("x").download_blob()
    assert nowhere.value.error_code == "BlobNotFound"


@pytest.mark.parametrize(
    ("feature", "call"),
    [
        ("append blobs", lambda blob: blob.create_append_blob()),
        ("page blobs", lambda blob: blob.create_page_blob(512)),
        ("snapshots", lambda blob: blob.create_snapshot()),
        ("access tiers", lambda blob: blob.set_standard_blob_tier("Cool")),
        ("tags", lambda blob: blob.set_blob_tags({"a": "b"})),
    ],
)
def test_what_is_not_supported_is_refused_by_name(container: ContainerClient, feature: str, call: object) -> None:
    """A 501 that names the feature, instead of an answer that pretends."""
    blob = container.upload_blob("x", b"")
    with pytest.raises(HttpResponseError, match="does not support") as refusal:
        call(blob)  # type: ignore[operator]
    assert refusal.value.status_code == 501
    assert feature.split(maxsplit=1)[0].rstrip("s") in refusal.value.message.lower()
