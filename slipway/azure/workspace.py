"""Two ways to the Azure ML workspace: azure-ai-ml, and a thin client for what it lacks or does slowly."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azure.core.credentials import TokenCredential
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from slipway.settings import Settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

#: A client whose calls take and give azure-core's own requests and responses.
ThinClient = ARMPipelineClient[HttpRequest, HttpResponse]

#: The run history service takes the same scope: azure-ai-ml asks for it there too.
ARM_SCOPE = "https://management.azure.com/.default"

#: Seconds. A submit of the real service takes one to four; every other call is shorter.
TIMEOUTS: Mapping[str, Any] = {"connection_timeout": 10, "read_timeout": 60}


def ml_client(settings: Settings, credential: TokenCredential, *, retries: int) -> MLClient:
    """Make a client of azure-ai-ml for the workspace, which repeats a failed request up to `retries` times.

    Takes about two seconds and 80 MB the first time, for the import: call it only where jobs or assets are created.
    """
    from azure.ai.ml import MLClient

    client = MLClient(
        credential,
        settings.subscription_id,
        settings.resource_group,
        settings.workspace,
        retry_total=retries,
        show_progress=False,
        enable_telemetry=False,
        **TIMEOUTS,
    )
    _silence()
    return client


def _silence() -> None:
    """Keep azure-ai-ml's talk out of the logs, where "experimental class" lines on stderr count as errors.

    The levels are set by the package's import and by its client: set before those, they would be overwritten.
    """
    for name in ("azure.ai.ml", "azure.ai.ml._telemetry"):
        logging.getLogger(name).setLevel(logging.ERROR)


def thin_client(base: str, credential: TokenCredential | None) -> ThinClient:
    """Make a client that sends one request a call, with the credential's token unless that is None.

    It follows no redirects and repeats nothing: a Retry-After is for the orchestration's timers to honour.
    """
    steps: list[Any] = [policies.RequestIdPolicy(), policies.UserAgentPolicy("slipway")]
    if credential is not None:
        steps.append(ARMChallengeAuthenticationPolicy(credential, ARM_SCOPE))
    return ThinClient(base, policies=steps, **TIMEOUTS)
