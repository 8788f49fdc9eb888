"""Storage queues through azure-storage-queue: visibility, receipts and time to live, by the cloud's clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient

from tests.localcloud.lake_account import Account, served

_names = itertools.count()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account for the tests of this file."""
    with served(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture
def queue(account: Account) -> QueueClient:
    """A queue of the test's own."""
    return account.queues().create_queue(f"queue-{next(_names)}")


def test_messages_come_in_order_and_go_when_deleted(queue: QueueClient) -> None:
    """A message that was got is hidden; its receipt deletes it; peeking changes nothing."""
    for text in ("<one>", "two & a half", "thrée"):
        queue.send_message(text)
    assert [message.content for message in queue.peek_messages(5)] == ["<one>", "two & a half", "thrée"]
    first, second = queue.receive_messages(max_messages=2)
    assert (first.content, first.dequeue_count, second.content) == ("<one>", 1, "two & a half")
    queue.delete_message(first)
    assert queue.get_queue_properties().approximate_message_count == 2
    assert [message.content for message in queue.peek_messages(5)] == ["thrée"]
    queue.clear_messages()
    assert queue.receive_message() is None


def test_a_hidden_message_comes_back(account: Account, queue: QueueClient) -> None:
    """When its time is over it is got again, counted, and the old receipt is worth nothing."""
    queue.send_message("work")
    taken = queue.receive_message(visibility_timeout=30)
    assert queue.receive_message() is None
    account.clock.advance(31)
    again = queue.receive_message(visibility_timeout=30)
    assert (again.id, again.dequeue_count) == (taken.id, 2)
    with pytest.raises(HttpResponseError) as stale:
        queue.delete_message(taken)
    assert stale.value.error_code == "PopReceiptMismatch"
    queue.delete_message(again)
    with pytest.raises(ResourceNotFoundError) as gone:
        queue.delete_message(again)
    assert gone.value.error_code == "MessageNotFound"


def test_updates_delays_and_lifetimes(account: Account, queue: QueueClient) -> None:
    """An update keeps a message hidden longer and may change its text; one sent with a delay appears later and ends."""
    queue.send_message("now")
    taken = queue.receive_message(visibility_timeout=10)
    taken = queue.update_message(taken, visibility_timeout=60, content="half done")
    account.clock.advance(30)
    assert queue.receive_message() is None
    account.clock.advance(31)
    assert queue.receive_message().content == "half done"
    queue.clear_messages()
    queue.send_message("later", visibility_timeout=100, time_to_live=200)
    assert queue.receive_message() is None
    account.clock.advance(101)
    assert [message.content for message in queue.peek_messages()] == ["later"]
    account.clock.advance(100)
    assert queue.peek_messages() == []


def test_queues_themselves(account: Account) -> None:
    """They are made, listed with metadata, and deleted with what is in them."""
    queue = account.queues().create_queue("some-queue", metadata={"a": "b"})
    with pytest.raises(ResourceExistsError):
        account.queues().create_queue("some-queue", metadata={"c": "d"})
    listed = {one.name: one.metadata for one in account.queues().list_queues(include_metadata=True, results_per_page=1)}
    assert listed["some-queue"] == {"a": "b"}
    assert [one.metadata for one in account.queues().list_queues("some-queue")] == [None]
    queue.send_message("x")
    queue.delete_queue()
    with pytest.raises(ResourceNotFoundError) as gone:
        queue.send_message("x")
    assert gone.value.error_code == "QueueNotFound"
    assert account.queues().create_queue("some-queue").receive_message() is None


def test_queue_roles(account: Account) -> None:
    """A message processor gets and deletes on its queue, and neither sends nor makes queues."""
    account.queues().get_queue_client("notices").send_message("x")
    queue = account.queues("app").get_queue_client("notices")
    queue.delete_message(queue.receive_message())
    for call in (lambda: queue.send_message("x"), lambda: account.queues("app").create_queue("more")):
        with pytest.raises(HttpResponseError) as refusal:
            call()
        assert refusal.value.error_code == "AuthorizationPermissionMismatch"


def test_limits(account: Account, queue: QueueClient) -> None:
    """At most 32 messages at once, at most 64 KiB each."""
    many = account.send("GET", "/devstoreaccount1/notices/messages?numofmessages=33", principal="app")
    assert many.headers["x-ms-error-code"] == "OutOfRangeQueryParameterValue"
    with pytest.raises(HttpResponseError) as large:
        queue.send_message("x" * 65537)
    assert large.value.status_code == 413
