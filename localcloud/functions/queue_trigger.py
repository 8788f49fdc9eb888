"""The queue trigger: reads messages over Azure Queue Storage's REST API as the app's own principal.

Source: REST reference, Get Messages, Update Message, Delete Message, Put Message; azure-webjobs-sdk,
``QueueListener.cs`` and ``QueueProcessor.cs``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import aiohttp
from azure.functions import meta

from localcloud.functions.app import App, Function
from localcloud.functions.host_json import AppError, QueueSettings, settings_filled_in
from localcloud.functions.http_trigger import OtherInputs
from localcloud.functions.invoke import InvocationError, Invoker

log = logging.getLogger(__name__)

#: Seconds a message stays hidden while it is worked on, as in the WebJobs SDK.
_LEASE = 600
#: Seconds between two looks into an empty queue, from the first to the longest: idle should be quick locally.
_QUICKEST, _SLOWEST = 0.1, 0.5


@dataclass(frozen=True)
class Message:
    """One message as Get Messages returns it; times are ISO 8601."""

    id: str
    pop_receipt: str
    dequeue_count: int
    inserted: str
    expires: str
    next_visible: str
    text: str


class QueueClient:
    """The few queue operations a trigger needs; ``token`` returns a bearer token for storage."""

    def __init__(self, session: aiohttp.ClientSession, service_url: str, queue: str, token: Callable[[], str]) -> None:
        self._session = session
        self._url = f"{service_url.rstrip('/')}/{queue}"
        self._token = token

    async def get(self, count: int) -> list[Message]:
        """Take up to ``count`` messages (at most 32), hidden for :data:`_LEASE` seconds; none if there is no queue."""
        status, body = await self._send("GET", f"/messages?numofmessages={count}&visibilitytimeout={_LEASE}")
        if status == 404:
            return []
        return [_message(node) for node in ET.fromstring(body.lstrip("\ufeff")).iter("QueueMessage")]  # noqa: S314 (ours)

    async def delete(self, message: Message) -> None:
        """Remove a message that is done; one already gone is fine."""
        await self._send("DELETE", f"/messages/{message.id}?popreceipt={quote(message.pop_receipt, safe='')}")

    async def release(self, message: Message, seconds: float) -> None:
        """Make a message visible again after ``seconds``."""
        receipt = quote(message.pop_receipt, safe="")
        await self._send("PUT", f"/messages/{message.id}?popreceipt={receipt}&visibilitytimeout={int(seconds)}")

    async def put(self, text: str) -> None:
        """Add a message, making the queue first when it does not exist."""
        body = f"<QueueMessage><MessageText>{escape(text)}</MessageText></QueueMessage>"
        status, _ = await self._send("POST", "/messages", body)
        if status == 404:
            await self._send("PUT", "")
            await self._send("POST", "/messages", body)

    async def _send(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "x-ms-version": "2024-05-04",
            "User-Agent": "localcloud-functions storage-queue",
            "Content-Type": "application/xml",
        }
        async with self._session.request(method, self._url + path, data=body, headers=headers) as response:
            text = await response.text()
            if response.status >= 400 and response.status != 404:
                raise QueueError(f"{method} {self._url}: {response.status} {text[:300]}")
            return response.status, text


class QueueError(Exception):
    """The queue service refused a request; the text has its status and answer."""


#: What a queue that cannot be reached or understood raises.
_TROUBLE = (QueueError, aiohttp.ClientError, TimeoutError, ET.ParseError)


class Queues:
    """Listens on the queues of the app's queue functions until :meth:`stop`."""

    def __init__(
        self, app: App, settings: QueueSettings, invoker: Invoker, inputs: OtherInputs, token: Callable[[], str]
    ) -> None:
        self._functions = app.of_kind("queueTrigger")
        self._addresses = {f.name: _address(f) for f in self._functions}
        self._settings = settings
        self._invoker = invoker
        self._inputs = inputs
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look into the queues."""
        if self._functions:
            self._session = aiohttp.ClientSession()
            self._tasks = [asyncio.create_task(self._listen(f)) for f in self._functions]

    async def stop(self) -> None:
        """Look no more; messages being worked on become visible again when their time is up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def _listen(self, function: Function) -> None:
        assert self._session is not None
        service, name = self._addresses[function.name]
        queue = QueueClient(self._session, service, name, self._token)
        poison = QueueClient(self._session, service, f"{name}-poison", self._token)
        pause = _QUICKEST
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    messages = await queue.get(min(self._settings.batch_size, 32))
                except _TROUBLE as problem:
                    log.warning("queue %s of function %s: %s", name, function.name, problem)
                    messages, pause = [], _SLOWEST
                running |= {asyncio.create_task(self._process(function, queue, poison, m)) for m in messages}
                pause = _QUICKEST if messages else min(pause * 2, _SLOWEST)
                if not messages:
                    await asyncio.sleep(pause)
                running = {task for task in running if not task.done()}
                while len(running) > self._settings.new_batch_threshold:
                    _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in running:
                task.cancel()

    async def _process(self, function: Function, queue: QueueClient, poison: QueueClient, message: Message) -> None:
        """Deal with one message; trouble with its queue leaves it to be delivered again."""
        try:
            await self._run(function, queue, poison, message)
        except _TROUBLE as problem:
            log.warning("message %s for function %s: %s", message.id, function.name, problem)

    async def _run(self, function: Function, queue: QueueClient, poison: QueueClient, message: Message) -> None:
        """Run the function on a message; delete it, let it be tried again, or move it to the poison queue."""
        try:
            datum = meta.Datum(type="string", value=self._decoded(message.text))
            await self._invoker.invoke(
                function, {function.trigger["name"]: datum, **self._inputs(function)}, _trigger_metadata(message)
            )
        except (InvocationError, ValueError) as problem:
            log.error("message %s for function %s: %s", message.id, function.name, problem)
            if message.dequeue_count < self._settings.max_dequeue_count:
                await queue.release(message, self._settings.visibility_timeout)
                return
            await poison.put(message.text)
        await queue.delete(message)

    def _decoded(self, text: str) -> str:
        if not self._settings.base64:
            return text
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as problem:
            raise ValueError(
                f"the message is not base64 text as messageEncoding of host.json says: {problem}"
            ) from problem


def _address(function: Function) -> tuple[str, str]:
    """Return service URL and queue name of a queue function; raises :class:`AppError`."""
    connection = function.trigger.get("connection") or "AzureWebJobsStorage"
    setting = f"{connection}__queueServiceUri"
    url = os.environ.get(setting)
    if not url:
        raise AppError(
            f"function {function.name}: its connection '{connection}' needs the app setting {setting};"
            " connection strings are not supported"
        )
    return url, settings_filled_in(function.trigger["queueName"])


def _message(node: ET.Element) -> Message:
    def text(name: str) -> str:
        return node.findtext(name) or ""

    def moment(name: str) -> str:
        return parsedate_to_datetime(text(name)).isoformat()

    return Message(
        id=text("MessageId"),
        pop_receipt=text("PopReceipt"),
        dequeue_count=int(text("DequeueCount")),
        inserted=moment("InsertionTime"),
        expires=moment("ExpirationTime"),
        next_visible=moment("TimeNextVisible"),
        text=text("MessageText"),
    )


def _trigger_metadata(message: Message) -> dict[str, meta.Datum]:
    fields = {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "InsertionTime": message.inserted,
        "ExpirationTime": message.expires,
        "NextVisibleTime": message.next_visible,
        "PopReceipt": message.pop_receipt,
    }
    return {name: meta.Datum(type="json", value=json.dumps(value)) for name, value in fields.items()}
