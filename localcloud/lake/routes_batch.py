"""Blob batches: deletions in the body of one request, each with its own credential, each answered for itself.

Source: REST reference, Blob Batch. It takes one kind of operation at a time, of which only Delete Blob is here.
"""

from __future__ import annotations

import email.parser
import email.policy
import uuid
from email.message import Message

from aiohttp import web
from multidict import CIMultiDict

from localcloud.lake import errors, routes_blob
from localcloud.lake.call import Call
from localcloud.lake.errors import StorageError, Surface, unsupported

#: Source: REST reference, Blob Batch, remarks.
MOST_PARTS, MOST_BYTES = 256, 4 << 20


def route(call: Call) -> tuple[str, routes_blob.Handler]:
    """Return the operation's name and what does it."""
    if (call.target.method, call.query.get("comp"), call.target.path) == ("POST", "batch", ""):
        return "BlobBatch", blob_batch
    return routes_blob.route(call)


async def blob_batch(call: Call) -> web.Response:
    """Carry out the parts in their order. The answer is 202, whatever became of each."""
    parts = _parts(call.headers.get("Content-Type", ""), await _body(call))
    boundary = f"batchresponse_{uuid.uuid4()}"
    answered = b"".join([_as_part(boundary, part, await _answer(call, part)) for part in parts])
    return web.Response(
        status=202,
        headers={"Content-Type": f"multipart/mixed; boundary={boundary}"},
        body=answered + f"--{boundary}--\r\n".encode(),
    )


async def _body(call: Call) -> bytes:
    body = bytearray()
    async for chunk in call.request.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise StorageError("RequestBodyTooLarge", f"A batch has at most {MOST_BYTES} bytes.")
    return bytes(body)


def _parts(content_type: str, body: bytes) -> list[Message]:
    """Return the parts of a batch; their payloads are requests."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("ascii", "replace")
    found = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head + body)
    parts = found.get_payload()
    if found.get_content_type() != "multipart/mixed" or not isinstance(parts, list) or found.defects:
        raise StorageError("InvalidInput", "A batch is multipart/mixed, from its boundary to its closing boundary.")
    if len(parts) > MOST_PARTS:
        raise StorageError("InvalidInput", f"A batch has at most {MOST_PARTS} parts, not {len(parts)}.")
    return [part for part in parts if isinstance(part, Message)]


async def _answer(call: Call, part: Message) -> web.Response:
    """Carry out one part; the answer has its headers complete."""
    version, request_id = call.headers.get("x-ms-version", ""), str(uuid.uuid4())
    try:
        response = await _carry_out(call, part)
    except StorageError as refusal:
        response = errors.answer(refusal, Surface.BLOB, "DELETE", request_id, call.volume.clock.now())
    response.headers["x-ms-request-id"] = request_id
    response.headers["x-ms-version"] = version
    if response.body:
        response.headers["Content-Length"] = str(len(_bytes(response)))
    return response


async def _carry_out(call: Call, part: Message) -> web.Response:
    text = part.get_payload(decode=True)
    line, _, rest = (text if isinstance(text, bytes) else b"").partition(b"\r\n")
    words = line.decode("utf-8", "replace").split(" ")
    if part.get_content_type() != "application/http" or len(words) != 3 or not words[1].startswith("/"):
        raise StorageError("InvalidInput", "A part of a batch is application/http: a request line, headers, no body.")
    sent = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(rest)
    headers = CIMultiDict((name, str(value).strip()) for name, value in sent.items())
    inner = call.within(words[0], words[1], headers)
    operation, _ = routes_blob.route(inner)
    if operation != "DeleteBlob":
        raise unsupported(f"{operation} in a batch")
    if call.place.filesystem not in ("", inner.place.filesystem):
        raise StorageError("InvalidInput", f"The batch is for {call.place.filesystem}, a part for {inner.place}.")
    return await routes_blob.delete_blob(inner)


def _as_part(boundary: str, part: Message, answer: web.Response) -> bytes:
    """Return the answer as a part of the batch's; Content-ID tells whose it is."""
    number = f"Content-ID: {part['Content-ID']}\r\n" if part["Content-ID"] else ""
    head = f"--{boundary}\r\nContent-Type: application/http\r\n{number}\r\nHTTP/1.1 {answer.status} {answer.reason}\r\n"
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return f"{head}{headers}\r\n".encode() + _bytes(answer) + b"\r\n"


def _bytes(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""
