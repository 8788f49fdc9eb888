"""Who may do what: tokens of principals, roles, access control lists, signatures. Over TLS, as tokens need."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import (
    BlobLeaseClient,
    BlobServiceClient,
    ContainerClient,
    generate_account_sas,
    generate_container_sas,
)
from azure.storage.filedatalake import (
    DataLakeDirectoryClient,
    DataLakeServiceClient,
    FileSystemClient,
    generate_directory_sas,
    generate_file_sas,
    generate_file_system_sas,
)  # fmt: skip
from azure.storage.queue import QueueClient, QueueServiceClient, generate_queue_sas

from localcloud.config import ACCOUNT, ACCOUNT_KEY, oid
from localcloud.lake import shared_key
from tests.localcloud.lake_account import Account, served

_names = itertools.count()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account for the tests of this file."""
    with served(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture
def folder(account: Account) -> str:
    """A folder of the test's own in ``models``, whose root gives ``other`` only x; it gives ``other`` only x too."""
    name = f"t{next(_names)}"
    account.dfs().get_file_system_client("models").create_directory(name, permissions="rwxr-x--x", umask="0000")
    return name


def models(account: Account, principal: str | None = None) -> FileSystemClient:
    """Return the filesystem ``models`` as a principal sees it; None is the account's key."""
    return account.dfs(principal).get_file_system_client("models")


def directory(account: Account, folder: str, principal: str | None = None) -> DataLakeDirectoryClient:
    """Return the test's folder as a principal sees it."""
    return models(account, principal).get_directory_client(folder)


def allow(account: Account, path: str, *entries: str) -> None:
    """Give rights on a directory and all below it."""
    models(account).get_directory_client(path).update_access_control_recursive(",".join(entries))


def refused(call: Callable[[], object]) -> str:
    """Return the code with which a call is refused."""
    with pytest.raises(HttpResponseError) as refusal:
        call()
    return str(refusal.value.response.headers["x-ms-error-code"])


FORBIDDEN = "AuthorizationPermissionMismatch"


def test_no_credential_is_challenged(account: Account) -> None:
    """A 401 says where a token for storage is to be had."""
    answer = account.send("GET", f"/{ACCOUNT}/models/x", principal="")
    assert answer.status == 401
    assert "resource_id=https://storage.azure.com" in answer.headers["WWW-Authenticate"]


def test_wrong_credentials(account: Account) -> None:
    """A wrong key, a token for another service, and an expired token are refused."""
    wrong = DataLakeServiceClient(account.url, credential="d3Jvbmc=", retry_total=0)
    with pytest.raises(ClientAuthenticationError) as forged:
        wrong.create_file_system("never")
    assert forged.value.error_code == "AuthenticationFailed"
    token = account.identity.token("owner", "https://management.azure.com")
    assert account.send("GET", f"/{ACCOUNT}/models/x", {"Authorization": f"Bearer {token}"}).status == 401
    token = account.identity.token("owner", "https://storage.azure.com", lifetime=-1)
    assert account.send("GET", f"/{ACCOUNT}/models/x", {"Authorization": f"Bearer {token}"}).status == 401


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_signature_of_another_time(account: Account, minutes: int) -> None:
    """A SharedKey signature holds for 15 minutes; a client may go by the machine's clock or by the cloud's."""

    def send(when: datetime) -> int:
        date = format_datetime(when, usegmt=True)
        path = f"/{ACCOUNT}/models/none"
        text = shared_key.string_to_sign("HEAD", path, {}, {}, [("x-ms-date", date)], ACCOUNT)
        signed = f"SharedKey {ACCOUNT}:{shared_key.sign(ACCOUNT_KEY, text)}"
        return account.send("HEAD", path, {"x-ms-date": date, "Authorization": signed}, principal="").status

    assert send(datetime.now(UTC)) == 404
    account.clock.advance(minutes * 120)
    try:
        assert (send(datetime.now(UTC)), send(account.clock.now())) == (404, 404)
        assert send(account.clock.now() + timedelta(minutes=minutes)) == 403
    finally:
        account.clock.advance(minutes * -120)


def test_roles_come_before_lists(account: Account, folder: str) -> None:
    """Owner may everything, Contributor all but lists he does not own, Reader only read; scope is a filesystem."""
    for principal in ("owner", "contributor"):
        models(account, principal).get_file_client(f"{folder}/{principal}").upload_data(b"abc", overwrite=True)
    models(account, "owner").get_file_client(f"{folder}/owner").set_access_control(permissions="---------")
    assert models(account, "reader").get_file_client(f"{folder}/owner").download_file().readall() == b"abc"
    assert len(list(models(account, "reader").get_paths(path=folder))) == 2
    assert refused(lambda: models(account, "reader").create_file(f"{folder}/mine")) == FORBIDDEN
    file = models(account, "contributor").get_file_client(f"{folder}/owner")
    assert refused(lambda: file.set_access_control(permissions="rwxrwxrwx")) == FORBIDDEN
    landing = account.dfs("contributor").get_file_system_client("landing")
    assert refused(lambda: landing.create_file("x")) == FORBIDDEN
    assert refused(lambda: list(account.dfs("contributor").list_file_systems())) == FORBIDDEN


def test_the_way_needs_x_and_the_file_r(account: Account, folder: str) -> None:
    """x on every directory on the way, r on the file; without x not even a missing name is told."""
    models(account).get_file_client(f"{folder}/d/f").upload_data(b"abc", overwrite=True)
    file = models(account, "stranger").get_file_client(f"{folder}/d/f")
    assert refused(file.download_file) == FORBIDDEN
    assert refused(lambda: models(account, "stranger").get_file_client(f"{folder}/d/no").download_file()) == FORBIDDEN
    models(account).get_directory_client(f"{folder}/d").set_access_control(permissions="rwxr-x--x")
    assert refused(file.download_file) == FORBIDDEN
    with pytest.raises(ResourceNotFoundError):
        models(account, "stranger").get_file_client(f"{folder}/d/no").download_file()
    models(account).get_file_client(f"{folder}/d/f").set_access_control(permissions="rw-r--r--")
    assert file.download_file().readall() == b"abc"
    models(account).get_directory_client(folder).set_access_control(permissions="rwxr-x---")
    assert refused(file.download_file) == FORBIDDEN


def test_named_users_groups_and_the_mask(account: Account, folder: str) -> None:
    """A named entry counts behind the mask; of groups the union counts; the first class that fits decides."""
    file = models(account).get_file_client(f"{folder}/f")
    file.upload_data(b"abc", overwrite=True)

    def reads(acl: str, principal: str) -> bool:
        file.set_access_control(acl=acl)
        try:
            return models(account, principal).get_file_client(f"{folder}/f").download_file().readall() == b"abc"
        except HttpResponseError:
            return False

    base = "user::rw-,group::---,other::---"
    analysts = f"group:{oid('analysts')}"
    assert reads(f"{base},{analysts}:r--", "analyst")
    assert reads(f"{base},{analysts}:r--,mask::r--", "editor")
    assert not reads(f"{base},{analysts}:r--,mask::-wx", "analyst")
    assert not reads(f"user::rw-,group::---,other::r--,{analysts}:---", "analyst")
    assert reads(f"{base},user:{oid('job')}:r--", "job")
    assert not reads(f"user::rw-,group::r--,other::r--,user:{oid('job')}:---", "job")
    assert not reads(f"{base},{analysts}:r--", "stranger")


def test_what_making_listing_and_deleting_need(account: Account, folder: str) -> None:
    """-wx on the parent to make and delete, r-x on a directory to list; the maker owns what he made."""
    job = models(account, "job")
    assert refused(lambda: job.create_file(f"{folder}/f")) == FORBIDDEN
    allow(account, folder, f"user:{oid('job')}:-wx")
    job.get_file_client(f"{folder}/sub/f").upload_data(b"abc", overwrite=True)
    known = models(account).get_file_client(f"{folder}/sub/f").get_access_control()
    assert (known["owner"], known["group"], known["permissions"]) == (oid("job"), "$superuser", "rw-r-----")
    assert [path.name for path in job.get_paths(path=f"{folder}/sub")] == [f"{folder}/sub/f"]
    assert refused(lambda: list(job.get_paths(path=folder))) == FORBIDDEN
    job.get_directory_client(f"{folder}/sub").delete_directory()
    allow(account, folder, f"user:{oid('job')}:r-x")
    assert list(job.get_paths(path=folder)) == []
    assert refused(lambda: job.create_file(f"{folder}/f")) == FORBIDDEN


def test_a_recursive_listing_stops_where_it_may_not_look(account: Account, folder: str) -> None:
    """Every directory inside needs r-x, on both surfaces."""
    models(account).create_file(f"{folder}/closed/f")
    directory(account, folder).update_access_control_recursive(f"user:{oid('job')}:r-x")
    models(account).get_directory_client(f"{folder}/closed").set_access_control(permissions="rwx------")
    assert refused(lambda: list(models(account, "job").get_paths(path=folder))) == FORBIDDEN
    assert len(list(models(account, "job").get_paths(path=folder, recursive=False))) == 1
    blobs = account.blob("job").get_container_client("models")
    assert refused(lambda: list(blobs.list_blobs(f"{folder}/"))) == FORBIDDEN


def test_a_gate_opens_and_closes_all_below(account: Account, folder: str) -> None:
    """Readers granted below a closed top see nothing; one list on the top gives or takes all of it."""
    for number in range(5):
        models(account).get_file_client(f"{folder}/out/scores/{number}").upload_data(b"1", overwrite=True)
    group = f"group:{oid('analysts')}"
    top = models(account).get_directory_client(f"{folder}/out")
    top.set_access_control(acl="user::rwx,group::---,other::---")
    below = models(account).get_directory_client(f"{folder}/out/scores")
    assert below.update_access_control_recursive(f"{group}:r-x,mask::r-x").counters.files_successful == 5
    analyst = models(account, "analyst")
    file = analyst.get_file_client(f"{folder}/out/scores/3")
    assert refused(file.download_file) == FORBIDDEN
    top.set_access_control(acl=f"user::rwx,group::---,{group}:r-x,mask::r-x,other::---")
    assert file.download_file().readall() == b"1"
    assert len(list(analyst.get_paths(path=f"{folder}/out"))) == 6
    top.set_access_control(acl="user::rwx,group::---,other::---")
    assert refused(file.download_file) == FORBIDDEN


def test_new_children_take_the_default_list(account: Account, folder: str) -> None:
    """A parent's default list is the child's access list, files without x; directories hand it on; no umask."""
    entry = f"user:{oid('job')}:rwx"
    acl = f"user::rwx,group::r-x,other::--x,default:user::rwx,default:group::r-x,default:{entry},default:other::---"
    models(account).get_directory_client(folder).set_access_control(acl=acl)
    models(account).create_file(f"{folder}/d/f")
    made = models(account).get_directory_client(f"{folder}/d").get_access_control()["acl"]
    scope = f"user::rwx,user:{oid('job')}:rwx,group::r-x,mask::rwx,other::---"
    assert made == f"{scope}," + ",".join(f"default:{one}" for one in scope.split(","))
    file = models(account).get_file_client(f"{folder}/d/f").get_access_control()
    assert file["acl"] == f"user::rw-,user:{oid('job')}:rwx,group::r-x,mask::rw-,other::---"
    assert file["permissions"] == "rw-rw----+"


def test_only_owners_change_lists(account: Account, folder: str) -> None:
    """The owner may change mode and list, and give a group he is in; only a superuser gives an owner."""
    allow(account, folder, f"user:{oid('editor')}:rwx")
    file = models(account, "editor").get_file_client(f"{folder}/f")
    file.upload_data(b"abc", overwrite=True)
    file.set_access_control(permissions="rwxr-x---")
    file.set_access_control(group=oid("editors"))
    assert refused(lambda: file.set_access_control(owner=oid("job"))) == FORBIDDEN
    assert refused(lambda: file.set_access_control(group=oid("elsewhere"))) == FORBIDDEN
    other = models(account, "job").get_file_client(f"{folder}/f")
    assert refused(lambda: other.set_access_control(permissions="rwxrwxrwx")) == FORBIDDEN
    models(account, "owner").get_file_client(f"{folder}/f").set_access_control(owner=oid("job"))
    assert models(account).get_file_client(f"{folder}/f").get_access_control()["owner"] == oid("job")


def test_lists_that_are_not_valid(account: Account, folder: str) -> None:
    """Base entries are required, 32 entries are the most, a file has no defaults, mode and list exclude each other."""
    base = "user::rwx,group::r-x,other::---"
    here = models(account).get_directory_client(folder)
    many = ",".join(f"user:{oid(str(number))}:r-x" for number in range(28))
    here.set_access_control(acl=f"{base},{many}")
    for acl in ("user::rwx", f"{base},{many},user:one:r-x", f"{base},user:x:rwxx", f"{base},nobody::r--"):
        with pytest.raises(HttpResponseError) as refusal:
            here.set_access_control(acl=acl)
        assert refusal.value.status_code == 400
    models(account).create_file(f"{folder}/f")
    with pytest.raises(HttpResponseError):
        models(account).get_file_client(f"{folder}/f").set_access_control(acl=f"{base},default:user::rwx")


def test_recursive_changes_go_on_in_batches(account: Account, folder: str) -> None:
    """The directory is the first record; set, modify and remove count what they did, however small the batches."""
    for number in range(7):
        models(account).create_file(f"{folder}/d{number % 2}/{number}")
    here, entry = models(account).get_directory_client(folder), f"user:{oid('job')}"
    for call, acl in (
        (here.update_access_control_recursive, f"{entry}:r-x"),
        (here.remove_access_control_recursive, entry),
        (here.set_access_control_recursive, "user::rwx,group::r-x,other::--x"),
    ):
        result = call(acl, batch_size=3)
        counters = result.counters
        assert (counters.directories_successful, counters.files_successful, counters.failure_count) == (3, 7, 0)
        assert result.continuation is None
    assert (
        models(account).get_file_client(f"{folder}/d0/0").get_access_control()["acl"]
        == "user::rwx,group::r-x,other::--x"
    )
    part = here.update_access_control_recursive(f"{entry}:r-x", batch_size=4, max_batches=1)
    rest = here.update_access_control_recursive(f"{entry}:r-x", continuation=part.continuation)
    assert part.counters.files_successful + rest.counters.files_successful == 7


def test_recursive_changes_tell_what_they_could_not_do(account: Account, folder: str) -> None:
    """Who owns only some paths changes those, when told to go on; else the first failure ends the call."""
    allow(account, folder, f"user:{oid('editor')}:rwx", f"default:user:{oid('editor')}:rwx")
    mine = models(account, "editor").get_directory_client(folder)
    models(account, "editor").create_directory(f"{folder}/d")
    models(account, "editor").create_file(f"{folder}/d/a")
    models(account).create_file(f"{folder}/d/b")
    models(account, "editor").create_file(f"{folder}/d/c")
    below = mine.get_sub_directory_client("d")
    result = below.update_access_control_recursive(f"user:{oid('job')}:r-x", continue_on_failure=True)
    assert (result.counters.files_successful, result.counters.failure_count) == (2, 1)
    result = below.update_access_control_recursive(f"user:{oid('job')}:r-x")
    assert (result.counters.files_successful, result.counters.failure_count) == (1, 1)


def test_a_whole_directory_goes_only_with_rights_on_all_of_it(account: Account, folder: str) -> None:
    """A recursive delete needs rwx on every directory inside; in a sticky directory only owners delete."""
    allow(account, folder, f"user:{oid('job')}:rwx")
    models(account).create_file(f"{folder}/d/e/f")
    allow(account, f"{folder}/d", f"user:{oid('job')}:rwx")
    models(account).get_directory_client(f"{folder}/d/e").set_access_control(permissions="rwx------")
    doomed = models(account, "job").get_directory_client(f"{folder}/d")
    assert refused(doomed.delete_directory) == FORBIDDEN
    allow(account, f"{folder}/d/e", f"user:{oid('job')}:rwx,mask::rwx")
    doomed.delete_directory()
    models(account).create_file(f"{folder}/kept")
    models(account).get_directory_client(folder).set_access_control(permissions="rwxrwx--t")
    assert refused(lambda: models(account, "job").delete_file(f"{folder}/kept")) == FORBIDDEN


def test_a_copy_needs_the_right_to_its_source(account: Account, folder: str) -> None:
    """The source is read as the token in x-ms-copy-source-authorization, the target written as the request's."""
    models(account).get_file_client(f"{folder}/f").upload_data(b"abc", overwrite=True)
    models(account).get_directory_client(f"{folder}/in").create_directory()
    allow(account, f"{folder}/in", f"user:{oid('job')}:rwx")
    target = account.blob("job").get_blob_client("models", f"{folder}/in/f")
    source = account.blob("job").get_blob_client("models", f"{folder}/f").url

    def copied() -> object:
        return target.upload_blob_from_url(source, source_authorization=account.bearer("job"))

    assert refused(copied) == FORBIDDEN
    models(account).get_file_client(f"{folder}/f").set_access_control(
        acl=f"user::rw-,group::r--,user:{oid('job')}:r--,other::---"
    )
    copied()
    assert target.download_blob().readall() == b"abc"


def test_service_signatures(account: Account) -> None:
    """A SAS gives the letters it has, on the container, the directory or the file it names, until it expires."""
    fs = account.new("signed")
    fs.get_file_client("d/e/f").upload_data(b"abc", overwrite=True)
    until = account.clock.now() + timedelta(hours=1)

    def client(sas: str) -> FileSystemClient:
        return DataLakeServiceClient(account.url, credential=sas, retry_total=0).get_file_system_client("signed")

    whole = client(generate_file_system_sas(ACCOUNT, "signed", ACCOUNT_KEY, "rl", until))
    assert whole.get_file_client("d/e/f").download_file().readall() == b"abc"
    assert len(list(whole.get_paths())) == 3
    assert refused(lambda: whole.create_file("x")) == FORBIDDEN
    below = client(generate_directory_sas(ACCOUNT, "signed", "d", ACCOUNT_KEY, "racwdlm", until))
    below.get_file_client("d/e/g").upload_data(b"g", overwrite=True)
    assert len(list(below.get_paths(path="d"))) == 3
    assert refused(lambda: below.create_file("outside")) == "AuthenticationFailed"
    below.get_file_client("d/e/g").rename_file("signed/d/h")
    one = client(generate_file_sas(ACCOUNT, "signed", "d/e", "f", ACCOUNT_KEY, "r", until))
    assert one.get_file_client("d/e/f").download_file().readall() == b"abc"
    assert refused(lambda: one.get_file_client("d/h").download_file()) == "AuthenticationFailed"
    stale = client(generate_file_system_sas(ACCOUNT, "signed", ACCOUNT_KEY, "rl", account.clock.now()))
    assert refused(lambda: stale.get_file_client("d/e/f").download_file()) == "AuthenticationFailed"


def test_what_no_service_signature_may(account: Account) -> None:
    """Containers themselves are out of its reach, whatever its letters; listing is not reading; https means TLS."""
    account.new("reach").get_file_client("f").upload_data(b"abc", overwrite=True)
    until = account.clock.now() + timedelta(hours=1)

    def container(letters: str, **options: Any) -> ContainerClient:
        sas = generate_container_sas(ACCOUNT, "reach", ACCOUNT_KEY, permission=letters, expiry=until, **options)
        return ContainerClient.from_container_url(f"{account.url}/reach?{sas}", retry_total=0)

    every = container("racwdlmeop")
    for call in (every.get_container_properties, every.delete_container, every.acquire_lease):
        assert refused(call) == "AuthorizationFailure"
    assert refused(lambda: every.set_container_metadata({"a": "b"})) == "AuthorizationFailure"
    assert refused(container("l").get_blob_client("f").get_blob_properties) == FORBIDDEN
    assert (
        refused(container("r", protocol="https").get_blob_client("f").download_blob) == "AuthorizationProtocolMismatch"
    )
    told = container("r", content_type="text/csv", cache_control="no-store").get_blob_client("f").get_blob_properties()
    assert (told.content_settings.content_type, told.content_settings.cache_control) == ("text/csv", "no-store")
    for query in ("sv=2018-11-09&sr=c&sp=r&se=2099-01-01&sig=x", "sv=2022-11-02&sr=d&sdd=x&sp=r&se=2099-01-01&sig=x"):
        status = account.send("GET", f"/{ACCOUNT}/reach/f?{query}", principal="").status
        assert status == (501 if "2018" in query else 403)


def test_signatures_for_queues(account: Account) -> None:
    """Each letter allows its own calls: a adds, r peeks and reads the metadata, u updates, p gets and deletes."""
    account.queues().create_queue("signed-queue").send_message("first")
    until = account.clock.now() + timedelta(hours=1)

    def queue(letters: str) -> QueueClient:
        sas = generate_queue_sas(ACCOUNT, "signed-queue", ACCOUNT_KEY, permission=letters, expiry=until)
        return QueueClient(account.url, "signed-queue", credential=sas, retry_total=0)

    assert queue("a").send_message("second").content == "second"
    assert queue("r").get_queue_properties().approximate_message_count == 2
    assert queue("r").peek_messages()[0].content == "first"
    taken = queue("p").receive_message()
    assert taken is not None
    kept = queue("u").update_message(taken, content="other", visibility_timeout=60)
    queue("p").delete_message(kept)
    for letters, call in (
        ("rup", lambda q: q.send_message("x")),
        ("aup", QueueClient.peek_messages),
        ("aru", QueueClient.receive_message),
        ("raup", QueueClient.delete_queue),
        ("raup", lambda q: q.set_queue_metadata({"a": "b"})),
    ):
        assert refused(lambda call=call, letters=letters: call(queue(letters))) == FORBIDDEN
    other = generate_queue_sas(ACCOUNT, "elsewhere", ACCOUNT_KEY, permission="r", expiry=until)
    assert refused(QueueClient(account.url, "signed-queue", credential=other).peek_messages) == "AuthenticationFailed"


def test_account_signatures(account: Account) -> None:
    """They reach containers and the account itself, as far as services, kinds of resource and letters go."""
    until = account.clock.now() + timedelta(hours=1)

    def blobs(kinds: str, letters: str, services: str = "b") -> BlobServiceClient:
        sas = generate_account_sas(ACCOUNT, ACCOUNT_KEY, kinds, letters, until, services=services)
        return BlobServiceClient(account.url, credential=sas, retry_total=0)

    container = blobs("c", "cwr").create_container("by-account")
    assert container.get_container_properties().name == "by-account"
    blob = blobs("o", "rw").get_blob_client("by-account", "d/f")
    blob.upload_blob(b"abc")
    assert blob.download_blob().readall() == b"abc"
    assert "by-account" in [one.name for one in blobs("s", "l").list_containers()]
    assert [one.name for one in blobs("c", "l").get_container_client("by-account").list_blobs()] == ["d", "d/f"]
    assert refused(blob.delete_blob) == FORBIDDEN
    assert refused(blobs("o", "r").get_container_client("by-account").get_container_properties) == (
        "AuthorizationResourceTypeMismatch"
    )
    assert refused(blobs("sco", "r", "q").get_blob_client("by-account", "d/f").download_blob) == (
        "AuthorizationServiceMismatch"
    )
    assert refused(blobs("sco", "rwdlacup").get_container_client("by-account").get_container_access_policy) == FORBIDDEN
    sas = generate_account_sas(ACCOUNT, ACCOUNT_KEY, "sco", "rwdlacup", until, services="q")
    queues = QueueServiceClient(account.url, credential=sas, retry_total=0)
    queues.create_queue("queue-by-account").send_message("x")
    assert queues.get_queue_client("queue-by-account").receive_message().content == "x"
    assert "queue-by-account" in [one.name for one in queues.list_queues()]
    queues.delete_queue("queue-by-account")
    blobs("c", "d").delete_container("by-account")


def test_whoever_may_delete_may_break_a_lease(account: Account) -> None:
    """The letter d is enough to break, and not to acquire."""
    account.new("broken").get_file_client("f").upload_data(b"abc", overwrite=True)
    until = account.clock.now() + timedelta(hours=1)
    lease = account.blob().get_blob_client("broken", "f").acquire_lease(60)
    sas = generate_container_sas(ACCOUNT, "broken", ACCOUNT_KEY, permission="d", expiry=until)
    blob = ContainerClient.from_container_url(f"{account.url}/broken?{sas}", retry_total=0).get_blob_client("f")
    assert refused(blob.acquire_lease) == FORBIDDEN
    assert BlobLeaseClient(blob, lease.id).break_lease(0) == 0


def test_the_lakes_own_signature_is_taken_by_the_real_client(account: Account) -> None:
    """What the services of this cloud hand out works as a SAS does, also as a copy's source."""
    account.new("handed").get_file_client("f").upload_data(b"abc", overwrite=True)
    sas = account.lake.container_sas("handed", "rcwl", account.clock.now() + timedelta(minutes=5))
    container = ContainerClient.from_container_url(f"{account.url}/handed?{sas}", retry_total=0)
    container.upload_blob("x", b"x")
    assert {blob.name for blob in container.list_blobs()} == {"f", "x"}
    assert refused(lambda: container.delete_blob("x")) == FORBIDDEN
    copy = account.blob().get_blob_client("handed", "copy")
    copy.upload_blob_from_url(f"{account.url}/handed/f?{sas}")
    assert copy.download_blob().readall() == b"abc"
