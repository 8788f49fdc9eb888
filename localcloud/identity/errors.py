"""What the token endpoint answers when it gives no token.

Source: How to use managed identities for App Service; bodies as the platform's endpoint shows them to the SDKs.
"""

from __future__ import annotations

from aiohttp import web


def answer(request: web.Request, status: int, code: str, message: str) -> web.Response:  # noqa: ARG001
    """Answer an error the way App Service's endpoint does."""
    return web.json_response({"statusCode": status, "message": message, "code": code}, status=status)
