"""Answers and checks that the surfaces share: leases, a HEAD's length, continuation tokens, filesystem and account."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from aiohttp import web

from localcloud.lake import leases, paths
from localcloud.lake.call import Call
from localcloud.lake.errors import StorageError, Surface
from localcloud.lake.sas import Kind
from localcloud.lake.store import Node
from localcloud.lake.target import Place


def length_of(node: Node, headers: dict[str, str]) -> web.Response:
    """Return the answer to a HEAD, whose Content-Length is the file's."""
    if node.md5:
        headers["Content-MD5"] = node.md5
    return web.Response(headers={**headers, "Content-Length": str(node.length)})


def lease(call: Call, place: Place) -> web.Response:
    """Do what ``x-ms-lease-action`` says and answer it."""
    action = call.headers.get("x-ms-lease-action", "").lower()
    duration = call.header_number("x-ms-lease-duration")
    wish = leases.Wish(
        call.headers.get("x-ms-lease-id"),
        call.headers.get("x-ms-proposed-lease-id"),
        leases.INFINITE if duration is None else duration,
        call.header_number("x-ms-lease-break-period"),
    )
    node, held, left = paths.set_lease(call.volume, call.act, place, action, wish)
    headers = {"x-ms-lease-id": held.id} if held and action != "break" else {}
    if action == "break":
        headers = {"x-ms-lease-time": str(left)}
    return call.answer({"acquire": 201, "break": 202}.get(action, 200), node, headers)


def filesystem(call: Call, action: str, letter: str) -> Node:
    """Return the root of the request's filesystem, if key, roles or a signature's ``letter`` allow ``action``."""
    call.volume.access.require(call.rights, action, call.target.filesystem, [letter])
    return call.volume.find(Place(call.target.filesystem)).last


async def service_properties(call: Call) -> web.Response:
    """Get Blob or Queue Service Properties: no logging, no metrics, no rules for browsers, nothing kept when deleted.

    No data role is enough. Source: REST reference, Get Blob Service Properties, and Azure's built-in roles.
    """
    call.volume.access.require(call.rights, "manage", "", ["r"], Kind.SERVICE)
    off = "<Enabled>false</Enabled>"
    metrics = f"<Version>1.0</Version>{off}<RetentionPolicy>{off}</RetentionPolicy>"
    kept = f"<DeleteRetentionPolicy>{off}</DeleteRetentionPolicy><StaticWebsite>{off}</StaticWebsite>"
    body = (
        '<?xml version="1.0" encoding="utf-8"?><StorageServiceProperties><Logging><Version>1.0</Version>'
        f"<Read>false</Read><Write>false</Write><Delete>false</Delete><RetentionPolicy>{off}</RetentionPolicy></Logging>"
        f"<HourMetrics>{metrics}</HourMetrics><MinuteMetrics>{metrics}</MinuteMetrics><Cors/>"
        f"{kept if call.target.surface is Surface.BLOB else ''}</StorageServiceProperties>"
    )
    return web.Response(headers={"Content-Type": "application/xml"}, body=body.encode())


def token(text: str) -> str:
    """Return the continuation token for going on after ``text``."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def untoken(text: str) -> str:
    """Return what a continuation token goes on after."""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise StorageError("InvalidQueryParameterValue", "The continuation token is not one of this service.") from None


def continuation(call: Call) -> str | None:
    """Return what the request's continuation token goes on after."""
    text = call.query.get("continuation")
    return untoken(text) if text else None


def document(content: dict[str, Any], following: str | None, headers: dict[str, str] | None = None) -> web.Response:
    """Return a DFS answer in JSON, with the token for going on after ``following``."""
    answer = {"Content-Type": "application/json;charset=utf-8", **(headers or {})}
    if following is not None:
        answer["x-ms-continuation"] = token(following)
    return web.Response(headers=answer, body=json.dumps(content, separators=(",", ":")).encode() + b"\n")
