"""Where data lies: the forms of data URIs that jobs and assets may use, read into places in the lake.

Source: "Access data in a job", supported paths: ``azureml://datastores/...`` for inputs and outputs, ``abfss://`` for
inputs only, data assets by version for inputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from localcloud.aml.names import Workspace

#: The datastore every workspace has; it carries its own credential, so a job's identity plays no part in it.
DEFAULT_DATASTORE = "workspaceblobstore"
#: The one it keeps the logs and artifacts of its jobs in.
ARTIFACTS_DATASTORE = "workspaceartifactstore"
_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"(?:/providers/microsoft\.machinelearningservices)?/workspaces/(?P<workspace>[^/]+)/)?"
    r"datastores/(?P<datastore>[^/]+)(?:/paths/(?P<path>.*))?",
    re.IGNORECASE,
)
_ABFSS = re.compile(
    r"abfss://(?P<filesystem>[^@/]+)@(?P<account>[^./]+)\.dfs\.core\.windows\.net/(?P<path>.*)", re.IGNORECASE
)


@dataclass(frozen=True)
class Place:
    """A path in a filesystem of the lake; ``credentialed`` when the workspace itself holds the key to it."""

    filesystem: str
    path: str
    credentialed: bool = False

    def below(self, relative: str) -> Place:
        """Return the place ``relative`` to this one."""
        return replace(self, path=f"{self.path}/{relative}".lstrip("/"))


class UriError(ValueError):
    """A data URI cannot be used; the text names it, the rule and the remedy."""


@dataclass(frozen=True)
class Datastores:
    """The names by which a workspace knows the lake.

    ``filesystems`` maps a datastore's name to a filesystem of ``account``; ``own`` maps those that every workspace has,
    for which it holds the key itself.
    """

    workspace: Workspace
    account: str
    filesystems: Mapping[str, str]
    own: Mapping[str, str]

    def place(self, uri: str) -> Place:
        """Read ``azureml://datastores/D/paths/P`` (short or long form) or ``abfss://``; raises :class:`UriError`."""
        if match := _DATASTORE.fullmatch(uri):
            return self._in_datastore(uri, match)
        if match := _ABFSS.fullmatch(uri):
            if match["account"] != self.account:
                raise UriError(
                    f"{uri}: the account {match['account']!r} is not in this cloud; its account is {self.account!r}"
                )
            return Place(match["filesystem"], _checked(uri, match["path"]))
        raise UriError(f"{uri}: not a supported data URI; use azureml://datastores/<datastore>/paths/<path>")

    def output_place(self, uri: str) -> Place:
        """Read the URI of an output; ``abfss://`` is documented for inputs only and refused here."""
        if uri.lower().startswith("abfss:"):
            raise UriError(
                f"{uri}: outputs cannot be abfss:// paths; use azureml://datastores/<datastore>/paths/<path>"
            )
        return self.place(uri)

    def _in_datastore(self, uri: str, match: re.Match[str]) -> Place:
        if match["workspace"] and not self.workspace.is_at(match["subscription"], match["group"], match["workspace"]):
            raise UriError(f"{uri}: this is another workspace than {self.workspace.id}")
        name, path = match["datastore"], _checked(uri, match["path"] or "")
        if name in self.own:
            return Place(self.own[name], path, credentialed=True)
        if name not in self.filesystems:
            known = ", ".join([*self.own, *self.filesystems])
            raise UriError(f"{uri}: no datastore {name!r} in this workspace; it has {known}")
        return Place(self.filesystems[name], path)


def _checked(uri: str, path: str) -> str:
    """Return ``path`` without outer slashes; raises when a part of it would lead elsewhere."""
    parts = [part for part in path.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise UriError(f"{uri}: '.' and '..' are not allowed in a path")
    return "/".join(parts)
