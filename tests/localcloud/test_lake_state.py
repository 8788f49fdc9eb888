"""The lake's state: what a kill leaves, what a restart finds, how much a large tree costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient
from azure.storage.filedatalake import DataLakeServiceClient

from localcloud.config import ACCOUNT, ACCOUNT_KEY
from localcloud.identity.rules import SUPERUSER
from localcloud.lake import listing, paths
from localcloud.lake.access import Rights
from localcloud.lake.target import Place
from localcloud.lake.volume import Act
from tests.localcloud import lake_account
from tests.localcloud.lake_account import Account, served
from tests.running import PATIENCE, eventually


@contextmanager
def killed(state: Path) -> Iterator[str]:
    """Serve in a process of its own, which is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, lake_account.__file__, str(state)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/{ACCOUNT}"
    finally:
        process.kill()
        process.wait()


def parts(account: Account) -> int:
    """Return how many files of bytes the state folder holds."""
    return account.do(lambda: len(list((account.state / "content").glob("??/*"))))


def test_nothing_that_was_answered_is_lost_by_a_kill(tmp_path: Path) -> None:
    """Files, unflushed appends, uncommitted blocks, leases, messages: all are there after ``kill -9``."""
    with killed(tmp_path) as url:
        fs = DataLakeServiceClient(url, credential=ACCOUNT_KEY, retry_total=0).create_file_system("kept")
        fs.get_file_client("d/f").upload_data(b"flushed", overwrite=True)
        lease = fs.get_file_client("d/f").acquire_lease(-1)
        fs.get_file_client("d/g").create_file()
        fs.get_file_client("d/g").append_data(b"unflushed", offset=0)
        blob = BlobServiceClient(url, credential=ACCOUNT_KEY, retry_total=0).get_blob_client("kept", "blob")
        blob.stage_block("1", b"staged")
    with served(tmp_path) as account:
        fs = account.dfs().get_file_system_client("kept")
        assert fs.get_file_client("d/f").download_file().readall() == b"flushed"
        assert fs.get_file_client("d/f").get_file_properties().lease.state == "leased"
        fs.get_file_client("d/f").set_metadata({"a": "b"}, lease=lease.id)
        fs.get_file_client("d/g").flush_data(9)
        assert fs.get_file_client("d/g").download_file().readall() == b"unflushed"
        blob = account.blob().get_blob_client("kept", "blob")
        blob.commit_block_list([BlobBlock("1")])
        assert blob.download_blob().readall() == b"staged"
        assert [event["data"]["api"] for event in account.events("kept")][:2] == ["CreateFile", "FlushWithClose"]


def test_bytes_without_a_path_are_collected(tmp_path: Path) -> None:
    """Overwritten, deleted and half-received bytes leave the disk; what a kill left behind goes at the next start."""
    with served(tmp_path) as account:
        container = account.blob().create_container("bytes")
        for _ in range(3):
            container.upload_blob("x", b"x" * 10, overwrite=True)
        assert parts(account) == 1
        container.get_blob_client("copy").start_copy_from_url(container.get_blob_client("x").url)
        container.delete_blob("x")
        assert parts(account) == 1
        for number in range(10):
            container.upload_blob(f"d/{number}", b"x")
        account.dfs().get_file_system_client("bytes").delete_directory("d")
        eventually(lambda: parts(account) == 1)
    (tmp_path / "content" / "ab").mkdir(exist_ok=True)
    (tmp_path / "content" / "ab" / "half-received").write_bytes(b"lost")
    with served(tmp_path) as account:
        assert parts(account) == 1
        assert account.blob().get_blob_client("bytes", "copy").download_blob().readall() == b"x" * 10


def test_others_are_served_while_a_service_uploads(tmp_path: Path) -> None:
    """A job's output may be large: its bytes are copied beside the requests. Here they come when one was answered."""
    source = tmp_path / "source"
    os.mkfifo(source)
    with served(tmp_path / "state") as account:
        upload = account.start_task(account.lake.upload_file(SUPERUSER, "models", "out/f", source))
        assert not account.dfs().get_file_client("models", "out/f").exists()
        source.write_bytes(b"abc")
        upload.result(PATIENCE)
        assert account.dfs().get_file_client("models", "out/f").download_file().readall() == b"abc"


def test_what_is_never_committed_goes_after_a_week(tmp_path: Path) -> None:
    """A week after the newest block or append of a path, by the cloud's clock; its bytes go at the next start."""
    with served(tmp_path) as account:
        blob = account.blob().create_container("late").get_blob_client("blob")
        file = account.dfs().get_file_system_client("late").get_file_client("file")
        blob.stage_block("1", b"one")
        file.create_file()
        file.append_data(b"abc", offset=0)
        account.clock.advance(6 * 86400)
        blob.stage_block("2", b"two")
        account.clock.advance(6 * 86400)
        assert [block.id for block in blob.get_block_list("all")[1]] == ["1", "2"]
        with pytest.raises(HttpResponseError) as late:
            file.flush_data(3)
        assert late.value.error_code == "InvalidFlushPosition"
        account.clock.advance(2 * 86400)
        with pytest.raises(ResourceNotFoundError):
            blob.get_block_list("all")
        blob.stage_block("3", b"three")
        account.clock.advance(8 * 86400)
    with served(tmp_path) as account:
        assert parts(account) == 0


def test_a_reader_keeps_its_version(tmp_path: Path) -> None:
    """Whoever opened a file in this process reads it to the end, though it is overwritten and deleted meanwhile."""
    with served(tmp_path) as account:
        container = account.blob().create_container("bytes")
        container.upload_blob("x", b"old")
        reader = account.do(lambda: account.lake.read_file(SUPERUSER, "bytes", "x").open())
        container.upload_blob("x", b"new", overwrite=True)
        container.delete_blob("x")
        assert reader.read() == b"old"
        account.do(reader.close)
        assert parts(account) == 0


def test_files_put_by_a_service_of_the_cloud(tmp_path: Path) -> None:
    """They look to the world like files uploaded through DFS; walking gives all below a directory."""
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    with served(tmp_path / "state") as account:
        account.do(lambda: account.lake.make_directory(SUPERUSER, "models", "out/empty"))
        account.do(lambda: account.lake.put_file(SUPERUSER, "models", "out/a/f", source))
        account.do(lambda: account.lake.put_file(SUPERUSER, "models", "out/a/f", source))
        view = account.do(lambda: account.lake.read_file(SUPERUSER, "models", "out/a/f"))
        assert (view.length, account.do(lambda: view.open().read())) == (3, b"abc")
        walked = account.do(lambda: [entry.path for entry in account.lake.walk(SUPERUSER, "models", "out")])
        assert walked == ["out/a", "out/a/f", "out/empty"]
        assert [event["data"]["api"] for event in account.events("models")][1:3] == ["CreateFile", "FlushWithClose"]


def test_a_large_tree(tmp_path: Path) -> None:
    """It is listed page by page in flat memory, and renamed by few rows, whatever lies below."""
    with served(tmp_path) as account:
        fs = account.new("large")
        fs.create_file("top/d/template")
        account.do(lambda: _fill(account, 50_000))

        def list_all() -> tuple[int, int]:
            tracemalloc.start()
            count, after = 0, None
            act, place = Act(Rights(SUPERUSER)), Place("large")
            while True:
                page = listing.list_paths(account.lake.volume, act, place, recursive=True, limit=1000, after=after)
                count, after = count + len(page.entries), page.following
                if after is None:
                    break
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return count, peak

        with _rows_written(account) as renamed:
            fs.get_directory_client("top").rename_directory("large/moved")
        count, peak = account.do(list_all)
        assert count == 50_003
        assert peak < 8 << 20
        assert renamed[0] < 20
        fs.get_directory_client("moved").delete_directory()
        assert list(fs.get_paths()) == []


def test_a_large_delete_by_its_lists_takes_several_calls(tmp_path: Path) -> None:
    """Who deletes by access lists has them checked page by page, as his client asks; then all goes at once."""
    with served(tmp_path) as account:
        top = account.dfs().get_file_system_client("models").get_directory_client("t/top")
        top.create_file("d/template")
        account.do(lambda: _fill(account, 6000))
        for path in ("t", "t/top", "t/top/d"):
            directory = account.dfs().get_directory_client("models", path)
            directory.set_access_control(permissions="rwxrwxrwx")
        address = f"/{ACCOUNT}/models/t/top?recursive=true&paginated=true"
        first = account.send("DELETE", address, principal="stranger")
        assert (first.status, bool(first.headers["x-ms-continuation"]), top.exists()) == (202, True, True)
        account.dfs("stranger").get_directory_client("models", "t/top").delete_directory()
        assert not top.exists()


def test_a_large_directory_goes_piece_by_piece(tmp_path: Path) -> None:
    """Sweeping up a delete stops nobody for long: each piece writes few rows, however many lie in one directory."""
    with served(tmp_path) as account:
        account.new("large").create_file("top/template")
        account.do(lambda: _fill(account, 5000))
        volume = account.lake.volume
        account.do(lambda: volume.store.discard(volume.find(Place("large", "top")).last))
        with _rows_written(account) as swept:
            account.do(lambda: paths.sweep(volume))
        assert 400 < swept[0] < 600
        while account.do(lambda: paths.sweep(volume)):
            pass
        assert account.do(lambda: volume.store.trash(1)) == []


@contextmanager
def _rows_written(account: Account) -> Iterator[list[int]]:
    """Count the rows that the account's database writes within the block."""
    counted: list[int] = []

    def written() -> int:
        row = account.lake.volume.store.database.one("SELECT total_changes() AS rows")
        assert row is not None
        return int(row["rows"])

    before = account.do(written)
    yield counted
    counted.append(account.do(written) - before)


def _fill(account: Account, number: int) -> None:
    """Add many files beside ``top/d/template``, faster than requests would."""
    database = account.lake.volume.store.database
    columns = (
        'is_directory, etag, modified, created, owner, "group", acl, sticky, metadata, headers, content, length, md5,'
        " surface, lease, copy"
    )
    database.run(
        f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number})"
        f" INSERT INTO lake_node (parent, name, {columns})"
        f" SELECT parent, printf('f%06d', n), {columns} FROM lake_node, numbers WHERE name = 'template'"
    )
