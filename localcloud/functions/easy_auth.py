"""What App Service's authentication does in front of an app: who calls is settled before the app sees the request.

Source: App Service documentation, "Work with user identities", access user claims in app code.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from localcloud.identity.rules import Caller, Identity, InvalidToken

#: Headers only the front end may set; what a client sends under these names is dropped.
PREFIX = "x-ms-client-principal"
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_NAME = "name"


class UnauthenticatedError(Exception):
    """Nobody the app may be called by: no token where one is needed, or one that does not count."""


class EasyAuth:
    """Turns a bearer token into principal headers; ``development_principal`` stands in for a missing token."""

    def __init__(self, identity: Identity, development_principal: str | None) -> None:
        self._identity = identity
        self._development_principal = development_principal

    def principal_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers to add to those of a request, all in lower case; raises :class:`UnauthenticatedError`."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                return _headers(self._identity.verify(token.strip()))
            except InvalidToken as problem:
                raise UnauthenticatedError(str(problem)) from problem
        if self._development_principal is None:
            raise UnauthenticatedError("a bearer token is needed: no development principal is set")
        return _headers(self._identity.caller(self._development_principal))


def without_principal(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a client's headers without those that only the front end may set."""
    return {name: value for name, value in headers.items() if not name.lower().startswith(PREFIX)}


def _headers(caller: Caller) -> dict[str, str]:
    claims = [{"typ": _NAME, "val": caller.name}, {"typ": _OBJECT_ID, "val": caller.oid}]
    claims += [{"typ": "roles", "val": role} for role in sorted(caller.app_roles)]
    claims += [{"typ": "groups", "val": group} for group in sorted(caller.groups)]
    principal = {"auth_typ": "aad", "name_typ": _NAME, "role_typ": "roles", "claims": claims}
    return {
        PREFIX: base64.b64encode(json.dumps(principal).encode()).decode(),
        f"{PREFIX}-id": caller.oid,
        f"{PREFIX}-name": caller.name,
        f"{PREFIX}-idp": "aad",
    }
