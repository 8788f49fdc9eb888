"""The datastores and computes of the workspace, to be read: they come from the app's declared resources.

Source: REST reference, Datastores - Get, Compute - Get.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from localcloud.aml.door import WORKSPACE, Door, check_query
from localcloud.aml.errors import not_found
from localcloud.aml.names import PROVIDER, Workspace
from localcloud.aml.uris import DEFAULT_DATASTORE, Datastores
from localcloud.clock import Clock
from localcloud.lake.rules import Lake

#: How long a signature for the workspace's own container holds.
_SECRET_TIME = timedelta(hours=8)


class PlaceRoutes:
    """The handlers of datastores and computes; ``nodes`` is how many jobs a compute runs at once,
    ``storage`` the account's address over TLS.
    """

    def __init__(
        self,
        workspace: Workspace,
        datastores: Datastores,
        computes: list[str],
        nodes: int,
        lake: Lake,
        storage: str,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._datastores = datastores
        self._computes = computes
        self._nodes = nodes
        self._lake = lake
        self._clock = clock
        # Clients make the account's address of its name, https://NAME.blob.SUFFIX, which leads out of this machine; the
        # fragment keeps what they append out of the address.
        self._account = f"{storage.removeprefix('https://')}#"

    def add_to(self, app: web.Application, door: Door) -> None:
        """Add the routes."""
        app.router.add_get(f"{WORKSPACE}/computes", door.opens("ListComputes", self._list_computes))
        app.router.add_get(f"{WORKSPACE}/computes/{{name}}", door.opens("GetCompute", self._compute))
        app.router.add_get(f"{WORKSPACE}/datastores", door.opens("ListDatastores", self._list_datastores))
        app.router.add_get(f"{WORKSPACE}/datastores/{{name}}", door.opens("GetDatastore", self._datastore))
        secrets = f"{WORKSPACE}/datastores/{{name}}/listSecrets"
        app.router.add_post(secrets, door.opens("ListDatastoreSecrets", self._secrets))

    async def _list_computes(self, request: web.Request) -> web.Response:
        check_query(request)
        return web.json_response({"value": [self._compute_document(name) for name in self._computes]})

    async def _compute(self, request: web.Request) -> web.Response:
        name = next((one for one in self._computes if one.lower() == request.match_info["name"].lower()), None)
        if name is None:
            return web.Response(status=404)  # the service sends no body here
        return web.json_response(self._compute_document(name))

    async def _list_datastores(self, request: web.Request) -> web.Response:
        check_query(request, "isDefault", "count", "orderByAsc", "$skip")
        names = (
            [DEFAULT_DATASTORE]
            if request.query.get("isDefault") == "true"
            else [*self._datastores.own, *self._datastores.filesystems]
        )
        return web.json_response({"value": [self._datastore_document(name) for name in names]})

    async def _datastore(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in {*self._datastores.own, *self._datastores.filesystems}:
            raise not_found("Datastore", name)
        return web.json_response(self._datastore_document(name))

    async def _secrets(self, request: web.Request) -> web.Response:
        """Give a signature for a container of the workspace's own, to which clients upload; others have no secret."""
        name = request.match_info["name"]
        if name not in self._datastores.own:
            raise not_found("Datastore secrets", name)
        expiry = self._clock.now() + _SECRET_TIME
        token = self._lake.container_sas(self._datastores.own[name], "rcwdl", expiry)
        return web.json_response({"secretsType": "Sas", "sasToken": token})

    def _compute_document(self, name: str) -> dict[str, Any]:
        scale = {"minNodeCount": 0, "maxNodeCount": self._nodes, "nodeIdleTimeBeforeScaleDown": "PT2M"}
        properties = {
            "vmSize": "LOCAL",
            "vmPriority": "Dedicated",
            "scaleSettings": scale,
            "currentNodeCount": self._nodes,
            "targetNodeCount": self._nodes,
            "allocationState": "Steady",
        }
        return {
            "id": f"{self._workspace.id}/computes/{name}",
            "name": name,
            "type": f"{PROVIDER}/workspaces/computes",
            "location": self._workspace.region,
            "properties": {
                "computeType": "AmlCompute",
                "provisioningState": "Succeeded",
                "computeLocation": self._workspace.region,
                "properties": properties,
            },
        }

    def _datastore_document(self, name: str) -> dict[str, Any]:
        """Describe an ADLS Gen2 datastore without credentials, or a container of the workspace's own."""
        if name in self._datastores.own:
            kind = {
                "datastoreType": "AzureBlob",
                "containerName": self._datastores.own[name],
                "credentials": {"credentialsType": "Sas"},
            }
        else:
            filesystem = self._datastores.filesystems[name]
            kind = {
                "datastoreType": "AzureDataLakeGen2",
                "filesystem": filesystem,
                "credentials": {"credentialsType": "None"},
            }
        return {
            "id": f"{self._workspace.id}/datastores/{name}",
            "name": name,
            "type": f"{PROVIDER}/workspaces/datastores",
            "properties": {
                **kind,
                "accountName": self._account,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "isDefault": name == DEFAULT_DATASTORE,
                "tags": {},
                "properties": {},
                "description": None,
            },
        }
