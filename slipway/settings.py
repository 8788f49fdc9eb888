"""What differs between two installations: endpoints, names, group ids. The only place that reads the environment.

What may differ between two *runs* is no setting: it stands in a model's definition, has a version, and is pinned.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from slipway.destinations import (
    Destination,
    LinkUrl,
    Route,
    Routing,
    TokenUrl,
    problems,
)
from slipway.failure import Failed, Failure, Kind
from slipway.retention import Ages

PREFIX = "SLIPWAY_"
#: What the variables begin with that hold secrets of destinations.
SECRETS = f"{PREFIX}SECRET_"
#: What a Key Vault reference looks like as long as the platform could not resolve it.
_UNRESOLVED = "@Microsoft.KeyVault("
#: Where an app on a desk answers: whom the command line asks, unless an environment is named.
DESK_URL = "http://127.0.0.1:7071"

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_FILESYSTEM = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")


class SettingsError(ValueError):
    """The environment lacks a setting or holds one that breaks its rule; the message names each of them."""


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


Guid = Annotated[str, AfterValidator(_guid)]
Name = Annotated[str, AfterValidator(_name)]
Filesystem = Annotated[str, AfterValidator(_filesystem)]
NodeHourPrice = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,6})? [A-Z]{3}$")]


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
    destinations: dict[Name, Destination] = Field(
        default_factory=dict,
        description="Where incidents go, by name, as a JSON object. Without it they stay in the lake.",
    )
    alike_models: int = Field(
        10,
        ge=2,
        description="How many models must begin to fail alike within an hour for one incident of the platform, in "
        "place of one for each.",
    )
    routes: list[Route] = Field(
        default_factory=list,
        description="Which incidents go where, as a JSON list: the first that fits. Without it each goes everywhere.",
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
        if problem := problems(self.destinations, self.routes):
            raise ValueError(f"destinations and routes: {problem}")
        for name, destination in self.destinations.items():
            if problem := _secret_problem(destination):
                raise ValueError(f"destination {name}: {problem}")
        return self

    @property
    def routing(self) -> Routing:
        """Which destinations an incident goes to."""
        return Routing(routes=tuple(self.routes), destinations=tuple(sorted(self.destinations)))

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


def unresolved() -> list[str]:
    """The names of all variables that hold a Key Vault reference in place of its value, for want of rights or name.

    Source: App Service, Use Key Vault references: a reference that cannot be resolved is passed as it is written.
    """
    return [name for name, value in os.environ.items() if value.startswith(_UNRESOLVED)]


def queue_service() -> str | None:
    """The queue service of the account whose queue `landing-events` the host reads, if there is one."""
    return os.environ.get("LANDING__queueServiceUri")  # noqa: SIM112 - the host's own spelling


def thread_count() -> str | None:
    """How many threads the worker was told to have for activities and orchestrators, as it is written."""
    return os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")


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


def secret(name: str) -> str:
    """The secret of this name, as the platform has resolved it. Raises Failed where it has not."""
    value = os.environ.get(f"{SECRETS}{name}", "")
    if not value or value.startswith(_UNRESOLVED):
        message = f"{SECRETS}{name} is not resolved: check its Key Vault reference and the app's right to read it."
        raise Failed(Failure(Kind.PLATFORM, "secret-missing", message, transient=True))
    return value


def _secret_problem(destination: Destination) -> str | None:
    """Why a destination's secret cannot be what it must be; one that the platform has yet to resolve is passed."""
    name = getattr(destination, "secret", None)
    value = os.environ.get(f"{SECRETS}{name}")
    if name is None or (value and value.startswith(_UNRESOLVED)):
        return None
    if not value:
        return f"{SECRETS}{name} is not set: it holds the secret, or a reference to it in Key Vault"
    problem = destination.secret_problem(value)
    return f"{SECRETS}{name} {problem}" if problem else None


def _problem(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + ".".join(str(part) for part in location).upper() if location else "Settings"
    field = Settings.model_fields.get(str(location[0])) if location else None
    about = f" ({field.description})" if field else ""
    return f"{name}: {message.removeprefix('Value error, ')}{about}"
