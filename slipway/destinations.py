"""Where incidents go, and which of them where: the two tables that an environment's settings hold. Pure.

A destination names addresses and accounts; a secret it names only: `"secret": "PAGERDUTY"` is the app setting
`SLIPWAY_SECRET_PAGERDUTY`, which the platform resolves from Key Vault. No other variable of the process can be named
so. Azure's own services take a token of the app's identity and need no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from slipway.addresses import is_loopback, link_url, token_url
from slipway.failure import Kind
from slipway.names import GROUP_PATTERN
from slipway.severity import Severity
from slipway.subject import Subject

LinkUrl = Annotated[str, AfterValidator(link_url)]
TokenUrl = Annotated[str, AfterValidator(token_url)]
#: A secret by name: the app setting is called `SLIPWAY_SECRET_<name>`.
SecretName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,59}$")]
Name = Annotated[str, Field(pattern=f"^{GROUP_PATTERN}$")]
_Address = Annotated[str, Field(pattern=r"^[^@\s,;<>]{1,64}@[^@\s,;<>]{1,190}$")]
_Text = Annotated[str, Field(min_length=1, max_length=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def secret_problem(self, value: str) -> str | None:
        """Why this cannot be its secret, in words that do not show it; None if it can."""
        del value
        return None


class Webhook(_Part):
    """A webhook of your own: signed CloudEvents. The secret is its signing key (Standard Webhooks)."""

    type: Literal["webhook"]
    url: LinkUrl
    secret: SecretName

    def secret_problem(self, value: str) -> str | None:
        """A key of a length that Standard Webhooks asks for."""
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            return "must be base64, with or without the prefix whsec_"
        return None if 24 <= len(key) <= 64 else "must hold between 24 and 64 random bytes"


class PagerDuty(_Part):
    """An integration of PagerDuty's Events API v2. The secret is its 32-character integration key."""

    type: Literal["pagerduty"]
    url: LinkUrl = "https://events.pagerduty.com/v2/enqueue"
    secret: SecretName

    def secret_problem(self, value: str) -> str | None:
        """A key as PagerDuty gives them."""
        return None if re.fullmatch(r"[0-9A-Za-z]{32}", value) else "must be an integration key of 32 characters"


class ServiceNow(_Part):
    """A ServiceNow instance: its incident table. The secret is the password of `user`."""

    type: Literal["servicenow"]
    url: LinkUrl
    user: _Text
    secret: SecretName
    close_code: _Text = "Solution provided"


class AzureDevOps(_Part):
    """A project of Azure DevOps: work items, made by the app's identity, which must be a user of the organisation."""

    type: Literal["azure-devops"]
    url: TokenUrl
    work_item: _Text = "Issue"
    done: _Text = "Done"


class Teams(_Part):
    """A channel or chat of Teams, by a workflow. The secret is the workflow's whole address: it is a key by itself."""

    type: Literal["teams"]
    secret: SecretName

    def secret_problem(self, value: str) -> str | None:
        """An address over https; its query holds the key."""
        parts = urlsplit(value)
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            return None if parts.hostname else "must be an address with a host"
        return "must be the workflow's address, which begins with https://"


class Email(_Part):
    """E-mail by Azure Communication Services, sent by the app's identity."""

    type: Literal["email"]
    url: TokenUrl
    sender: _Address
    to: list[_Address] = Field(min_length=1, max_length=50)


Destination = Annotated[
    Webhook | PagerDuty | ServiceNow | AzureDevOps | Teams | Email,
    Field(discriminator="type"),
]


class Route(_Part):
    """Which incidents go `to` which destinations: those that fit every condition that is given."""

    owner: list[Name] | None = None
    severity: list[Severity] | None = None
    kind: list[Kind] | None = None
    model: list[_Text] | None = None  #: patterns with * and ?
    about: list[Literal["period", "backfill", "platform"]] | None = None
    to: list[Name]

    @property
    def takes_all(self) -> bool:
        """Whether it has no condition."""
        return self.model_dump(exclude={"to"}, exclude_none=True) == {}

    def fits(self, incident: Mapping[str, Any]) -> bool:
        """Whether an incident meets every condition."""
        about = Subject.of(incident)
        what = "platform" if about.platform else "backfill" if about.backfill else "period"
        if self.model is not None and not any(fnmatchcase(about.model or "", pattern) for pattern in self.model):
            return False
        given = {"owner": incident.get("owner"), "severity": incident.get("severity"), "kind": incident["kind"]}
        wanted = {name: getattr(self, name) for name in given} | {"about": self.about}
        return all(one is None or (given | {"about": what})[name] in one for name, one in wanted.items())


class Routing(_Part):
    """The routes of an environment, first match wins; without any, every incident goes everywhere."""

    routes: tuple[Route, ...] = ()
    destinations: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What changes whenever an incident may have to go elsewhere."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:12]

    def of(self, incident: Mapping[str, Any]) -> list[str]:
        """The destinations of an incident, by name."""
        if not self.routes:
            return sorted(self.destinations)
        return next((list(dict.fromkeys(route.to)) for route in self.routes if route.fits(incident)), [])


def problems(destinations: Mapping[str, Any], routes: Sequence[Route]) -> str | None:
    """What is wrong between the two tables; None if nothing is."""
    unknown = sorted({name for route in routes for name in route.to} - set(destinations))
    if unknown:
        return f"a route leads to {unknown[0]}, and destinations has no such entry"
    if routes and not routes[-1].takes_all:
        return 'the last route must take all that no other takes: write {"to": [...]}, or {"to": []} for nobody'
    hidden = next((number for number, route in enumerate(routes[:-1], 1) if route.takes_all), None)
    return f"route {hidden} takes all, so that none after it is ever asked" if hidden else None
