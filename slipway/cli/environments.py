"""`environments.yaml`: where the app of each environment answers, and whom tokens for it are issued for.

It is searched upward from the working directory. Whoever may write it decides where tokens are sent, so it belongs
into the repository, where changes are reviewed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from slipway import document, schema_errors
from slipway.addresses import is_loopback
from slipway.problems import BrokenRules, DefinitionError, Finding
from slipway.settings import DESK_URL

FILE = "environments.yaml"
#: Who is asked when no environment is named. A file may give it another address.
LOCAL = "local"


class UnknownEnvironment(ValueError):
    """No file has an entry of this name; the message names those there are."""


@dataclass(frozen=True)
class Target:
    """Which app is asked: the environment's name, its base URL, the audience of its tokens (None: it needs none)."""

    name: str
    url: str
    audience: str | None

    @property
    def loopback(self) -> bool:
        """Whether it answers on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


def _broken(rule: str, remedy: str, at: tuple[str, ...] = ()) -> BrokenRules:
    return BrokenRules([Finding(at, rule, remedy)])


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError as error:
        raise _broken("this is not a URL", "write https://<host>") from error
    if not host or parts.username is not None or parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", text):
        raise _broken("a url has a host, and no user, query or fragment", "write https://<host>")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise _broken("tokens are sent over https only, and over http to this machine", "write https://<host>")
    return text.rstrip("/")


class Environment(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_url)]
    audience: Annotated[str, Field(pattern=r"^(api://|https?://)?[A-Za-z0-9][A-Za-z0-9._:/-]{0,200}$")] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.audience is None and not is_loopback(urlsplit(self.url).hostname or ""):
            raise _broken("an environment in Azure needs an audience", "add audience: api://<the app's id>")
        return self


_FILE = TypeAdapter(dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")], Environment])


def chosen(name: str | None, folder: Path | None = None) -> Target:
    """The environment of this name, as the nearest file says; without a name the local one.

    Raises:
        DefinitionError: The file breaks a rule.
        UnknownEnvironment: It has no such entry.
    """
    path = find(folder or Path.cwd())
    known = read(path) if path else {}
    wanted = name or LOCAL
    if wanted in known:
        return Target(wanted, known[wanted].url, known[wanted].audience)
    if wanted == LOCAL:
        return Target(LOCAL, DESK_URL, None)
    there = f"{path} has {', '.join(known)}" if path else f"there is no {FILE} here or in a folder above"
    raise UnknownEnvironment(f"no environment is called {wanted[:40]!r}: {there}")


def find(folder: Path) -> Path | None:
    """The nearest file, in this folder or one above."""
    return next((one / FILE for one in (folder, *folder.parents) if (one / FILE).is_file()), None)


def read(path: Path) -> dict[str, Environment]:
    """The entries of a file by name. Raises DefinitionError with file and line of each problem."""
    found = document.read(path)
    try:
        return _FILE.validate_python(found.data)
    except ValidationError as error:
        findings = schema_errors.findings(error, found.data, Environment.model_fields)
        raise DefinitionError([found.problem(finding) for finding in findings]) from None
