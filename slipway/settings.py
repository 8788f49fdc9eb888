"""What differs between two installations: endpoints, names, group ids. The only place that reads the environment.

What may differ between two *runs* is no setting: it stands in a model's definition, has a version, and is pinned.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from functools import cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from slipway.retention import Ages

PREFIX = "SLIPWAY_"
#: Where an app on a desk answers: whom the command line asks, unless an environment is named.
DESK_URL = "http://127.0.0.1:7071"

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_FILESYSTEM = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")


class SettingsError(ValueError):
    """The environment lacks a setting or holds one that breaks its rule; the message names each of them."""


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine by its spelling alone: `localhost`, `127.0.0.0/8` or `::1`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url(text: str, *, plain_loopback: bool) -> str:
    parts = urlsplit(text)
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be a URL with a host and without user, query or fragment, such as https://host/path")
    if parts.scheme != "https" and not (plain_loopback and parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must begin with https://" + (" (http:// only to a loopback host)" if plain_loopback else ""))
    return text.rstrip("/")


def _token_url(text: str) -> str:
    """Read an endpoint that is sent tokens: the SDKs refuse to send one over plain http, even on loopback."""
    return _url(text, plain_loopback=False)


def _link_url(text: str) -> str:
    return _url(text, plain_loopback=True)


def _guid(text: str) -> str:
    if not _GUID.fullmatch(text):
        raise ValueError("must be an id of the form 00000000-0000-0000-0000-000000000000")
    return text.lower()


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("must begin with a letter and hold lower-case letters, digits and dashes, at most 63")
    return text


def _filesystem(text: str) -> str:
    if not _FILESYSTEM.fullmatch(text):
        raise ValueError("must have 3 to 63 lower-case letters, digits and single dashes, as filesystems are named")
    return text


def _signing_key(secret: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("must be base64, with or without the prefix whsec_") from error
    if not 24 <= len(key) <= 64:
        raise ValueError("must hold between 24 and 64 random bytes")
    return secret


TokenUrl = Annotated[str, AfterValidator(_token_url)]
LinkUrl = Annotated[str, AfterValidator(_link_url)]
Guid = Annotated[str, AfterValidator(_guid)]
Name = Annotated[str, AfterValidator(_name)]
Filesystem = Annotated[str, AfterValidator(_filesystem)]
NodeHourPrice = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,6})? [A-Z]{3}$")]
SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]


class Settings(BaseSettings):
    """The table of settings. Each is an environment variable: its name in capitals after `SLIPWAY_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, extra="ignore")

    installation: Name = Field(
        "slipway",
        description="Name of this installation, written into every claim. Two that share a lake need two names.",
    )
    environment: Name | None = Field(
        None,
        description="Name of this environment in people's environments.yaml: commands in incidents say --env with it, "
        "and routes may go by it.",
    )
    public_url: LinkUrl | None = Field(
        None,
        description="Base URL under which people reach this app, for links in incidents; without it there are none.",
    )

    platform_auth: bool = Field(
        False,
        validation_alias="WEBSITE_AUTH_ENABLED",
        description="Whether the platform's authentication stands in front; the platform sets it. Without it, no "
        "request is believed to come from anybody, and the HTTP API answers 503.",
    )

    lake_url: TokenUrl = Field(
        description="ADLS Gen2 endpoint of the lake, https://ACCOUNT.dfs.core.windows.net. Its blob endpoint follows."
    )
    landing_filesystems: list[Filesystem] = Field(
        ["landing"],
        min_length=1,
        description="Filesystems upstream data land in, as a JSON list; the app only reads them.",
    )
    models_filesystem: Filesystem = Field("models", description="Filesystem of staged inputs and published outputs.")
    control_filesystem: Filesystem = Field("control", description="Filesystem of Slipway's own records.")
    copy_block_threshold_mib: int = Field(
        5000,
        ge=1,
        le=5000,
        description="Inputs above this size, in MiB, are copied block by block; a single copy takes at most 5000.",
    )

    subscription_id: Guid = Field(description="Azure subscription of the Azure ML workspace.")
    resource_group: str = Field(
        min_length=1, max_length=90, pattern=r"^[-\w.()]+$", description="Resource group of the Azure ML workspace."
    )
    workspace: str = Field(
        min_length=2, max_length=33, pattern=r"^[A-Za-z0-9][-\w]+$", description="Name of the Azure ML workspace."
    )
    arm_url: TokenUrl = Field("https://management.azure.com", description="Azure Resource Manager's endpoint.")
    models_datastore: str = Field(
        "models", pattern=r"^\w+$", description="Azure ML datastore, without credentials, of the models filesystem."
    )
    job_principal: Guid = Field(
        description="Object id of the identity that jobs run as; it is granted rights on the folders of runs "
        "under way, and nowhere else."
    )
    readers: dict[Name, Guid] = Field(
        default_factory=dict,
        description="Reader names that definitions use, each with the object id of its Entra group, as a JSON object.",
    )

    backfill_runs: int = Field(
        20, ge=1, le=1000, description="How many runs all backfills of this environment may have under way at once."
    )
    node_hour_prices: dict[str, NodeHourPrice] = Field(
        default_factory=dict,
        description='What an hour of one node costs, by compute target, as a JSON object: `{"cpu": "0.23 EUR"}`. '
        "Without it the estimates of backfills name no money.",
    )

    topic_url: TokenUrl | None = Field(
        None, description="Event Grid topic that is told of published outputs; without it nobody is."
    )
    incident_url: LinkUrl | None = Field(
        None,
        description="Webhook that takes incidents: https, or http on loopback. Without it they stay in the lake.",
    )
    incident_secret: SigningKey | None = Field(
        None,
        description="Key that incidents are signed with (Standard Webhooks): whsec_ and base64 of 24 to 64 bytes.",
    )

    retention: Ages = Field(
        default_factory=Ages,
        description="How long each class is kept, as a JSON object; what is left out has its default. Days such as "
        "`30d`, or `never`.",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        filesystems = [*self.landing_filesystems, self.models_filesystem, self.control_filesystem]
        if len(set(filesystems)) != len(filesystems):
            raise ValueError(
                "landing_filesystems, models_filesystem and control_filesystem must differ: roles are per filesystem"
            )
        if self.incident_url and not self.incident_secret:
            raise ValueError(
                "incident_url needs incident_secret: a receiver must be able to tell our incidents from a stranger's"
            )
        return self

    @property
    def blob_url(self) -> str:
        """The Blob endpoint of the same account: on Azure another host, elsewhere the same URL."""
        return self.lake_url.replace(".dfs.", ".blob.", 1)

    @property
    def workspace_id(self) -> str:
        """ARM id of the Azure ML workspace, beginning with a slash."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


@cache
def settings() -> Settings:
    """Read the settings from the environment, once for the process.

    Raises:
        SettingsError: A required setting is absent or one breaks its rule; all of them are named, their values not.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_problem(detail["loc"], detail["msg"]) for detail in error.errors())) from None
    except SourceError as error:
        raise SettingsError(f"{error}: lists and objects are written as JSON") from None


def _problem(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + ".".join(str(part) for part in location).upper() if location else "Settings"
    field = Settings.model_fields.get(str(location[0])) if location else None
    about = f" ({field.description})" if field else ""
    return f"{name}: {message.removeprefix('Value error, ')}{about}"
