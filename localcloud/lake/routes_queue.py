"""The Queue surface. Source: REST reference, Queue service REST API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

from localcloud.lake import answers
from localcloud.lake import call as forms
from localcloud.lake.call import Call
from localcloud.lake.errors import StorageError, unsupported
from localcloud.lake.queues import rules
from localcloud.lake.queues.rules import Message
from localcloud.lake.sas import Kind

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
_PAGE = 5000
_REFUSED = {
    ("PUT", "properties"): "changing service properties",
    ("GET", "stats"): "service statistics",
    ("POST", "userdelegationkey"): "user delegation keys",
}


def route(call: Call) -> tuple[str, Handler]:  # noqa: C901, PLR0911, PLR0912 - a table of the protocol, one line a call
    """Return the operation's name and what does it."""
    method, comp, parts = call.target.method, call.query.get("comp"), call.target.parts
    if not call.target.filesystem:
        if method == "GET" and comp == "list":
            return "ListQueues", list_queues
        if method == "GET" and comp == "properties":
            return "GetQueueServiceProperties", answers.service_properties
        if (method, comp) in _REFUSED:
            raise unsupported(_REFUSED[method, comp or ""])
        raise unsupported(f"the queue account operation {method} comp={comp}")
    match method, len(parts), comp:
        case "PUT", 0, None:
            return "CreateQueue", create
        case "DELETE", 0, None:
            return "DeleteQueue", delete
        case "GET" | "HEAD", 0, "metadata":
            return "GetQueueMetadata", properties
        case "PUT", 0, "metadata":
            return "SetQueueMetadata", set_metadata
        case "POST", 1, None:
            return "PutMessage", put
        case "GET", 1, None:
            return ("PeekMessages", peek) if call.flag("peekonly") else ("GetMessages", get)
        case "DELETE", 1, None:
            return "ClearMessages", clear
        case "PUT", 2, None:
            return "UpdateMessage", update
        case "DELETE", 2, None:
            return "DeleteMessage", remove
    raise unsupported("stored access policies" if comp == "acl" else f"the queue operation {method} comp={comp}")


def _require(call: Call, action: str, letters: str, kind: Kind = Kind.OBJECT) -> str:
    """Return the request's queue if key, roles or any of a signature's ``letters`` allow ``action``."""
    queue = call.target.filesystem
    call.volume.access.require(call.rights, action, queue, letters, kind)
    return queue


async def create(call: Call) -> web.Response:
    """Create Queue."""
    queue = _require(call, "queue-manage", "cw", Kind.CONTAINER)
    return call.answer(201 if call.lake.queue.create(queue, forms.blob_metadata(call.headers)) else 204)


async def delete(call: Call) -> web.Response:
    """Delete Queue."""
    call.lake.queue.delete(_require(call, "queue-manage", "d", Kind.CONTAINER))
    return call.answer(204)


async def properties(call: Call) -> web.Response:
    """Get Queue Metadata, with how many messages there are about."""
    queue = _require(call, "queue-read", "r", Kind.CONTAINER)
    headers = {f"x-ms-meta-{name}": value for name, value in call.lake.queue.metadata(queue).items()}
    return call.answer(200, None, {**headers, "x-ms-approximate-messages-count": str(call.lake.queue.count(queue))})


async def set_metadata(call: Call) -> web.Response:
    """Set Queue Metadata: replaces all of it."""
    queue = _require(call, "queue-manage", "w", Kind.CONTAINER)
    call.lake.queue.set_metadata(queue, forms.blob_metadata(call.headers))
    return call.answer(204)


async def list_queues(call: Call) -> web.Response:
    """List Queues."""
    call.volume.access.require(call.rights, "queue-read", "", ["l"], Kind.SERVICE)
    limit = min(call.number("maxresults", least=1, default=_PAGE), _PAGE)
    prefix, marker = call.query.get("prefix", ""), call.query.get("marker", "")
    page, following = call.lake.queue.page(prefix, marker, limit)
    told = "metadata" in call.query.get("include", "").split(",")
    queues = "".join(_listed(name, metadata if told else None) for name, metadata in page)
    endpoint = quoteattr(f"{call.request.scheme}://{call.request.host}/{call.authentication.account}")
    return _xml(
        f"<EnumerationResults ServiceEndpoint={endpoint}><Prefix>{escape(prefix)}</Prefix>"
        f"<MaxResults>{limit}</MaxResults><Queues>{queues}</Queues>"
        f"<NextMarker>{following or ''}</NextMarker></EnumerationResults>"
    )


def _listed(name: str, metadata: dict[str, str] | None) -> str:
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in (metadata or {}).items())
    told = "" if metadata is None else f"<Metadata>{inner}</Metadata>"
    return f"<Queue><Name>{name}</Name>{told}</Queue>"


async def put(call: Call) -> web.Response:
    """Put Message."""
    queue = _require(call, "message-add", "a")
    message = call.lake.queue.put(
        queue,
        await _text(call) or "",
        delay=call.number("visibilitytimeout", default=0),
        lifetime=call.number("messagettl", least=-1, default=rules.WEEK),
    )
    return _xml(_messages([message], receipt=True), 201)


async def get(call: Call) -> web.Response:
    """Get Messages."""
    queue = _require(call, "message-process", "p")
    visibility = call.number("visibilitytimeout", default=rules.DEFAULT_VISIBILITY)
    messages = call.lake.queue.get(queue, call.number("numofmessages", default=1), visibility)
    return _xml(_messages(messages, receipt=True, text=True, dequeued=True))


async def peek(call: Call) -> web.Response:
    """Peek Messages."""
    queue = _require(call, "message-peek", "r")
    messages = call.lake.queue.peek(queue, call.number("numofmessages", default=1))
    return _xml(_messages(messages, text=True, dequeued=True))


async def clear(call: Call) -> web.Response:
    """Clear Messages."""
    call.lake.queue.clear(_require(call, "message-process", "d"))
    return call.answer(204)


async def update(call: Call) -> web.Response:
    """Update Message."""
    queue = _require(call, "message-update", "u")
    visibility = call.number("visibilitytimeout")
    receipt = call.query.get("popreceipt", "")
    message = call.lake.queue.update(queue, call.target.parts[1], receipt, await _text(call), visibility)
    return call.answer(
        204, None, {"x-ms-popreceipt": message.receipt, "x-ms-time-next-visible": forms.http_date(message.visible)}
    )


async def remove(call: Call) -> web.Response:
    """Delete Message."""
    queue = _require(call, "message-process", "p")
    call.lake.queue.remove(queue, call.target.parts[1], call.query.get("popreceipt", ""))
    return call.answer(204)


async def _text(call: Call) -> str | None:
    """Return the message of the body, None when there is no body."""
    body = await call.request.read()
    if not body:
        return None
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat expands no external entities, and the port is local
    except ET.ParseError as problem:
        raise StorageError("InvalidXmlDocument", f"The message is not XML: {problem}.") from problem
    if root.tag != "QueueMessage":
        raise StorageError("InvalidXmlDocument", "A message is <QueueMessage><MessageText>.")
    return root.findtext("MessageText") or ""


def _messages(messages: list[Message], *, receipt: bool = False, text: bool = False, dequeued: bool = False) -> str:
    return (
        "<QueueMessagesList>"
        + "".join(
            f"<QueueMessage><MessageId>{message.id}</MessageId>"
            f"<InsertionTime>{forms.http_date(message.inserted)}</InsertionTime>"
            f"<ExpirationTime>{forms.http_date(message.expires)}</ExpirationTime>"
            + (f"<PopReceipt>{message.receipt}</PopReceipt>" if receipt else "")
            + (f"<TimeNextVisible>{forms.http_date(message.visible)}</TimeNextVisible>" if receipt else "")
            + (f"<DequeueCount>{message.dequeued}</DequeueCount>" if dequeued else "")
            + (f"<MessageText>{escape(message.text)}</MessageText>" if text else "")
            + "</QueueMessage>"
            for message in messages
        )
        + "</QueueMessagesList>"
    )


def _xml(body: str, status: int = 200) -> web.Response:
    headers = {"Content-Type": "application/xml"}
    return web.Response(status=status, headers=headers, body=f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode())
