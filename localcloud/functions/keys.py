"""Keys of functions and webhooks. Source: Azure Functions documentation, "Work with access keys"."""

from __future__ import annotations

from aiohttp import web


def key_of(request: web.Request) -> str | None:
    """Return the key a request brings: the header ``x-functions-key`` before ``?code=``."""
    return request.headers.get("x-functions-key") or request.query.get("code")


class Keys:
    """Checks keys against those in ``secrets.json``: ``master``, ``default`` and the webhooks' system keys."""

    def __init__(self, keys: dict[str, str]) -> None:
        self._keys = keys

    def opens_webhook(self, request: web.Request, system_key: str) -> bool:
        """Say whether the request may use an extension's webhook."""
        return key_of(request) in (self._keys[system_key], self._keys["master"])

    def opens_function(self, request: web.Request, level: str) -> bool:
        """Say whether the request may call a function of this authorisation level; a system key never may."""
        if level == "ANONYMOUS":
            return True
        allowed = [self._keys["master"]] + ([self._keys["default"]] if level == "FUNCTION" else [])
        return key_of(request) in allowed
