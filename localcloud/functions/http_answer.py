"""What a function returned, as the host writes it into an HTTP answer: cookies and returned texts are not as they were.

Source: azure-functions-host, ``HttpBinding.cs``, ``RawScriptResult.cs`` and ``GrpcMessageExtensionUtilities.cs``;
azure-functions-python-worker, ``datumdef.py``; ASP.NET Core, ``SetCookieHeaderValue.cs``.
"""

from __future__ import annotations

import json
from email.utils import formatdate
from http.cookiejar import http2time
from http.cookies import Morsel
from typing import Any
from urllib.parse import quote

from aiohttp import web
from azure.functions import meta


def http_answer(result: meta.Datum | None) -> web.Response:
    """Turn the encoded result of a function into an answer; nothing returned is 204.

    Raises :class:`ValueError` for a cookie that the worker cannot read.
    """
    if result is None:
        return web.Response(status=204)
    if result.type != "http":
        return _of_text(result.value)
    value = result.value
    response = web.Response(status=int(value["status_code"].value), body=value["body"].value)
    for name, header in value["headers"].items():
        response.headers[name] = header.value
    for cookie in value["cookies"] or ():
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", _cookie(morsel))
    return response


def _of_text(text: str) -> web.Response:
    """Answer for a function that returned ``str``.

    The host reads JSON out of it when it can, and writes that in its own way; an object with a ``body`` it takes for
    status, headers and body of the answer.
    """
    try:
        value = json.loads(text, parse_constant=_no_json)
    except ValueError:
        return web.Response(text=text)
    fields = {name.lower(): field for name, field in value.items()} if isinstance(value, dict) else {}
    if "body" not in fields:
        return web.Response(text=_written(value, indent=2))
    response = web.Response(text=_written(fields["body"], indent=None), status=_status(fields))
    headers = fields.get("headers")
    for name, header in headers.items() if isinstance(headers, dict) else ():
        response.headers[name] = _written(header, indent=None)
    return response


def _no_json(text: str) -> None:
    raise ValueError(text)


def _status(fields: dict[str, Any]) -> int:
    status = fields.get("statuscode", fields.get("status", 200))
    return int(status) if str(status).isdecimal() else 200


def _written(value: Any, indent: int | None) -> str:
    """Return a JSON value as .NET's ``ToString`` has it."""
    if isinstance(value, dict | list):
        return json.dumps(value, indent=indent, ensure_ascii=False, separators=None if indent else (",", ":"))
    return "" if value is None else str(value)


def _cookie(cookie: Morsel[str]) -> str:
    """Return a cookie as ASP.NET writes it: domain and path stand there even when they are empty."""
    parts = [f"{cookie.key}={quote(cookie.value, safe='')}"]
    if cookie["expires"]:
        moment = http2time(cookie["expires"])
        if moment is None:
            raise ValueError(f"Can not parse value {cookie['expires']} of expires in the cookie due to invalid format.")
        parts.append(f"expires={formatdate(moment, usegmt=True)}")
    if cookie["max-age"]:
        parts.append(f"max-age={int(float(cookie['max-age']))}")
    parts += [f"domain={cookie['domain']}", f"path={cookie['path']}"]
    same_site = cookie["samesite"].lower()
    parts += ["secure"] * bool(cookie["secure"])
    parts += [f"samesite={same_site}"] * (same_site in ("lax", "strict", "none"))
    parts += ["httponly"] * bool(cookie["httponly"])
    return "; ".join(parts)
