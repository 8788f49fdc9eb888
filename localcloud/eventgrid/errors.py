"""Event Grid's error codes and bodies.

Source: Event Grid data plane REST reference, Publish events; observed shapes in the SDK's published test recordings.
"""

from __future__ import annotations

from aiohttp import web


def answer(request: web.Request, status: int, code: str, message: str) -> web.Response:  # noqa: ARG001
    """Answer an error the way a topic does."""
    body = {"error": {"code": code, "message": message, "details": [{"code": code, "message": message}]}}
    return web.json_response(body, status=status)
