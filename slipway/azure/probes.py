"""What the app's identity may do, found by trying; at most an empty folder stays. Raises what the SDKs raise."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError, map_error
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest, HttpResponse

from slipway import access, paths
from slipway.azure.blob_pages import STORAGE_SCOPE
from slipway.azure.credential import credential
from slipway.azure.lake import lake
from slipway.azure.workspace import TIMEOUTS, thin_client
from slipway.settings import settings

#: A version of the queue service's protocol. Source: REST reference, Versioning.
QUEUE_VERSION = "2023-11-03"


def principal() -> str:
    """Who the process is to Azure: object and application id, as its token for storage says. The token is not kept."""
    body = credential().get_token(STORAGE_SCOPE).token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return f"object id {told.get('oid', 'unknown')}, application id {told.get('appid') or told.get('azp', 'unknown')}"


def lake_time() -> datetime:
    """The lake's own time."""
    return lake().control.read_at(paths.heartbeat())[1].astimezone(UTC)


def change_models() -> None:
    """Make a folder in the models filesystem, write into it, change its rights, and delete it."""
    models, folder = lake().models, paths.probe_folder(uuid.uuid4().hex)
    models.make_folder(folder, access.sealed())
    try:
        models.write(f"{folder}/file", b"probe")
        models.set_acl(folder, access.open_outputs([]))
    finally:
        models.remove_folder(folder)


def change_control() -> None:
    """Create a record in the control filesystem, change it by compare-and-swap, read it back, and delete it."""
    control, path = lake().control, paths.probe_record(uuid.uuid4().hex)
    control.create(path, {"probe": 1})
    control.update(path, lambda seen, _: {**(seen or {}), "probe": 2})
    record = control.read(path)
    if record is None or record.data["probe"] != 2 or not control.remove(path, record.etag.strip('"')):
        raise RuntimeError("a record that was written did not read back as it was written")


def datastore_there(name: str) -> bool:
    """Whether the workspace answers, and has a datastore of this name. Source: REST reference, Datastores - Get."""
    arm = thin_client(settings().arm_url, credential())
    url = arm.format_url(f"{settings().workspace_id}/datastores/{name}")
    return _there(arm.send_request(HttpRequest("GET", url, params={"api-version": "2024-04-01"})))


def queue_there(service: str, queue: str) -> bool:
    """Whether the queue is there and may be looked at. Source: REST reference, Get Queue Metadata."""
    signing = policies.BearerTokenCredentialPolicy(credential(), STORAGE_SCOPE)
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(service, policies=[signing], **TIMEOUTS)
    headers = {"x-ms-version": QUEUE_VERSION}
    address = f"{service.rstrip('/')}/{queue}"
    return _there(client.send_request(HttpRequest("GET", address, params={"comp": "metadata"}, headers=headers)))


def _there(response: HttpResponse) -> bool:
    if response.status_code == 404:
        return False
    if response.status_code >= 400:
        map_error(response.status_code, response, {})
        raise HttpResponseError(response=response)
    return True
