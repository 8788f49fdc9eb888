"""Finds what a job refers to: registered assets, and where its data lies."""

from __future__ import annotations

import re

from localcloud.aml.names import Asset, Workspace
from localcloud.aml.store import AssetStore
from localcloud.aml.uris import Datastores, Place, UriError

_CONTAINER_URL = re.compile(r"https?://[^/]+/(?P<account>[^/]+)/(?P<container>[^/?]+)/(?P<path>[^?]+)")


class Catalog:
    """The assets and datastores of the workspace."""

    def __init__(self, workspace: Workspace, datastores: Datastores, assets: AssetStore) -> None:
        self._workspace = workspace
        self._datastores = datastores
        self._assets = assets

    def has(self, asset: Asset) -> bool:
        """Say whether this version of an asset is registered."""
        return asset.version is not None and self._assets.get(asset.kind, asset.name, asset.version) is not None

    def input(self, uri: str) -> Place:
        """Return where an input lies, through its data asset if it names one; raises :class:`UriError`."""
        return self._datastores.place(self._path_of(uri))

    def output(self, uri: str) -> Place:
        """Return where an output goes; raises :class:`UriError`."""
        return self._datastores.output_place(uri)

    def code(self, code_id: str) -> Place:
        """Return where a registered code folder lies, in a container of the workspace's; raises :class:`UriError`."""
        uri = str(self._version(code_id, "codeUri"))
        match = _CONTAINER_URL.fullmatch(uri)
        if match is None or match["account"] != self._datastores.account:
            raise UriError(f"{uri}: code is read only from where startPendingUpload let it be uploaded")
        return Place(match["container"], match["path"].strip("/"), credentialed=True)

    def _path_of(self, uri: str) -> str:
        asset = self._workspace.parse(uri)
        return self._version(uri, "dataUri") if asset and asset.kind == "data" else uri

    def _version(self, resource_id: str, key: str) -> str:
        asset = self._workspace.parse(resource_id)
        version = self._assets.get(asset.kind, asset.name, asset.version or "") if asset else None
        if version is None:
            raise UriError(f"{resource_id}: not registered in this workspace")
        return str(version.properties.get(key))
