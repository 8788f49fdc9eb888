"""Versioned assets: code, environments, components, data and models; and the datastores and computes to be read.

Source: REST reference, Azure Machine Learning, Code Versions, Environment Versions, Component Versions, Data Versions,
Model Versions, Datastores, Compute.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from aiohttp import web

from localcloud.aml import documents
from localcloud.aml.door import CALLER, WORKSPACE, Door, check_query, is_listed, number, read_object, read_properties
from localcloud.aml.errors import ArmError, not_found, unsupported, user_error
from localcloud.aml.names import PROVIDER, Workspace, check_asset_name, container_name
from localcloud.aml.store import AssetStore, Version
from localcloud.clock import Clock
from localcloud.lake.rules import Lake

KINDS = ("codes", "environments", "components", "data", "models")
_KIND = "{kind:" + "|".join(KINDS) + "}"
#: What a second PUT of a version may change; the rest is what the version *is*.
_CHANGEABLE = {"description", "tags", "properties", "isArchived", "stage"}
#: And what in a component's specification. Source: azure-ai-ml, ``test_component_update``.
_CHANGEABLE_OF_COMPONENTS = {"description", "display_name", "tags"}
#: Where components of no name are registered, each under the hash of what it does.
_ANONYMOUS = "azureml_anonymous"
#: What a version has that was PUT without.
_NOTHING: dict[str, Any] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
    "isAnonymous": False,
}
#: What the service adds to a version of each kind. The SDK cannot read a model without flavors.
_ADDED: dict[str, dict[str, Any]] = {
    "models": {"flavors": {}},
    "environments": {"environmentType": "UserCreated", "osType": "Linux"},
}
_DEFAULT_VERSION = "azureml_default"
_UPLOAD_TIME = timedelta(hours=24)


class AssetRoutes:
    """The handlers of versioned assets. ``storage`` is the account's address for uploads, on plain http."""

    def __init__(self, workspace: Workspace, store: AssetStore, lake: Lake, clock: Clock, storage: str) -> None:
        self._workspace = workspace
        self._store = store
        self._lake = lake
        self._clock = clock
        self._storage = storage

    def add_to(self, app: web.Application, door: Door) -> None:
        """Add the routes."""
        containers = f"{WORKSPACE}/{_KIND}"
        versions = f"{containers}/{{name}}/versions"
        app.router.add_get(containers, door.opens("ListAssets", self._containers))
        app.router.add_get(f"{containers}/{{name}}", door.opens("GetAsset", self._container))
        app.router.add_put(f"{containers}/{{name}}", door.opens("PutAsset", self._put_container))
        app.router.add_get(versions, door.opens("ListAssetVersions", self._versions))
        app.router.add_get(f"{versions}/{{version}}", door.opens("GetAssetVersion", self._get))
        app.router.add_put(f"{versions}/{{version}}", door.opens("PutAssetVersion", self._put))
        app.router.add_post(
            f"{versions}/{{version}}/startPendingUpload", door.opens("StartPendingUpload", self._start_upload)
        )

    async def _put(self, request: web.Request) -> web.Response:
        kind, name, label = _asked(request)
        properties = await read_properties(request)
        if kind == "components":  # where the SDK reads the version that it was given
            given = properties.get("componentSpec") or {}
            if not isinstance(given, dict):
                raise user_error("A component's componentSpec is an object.", "BadArgument")
            properties["componentSpec"] = {"version": label, **_given(given)}
        known = self._store.get(kind, name, label)
        if known is not None and (key := _first_difference(kind, name, known.properties, properties)):
            raise ArmError(
                409,
                "Conflict",
                f"A version with this name and version already exists: {kind} {name}, version {label}. "
                f"Its {key} cannot be changed; register a new version.",
                ("Immutable",),
            )
        if known is None:
            known = Version(kind, name, label, {}, self._clock.now(), request[CALLER].name)
        version = Version(kind, name, label, properties, known.created, known.created_by)
        self._store.put(version)
        return web.json_response(self._document(version), status=200 if known.properties else 201)

    async def _get(self, request: web.Request) -> web.Response:
        kind, name, label = _asked(request)
        if kind == "components" and label == _DEFAULT_VERSION:
            newest = self._store.versions(kind, name)
            version = newest[0] if newest else None
        else:
            version = self._store.get(kind, name, label)
        if version is None:
            raise not_found(f"{kind} version", f"{name}:{label}")
        document = self._document(version)
        if label == _DEFAULT_VERSION:  # Source: azure-ai-ml, test_component_with_default_label
            document["id"] = f"{self._workspace.id}/{kind}/{name}/labels/default"
        return web.json_response(document)

    async def _versions(self, request: web.Request) -> web.Response:
        check_query(request, "$orderBy", "$top", "$skip", "listViewType", "hash", "hashVersion")
        kind, name = request.match_info["kind"], check_asset_name(request.match_info["name"])
        if "hash" in request.query:  # code is looked for by what it is, whatever its name
            found = [one for one in self._store.versions(kind) if _hash(one) == request.query["hash"]]
        else:
            view = request.query.get("listViewType", "ActiveOnly")
            found = [
                one
                for one in self._store.versions(kind, name)
                if is_listed(view, bool(one.properties.get("isArchived")))
            ]
        if request.query.get("$orderBy", "createdtime desc").lower() != "createdtime desc":
            raise unsupported(f"$orderBy={request.query['$orderBy']} (only createdtime desc)")
        skip = number(request, "$skip", 0)
        found = found[skip : skip + number(request, "$top", len(found))]
        return web.json_response({"value": [self._document(one) for one in found]})

    async def _containers(self, request: web.Request) -> web.Response:
        check_query(request, "listViewType", "$skip")
        kind, view = request.match_info["kind"], request.query.get("listViewType", "ActiveOnly")
        names = {one.name for one in self._store.versions(kind) if not one.properties.get("isAnonymous")}
        documents_ = [
            self._container_document(kind, name) for name in sorted(names | self._store.containers(kind).keys())
        ]
        listed = [one for one in documents_ if is_listed(view, one["properties"]["isArchived"])]
        return web.json_response({"value": listed[number(request, "$skip", 0) :]})

    async def _container(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], check_asset_name(request.match_info["name"])
        if self._store.container(kind, name) is None and not self._store.versions(kind, name):
            raise not_found(f"{kind} container", name)
        return web.json_response(self._container_document(kind, name))

    async def _put_container(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], check_asset_name(request.match_info["name"])
        self._store.put_container(kind, name, await read_properties(request))
        return web.json_response(self._container_document(kind, name))

    async def _start_upload(self, request: web.Request) -> web.Response:
        """Give a container of its own and a SAS for it: two uploads never meet."""
        kind, name, label = _asked(request)
        wanted = (await read_object(request)).get("pendingUploadType", "TemporaryBlobReference")
        if kind != "codes" or wanted != "TemporaryBlobReference":
            raise unsupported(f"pending uploads of type {wanted} for {kind}")
        container = container_name(f"{kind}/{name}/versions/{label}")
        self._lake.ensure_filesystem(container)
        sas = self._lake.container_sas(container, "rcwl", self._clock.now() + _UPLOAD_TIME)
        address = f"{self._storage}/{container}"
        return web.json_response(
            {
                "pendingUploadId": str(uuid.uuid4()),
                "pendingUploadType": "TemporaryBlobReference",
                "blobReferenceForConsumption": {
                    "blobUri": address,
                    "storageAccountArmId": "",
                    "credential": {"credentialType": "SAS", "sasUri": f"{address}?{sas}"},
                },
            }
        )

    def _document(self, one: Version) -> dict[str, Any]:
        return {
            "id": f"{self._workspace.id}/{one.kind}/{one.name}/versions/{one.version}",
            "name": one.version,
            "type": f"{PROVIDER}/workspaces/{one.kind}/versions",
            "properties": _whole(one.kind, one.properties),
            "systemData": documents.system_data(one.created, one.created_by),
        }

    def _container_document(self, kind: str, name: str) -> dict[str, Any]:
        versions = self._store.versions(kind, name)
        given = self._store.container(kind, name) or {}
        numbers = [int(one.version) for one in versions if one.version.isdecimal()]
        properties = {
            "description": None,
            "tags": {},
            "properties": {},
            "isArchived": False,
            **_given(given),
            "latestVersion": versions[0].version if versions else None,
            "nextVersion": str(max(numbers, default=0) + 1),
        }
        return {
            "id": f"{self._workspace.id}/{kind}/{name}",
            "name": name,
            "type": f"{PROVIDER}/workspaces/{kind}",
            "properties": properties,
        }


def _asked(request: web.Request) -> tuple[str, str, str]:
    asked = request.match_info
    return asked["kind"], check_asset_name(asked["name"]), check_asset_name(asked["version"], "version")


def _first_difference(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """Return a property that is part of what a version is and differs; what was read may be PUT back as it is."""
    old, new = _fixed(kind, name, before), _fixed(kind, name, after)
    return next((key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)), None)


def _fixed(kind: str, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return what a version *is*; the name and version that an anonymous component was given are no part of it."""
    fixed = {key: value for key, value in _whole(kind, properties).items() if key not in _CHANGEABLE}
    if kind == "components":
        changeable = _CHANGEABLE_OF_COMPONENTS | ({"name", "version"} if name == _ANONYMOUS else set())
        specified = fixed["componentSpec"].items()
        fixed["componentSpec"] = {key: value for key, value in specified if key not in changeable}
    return fixed


def _whole(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return properties with what the service adds to those that were PUT; a folder's address ends with a slash.

    Source of the slash: azure-ai-ml, ``test_create_uri_folder`` and ``test_create_mltable``.
    """
    whole = {**_NOTHING, **_ADDED.get(kind, {}), **_given(properties), "provisioningState": "Succeeded"}
    if kind == "data" and whole.get("dataType") in ("uri_folder", "mltable"):
        whole["dataUri"] = f"{str(whole.get('dataUri', '')).rstrip('/')}/"
    if kind == "components":
        whole["componentSpec"] = _specified(whole.get("componentSpec") or {})
    return whole


def _specified(given: dict[str, Any]) -> dict[str, Any]:
    """Return a component's specification with the service's defaults. Source: azure-ai-ml, test_command_component."""
    whole = _given(given)
    if whole.get("type") == "command":
        whole = {"resources": {"instance_count": 1}, **whole}
    inputs = whole.get("inputs")
    if isinstance(inputs, dict) and all(isinstance(one, dict) for one in inputs.values()):
        whole["inputs"] = {name: {"optional": False, **one} for name, one in inputs.items()}
    return whole


def _given(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if value is not None}


def _hash(version: Version) -> str | None:
    return (version.properties.get("properties") or {}).get("hash_sha256")
