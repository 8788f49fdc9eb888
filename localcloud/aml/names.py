"""The workspace's names: resource ids, job names, asset names. Nothing from outside becomes a path unchecked."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from localcloud.aml import errors

PROVIDER = "Microsoft.MachineLearningServices"
#: What the service makes of names it invents, so that the same workspace has the same ids on every machine.
_NAMESPACE = uuid.UUID("6f1d5c1e-3f5e-4c53-9a75-0d5d5a3b8f10")
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_ASSET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_RESOURCE_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/providers/microsoft\.machinelearningservices"
    r"/workspaces/(?P<workspace>[^/]+)/(?P<kind>[a-z]+)/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Asset:
    """A reference to something of this workspace: ``kind`` is the collection, e.g. ``environments``."""

    kind: str
    name: str
    version: str | None


@dataclass(frozen=True)
class Workspace:
    """The one workspace that is served, and the ids of what is in it."""

    subscription: str
    group: str
    name: str
    region: str

    @property
    def id(self) -> str:
        """The workspace's resource id."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/{PROVIDER}/workspaces/{self.name}"

    @property
    def guid(self) -> str:
        """The workspace's GUID, the same wherever the workspace has this id."""
        return str(uuid.uuid5(_NAMESPACE, self.id.lower()))

    def experiment_id(self, experiment: str) -> str:
        """Return the GUID of an experiment."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.id.lower()}/experiments/{experiment}"))

    def is_at(self, subscription: str, group: str, workspace: str) -> bool:
        """Say whether these three name this workspace; case is ignored, as Azure ignores it in ids."""
        asked = (subscription.lower(), group.lower(), workspace.lower())
        return asked == (self.subscription.lower(), self.group.lower(), self.name.lower())

    def parse(self, resource_id: str) -> Asset | None:
        """Read the resource id of something in this workspace; None for any other text."""
        match = _RESOURCE_ID.fullmatch(resource_id)
        if match is None or not self.is_at(match["subscription"], match["group"], match["workspace"]):
            return None
        return Asset(match["kind"].lower(), match["name"], match["version"])


def check_job_name(name: str) -> str:
    """Return ``name`` if a job may be called so; raises 400."""
    if _JOB_NAME.fullmatch(name) is None:
        raise errors.user_error(
            f"The job name {name!r} is not valid: use 1 to 255 letters, digits, '_' and '-', no '_' or '-' first.",
            "BadArgument",
            "ArgumentInvalid",
        )
    return name


def check_asset_name(name: str, what: str = "name") -> str:
    """Return ``name`` if an asset or a version may be called so; raises 400."""
    if _ASSET_NAME.fullmatch(name) is None:
        raise errors.user_error(
            f"The asset {what} {name!r} is not valid: use 1 to 255 letters, digits, '_', '-' and '.', "
            "the first a letter, digit or '_'.",
            "BadArgument",
            "ArgumentInvalid",
        )
    return name


def container_name(purpose: str) -> str:
    """Return the name of the storage container for ``purpose``, the same each time."""
    return f"azureml-{uuid.uuid5(_NAMESPACE, purpose)}"
