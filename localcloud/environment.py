"""Environment variables: what the Function App is given, and what a client needs to reach the cloud as somebody.

Nothing of the developer's own environment reaches the app, apart from what every program needs and, if
``localcloud.yaml`` names a prefix, the settings of that prefix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.config import ACCOUNT, ACCOUNT_KEY, ConfigError, Resources, Settings, oid
from localcloud.endpoints import Endpoints
from localcloud.secrets import Secrets
from localcloud.tls import Tls

_PASSED_ON = re.compile(r"PATH|HOME|LANG|LANGUAGE|LC_.*|TMPDIR|TZ|USER|LOGNAME|SHELL|PYTHON.*|COVERAGE_.*|VIRTUAL_ENV")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::([A-Za-z0-9_.-]+))?\}")


def of_app(
    app: Path,
    resources: Resources,
    endpoints: Endpoints,
    secrets: Secrets,
    tls: Tls,
    caller: Mapping[str, str],
    slot: str | None = None,
) -> dict[str, str]:
    """Return the complete environment of the Function App; ``caller`` is the environment of who starts the cloud.

    Later wins: ``Values`` of ``local.settings.json``, ``functions.settings`` of ``localcloud.yaml``, the caller's
    variables with the declared prefix, the settings of the deployment slot ``slot``, and at last what the platform
    itself sets.
    """
    own: Settings = resources.functions.slots[slot] if slot else {}
    host = (endpoints.slot if slot else None) or endpoints.functions
    return {
        **{name: value for name, value in caller.items() if _PASSED_ON.fullmatch(name)},
        **_local_settings(app),
        **settings(resources, endpoints),
        **_overrides(resources, caller),
        **_filled_in(own, resources, endpoints),
        **identity_of(resources.functions.principal, endpoints, secrets, tls),
        "AZUREML_DEV_URL_MFE": endpoints.aml,
        "AzureWebJobsStorage__blobServiceUri": endpoints.storage_tls,
        "AzureWebJobsStorage__queueServiceUri": endpoints.storage_tls,
        "AzureWebJobsStorage__credential": "managedidentity",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "WEBSITE_AUTH_ENABLED": "True",
        "WEBSITE_HOSTNAME": host.removeprefix("http://"),
        "WEBSITE_SLOT_NAME": slot or "Production",
    }


def of_client(
    principal: str, resources: Resources, endpoints: Endpoints, secrets: Secrets, tls: Tls, caller: Mapping[str, str]
) -> dict[str, str]:
    """Return what a program on this machine needs in order to reach the cloud as ``principal``."""
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={endpoints.storage};QueueEndpoint={endpoints.storage};"
    )
    return {
        **settings(resources, endpoints),
        **_overrides(resources, caller),
        **identity_of(principal, endpoints, secrets, tls),
        "AZUREML_DEV_URL_MFE": endpoints.aml,
        "AZURE_STORAGE_CONNECTION_STRING": connection,
        "LOCALCLOUD_FUNCTIONS_URL": endpoints.functions,
        "LOCALCLOUD_STORAGE_URL": endpoints.storage_tls,
        "LOCALCLOUD_STORAGE_HTTP_URL": endpoints.storage,
        "LOCALCLOUD_AML_URL": endpoints.aml,
        "LOCALCLOUD_EVENTGRID_URL": endpoints.eventgrid,
        "LOCALCLOUD_IDENTITY_URL": endpoints.identity,
        "LOCALCLOUD_CONTROL_URL": endpoints.control,
    }


def identity_of(principal: str, endpoints: Endpoints, secrets: Secrets, tls: Tls) -> dict[str, str]:
    """Return what makes the unmodified ``DefaultAzureCredential`` be ``principal``, and TLS on the loopback trusted."""
    return {
        "IDENTITY_ENDPOINT": f"{endpoints.identity}/msi/token",
        "IDENTITY_HEADER": secrets.identity_header(principal),
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "REQUESTS_CA_BUNDLE": str(tls.bundle),
        "SSL_CERT_FILE": str(tls.bundle),
    }


def settings(resources: Resources, endpoints: Endpoints) -> dict[str, str]:
    """Return the app settings of ``localcloud.yaml`` with their placeholders filled in; raises ConfigError."""
    return _filled_in(resources.functions.settings, resources, endpoints)


def _filled_in(declared: Settings, resources: Resources, endpoints: Endpoints) -> dict[str, str]:
    values = _placeholders(resources, endpoints)
    return {name: _filled(name, _text(value), values) for name, value in declared.items()}


def _local_settings(app: Path) -> dict[str, str]:
    path = app / "local.settings.json"
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as problem:
        raise ConfigError(f"{path}: not JSON: {problem}") from problem
    if document.get("IsEncrypted"):
        raise ConfigError(f"{path}: IsEncrypted: encrypted settings are not supported; run func settings decrypt")
    return {name: str(value) for name, value in document.get("Values", {}).items()}


def _overrides(resources: Resources, caller: Mapping[str, str]) -> dict[str, str]:
    prefix = resources.functions.override_prefix
    return {name: value for name, value in caller.items() if prefix and name.startswith(prefix)}


def _placeholders(resources: Resources, endpoints: Endpoints) -> dict[str, str]:
    workspace = resources.aml
    oids = {f"oid:{name}": oid(name) for name in (*resources.principals, *resources.groups)}
    topics = {f"topic:{name}": endpoints.topic(name) for name in resources.eventgrid.topics}
    return {
        "functions": endpoints.functions,
        "slot": endpoints.slot or "",
        "storage": endpoints.storage,
        "storage_tls": endpoints.storage_tls,
        "queue": endpoints.storage_tls,
        "aml": endpoints.aml,
        "eventgrid": endpoints.eventgrid,
        "identity": endpoints.identity,
        "account": ACCOUNT,
        "subscription": workspace.subscription,
        "resource_group": workspace.resource_group,
        "workspace": workspace.workspace,
        "region": workspace.region,
        **oids,
        **topics,
    }


def _filled(name: str, text: str, values: dict[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        key = ":".join(part for part in match.groups() if part)
        if key not in values:
            raise ConfigError(f"localcloud.yaml: functions.settings.{name}: no {{{key}}}; known: {', '.join(values)}")
        return values[key]

    return _PLACEHOLDER.sub(fill, text)


def _text(value: Any) -> str:
    """Return a setting as the text an environment variable holds; structures become JSON."""
    return value if isinstance(value, str) else json.dumps(value)
