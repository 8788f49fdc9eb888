"""Code and environments registered with Azure ML, so that a released job names exact versions of both."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ResourceNotFoundError

from slipway.azure.failures import failure_of
from slipway.azure.workspace import ml_client
from slipway.failure import Failed, Failure, Kind
from slipway.settings import Settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

#: A person waits for a release, so the SDK may repeat a request; a Retry-After is sat out.
RETRIES = 3

_REGISTRY = "azureml://registries/"


class Assets:
    """The code and environments of one workspace. Registering the same content again finds the first version."""

    def __init__(self, settings: Settings, credential: TokenCredential) -> None:
        self._settings = settings
        self._credential = credential

    def register_code(self, folder: Path, name: str, version: str) -> str:
        """Upload a folder, every file of it, and return the ARM id of the code's version.

        Content that the workspace has already is not uploaded again; the id may then bear another name.

        Raises:
            Failed: The service did not take it.
        """
        from azure.ai.ml.entities._assets import Code

        # azure-ai-ml has no public way to register code: this is what it uploads a job's folder with by itself.
        code = Code(name=name, version=version, path=str(folder))
        return self._registered(lambda: self._ml._code.create_or_update(code))

    def register_environment(self, folder: Path, document: Mapping[str, Any], name: str, version: str) -> str:
        """Register the environment that a job.yaml describes, and return the ARM id of its version.

        Args:
            folder: Where job.yaml lies; file names in `document` count from there.
            document: `image` and `conda_file`, or `build`, as Azure ML's job schema has them.
            name: Replaces what the document may say.
            version: The same.

        Raises:
            Failed: The service did not take it.
        """
        from azure.ai.ml import load_environment

        source = io.StringIO(json.dumps({**document, "name": name, "version": version}))
        environment = load_environment(source, relative_origin=str(folder / "job.yaml"))
        return self._registered(lambda: self._ml.environments.create_or_update(environment))

    def environment_id(self, reference: str) -> str:
        """Return the exact id of an environment that somebody else registered: `azureml:<name>:<version>`.

        An environment of a registry is named by its address, which is exact already and stays as it is.

        Raises:
            Failed: `environment-missing` (model) if the workspace has no such version.
        """
        if reference.startswith(_REGISTRY):
            return reference
        name, _, version = reference.removeprefix("azureml:").partition(":")
        try:
            return self._registered(lambda: self._ml.environments.get(name, version))
        except Failed as error:
            if not isinstance(error.__cause__, ResourceNotFoundError):
                raise
            message = f"The workspace {self._settings.workspace} has no environment {name}, version {version}."
            raise Failed(Failure(Kind.MODEL, "environment-missing", message)) from error

    @cached_property
    def _ml(self) -> MLClient:
        return ml_client(self._settings, self._credential, retries=RETRIES)

    @staticmethod
    def _registered(act: Callable[[], Any]) -> str:
        try:
            return str(act().id)
        except AzureError as error:
            raise Failed(failure_of(error)) from error
