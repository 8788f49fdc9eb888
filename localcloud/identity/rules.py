"""Who is who: principals, their tokens, and what a token says.

The claims are those Microsoft Entra puts into access tokens of version 1.0 (source: Access token claims reference);
the signature is HS256 with the local cloud's own key, so that no process has to ask another to check one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jwt

from localcloud.clock import Clock
from localcloud.config import TENANT_ID, Resources, oid
from localcloud.secrets import Secrets

ISSUER = f"https://sts.windows.net/{TENANT_ID}/"


class InvalidToken(Exception):
    """A bearer token does not count; the text says why."""


class UnknownPrincipalError(LookupError):
    """No principal of that name is declared."""


@dataclass(frozen=True)
class Caller:
    """Who makes a request. ``oid`` and ``groups`` are object ids, as access control lists hold them.

    ``shared_key`` marks the account's key or a SAS: it acts as ``$superuser`` and no roles or lists are looked at.
    """

    name: str
    oid: str
    groups: frozenset[str] = frozenset()
    app_roles: frozenset[str] = frozenset()
    shared_key: bool = False


SUPERUSER = Caller(name="$superuser", oid="$superuser", shared_key=True)


class Identity:
    """Issues and checks the tokens of the principals in ``resources``; needs no network and works in any process."""

    def __init__(self, resources: Resources, secrets: Secrets, clock: Clock) -> None:
        self._resources = resources
        self._secrets = secrets
        self._clock = clock

    def caller(self, name: str) -> Caller:
        """Return the principal called ``name``; raises :class:`UnknownPrincipalError`."""
        principal = self._resources.principals.get(name)
        if principal is None:
            known = ", ".join(sorted(self._resources.principals))
            raise UnknownPrincipalError(f"no principal {name!r}; declared in localcloud.yaml: {known}")
        return Caller(
            name=name,
            oid=oid(name),
            groups=frozenset(oid(group) for group in principal.groups),
            app_roles=frozenset(principal.app_roles),
        )

    def of_header(self, header: str) -> Caller | None:
        """Return whom ``X-IDENTITY-HEADER`` stands for, or None."""
        for name in self._resources.principals:
            if self._secrets.identity_header(name) == header:
                return self.caller(name)
        return None

    def token(self, principal: str, audience: str, lifetime: float = 3600) -> str:
        """Return an access token of ``principal`` for ``audience``, valid ``lifetime`` seconds of the cloud's clock."""
        who, now = self.caller(principal), int(self._clock.time())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "sub": who.oid,
            "oid": who.oid,
            "appid": who.oid,
            "tid": TENANT_ID,
            "name": who.name,
            "groups": sorted(who.groups),
            "roles": sorted(who.app_roles),
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime),
            "ver": "1.0",
        }
        return jwt.encode(claims, self._secrets.signing_key, algorithm="HS256")

    def verify(self, token: str, audience_prefixes: Iterable[str] | None = None) -> Caller:
        """Return who ``token`` is of; raises :class:`InvalidToken` (forged, expired, wrong audience)."""
        claims = self._claims(token)
        now = self._clock.time()
        if now >= claims["exp"]:
            raise InvalidToken(f"the token expired {now - claims['exp']:.0f} s ago")
        if now < claims["nbf"] - 300:
            raise InvalidToken("the token is not valid yet")
        if audience_prefixes is not None and not claims["aud"].startswith(tuple(audience_prefixes)):
            raise InvalidToken(f"the token is for {claims['aud']}, not for this service")
        return Caller(claims["name"], claims["oid"], frozenset(claims["groups"]), frozenset(claims["roles"]))

    def _claims(self, token: str) -> dict[str, Any]:
        # Times are checked by the cloud's clock, which may be far from the one PyJWT would look at.
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            return jwt.decode(token, self._secrets.signing_key, algorithms=["HS256"], issuer=ISSUER, options=options)
        except jwt.PyJWTError as problem:
            raise InvalidToken(f"the token is not one of this local cloud: {problem}") from problem
