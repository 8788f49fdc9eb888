"""What a submitted job may say: read, checked and filled with the service's defaults.

Source: REST reference, Jobs - Create Or Update, CommandJob.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from localcloud.aml import rules
from localcloud.aml.catalog import Catalog
from localcloud.aml.errors import ArmError, unsupported, user_error
from localcloud.aml.names import Workspace, check_asset_name
from localcloud.aml.uris import DEFAULT_DATASTORE, UriError

#: What a second PUT may change. Everything else is fixed by the first.
CHANGEABLE = ("description", "tags", "displayName", "properties", "isArchived")
_KNOWN = {
    *CHANGEABLE, "jobType", "experimentName", "command", "environmentId", "computeId", "codeId", "inputs",
    "outputs", "environmentVariables", "resources", "limits", "identity", "queueSettings", "distribution", "services",
    "componentId", "notificationSetting", "parameters", "parentJobName", "autologgerSettings", "secretsConfiguration",
    "status",
}  # fmt: skip
_NEVER = (
    "distribution",
    "services",
    "parentJobName",
    "autologgerSettings",
    "secretsConfiguration",
    "notificationSetting",
)
_INPUT_MODES = {"ReadOnlyMount", "Download", "Direct"}
_OUTPUT_MODES = {"ReadWriteMount", "Upload"}
#: What a job may read from in Azure, and not here.
_OTHER_SCHEMES = ("http", "https", "wasb", "wasbs", "adl", "abfs")
_REFERENCE = re.compile(r"\$\{\{\s*([A-Za-z_]+)(?:\.([^}\s]*))?\s*\}\}")
#: A part of a command that stands only if the inputs in it are given. Source: YAML schema, command job.
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
#: Environments of others, which are taken on trust: of a registry, and those that Azure ML curates.
_FOREIGN_ENVIRONMENT = re.compile(
    r"azureml://registries/[\w.-]+/environments/[\w.-]+/(?:labels/latest|versions/[\w.-]+)|azureml:AzureML-[\w.-]+:[\w.-]+"
)
#: Limits of a run. Source: "Manage and increase quotas and limits", Azure Machine Learning jobs.
_MOST_TAGS, _LONGEST_KEY, _LONGEST_VALUE, _MOST_INPUTS, _MOST_OUTPUTS = 50, 100, 1000, 200, 20


class Rulebook:
    """The checks that need to know the workspace.

    ``computes`` are the names of its compute targets, ``job_identity`` the client id that jobs have.
    """

    def __init__(self, workspace: Workspace, catalog: Catalog, computes: Iterable[str], job_identity: str) -> None:
        self._workspace = workspace
        self._catalog = catalog
        self._computes = {name.lower() for name in computes}
        self._job_identity = job_identity

    def read(self, name: str, properties: dict[str, Any]) -> dict[str, Any]:
        """Return the immutable part of a submitted job with defaults filled in; raises :class:`ArmError`."""
        _check_kind(properties)
        check_texts(properties)
        self._check_compute(properties.get("computeId"))
        self._check_environment(properties.get("environmentId"))
        self._check_code(properties.get("codeId"))
        self._check_identity(properties.get("identity"))
        sent = _without_nulls({key: value for key, value in properties.items() if key not in (*CHANGEABLE, "status")})
        sent["inputs"] = {key: self._input(key, one) for key, one in _named(properties, "inputs").items()}
        sent["outputs"] = {key: self._output(name, key, one) for key, one in _named(properties, "outputs").items()}
        if len(sent["inputs"]) > _MOST_INPUTS or len(sent["outputs"]) > _MOST_OUTPUTS:
            raise user_error(f"A job has at most {_MOST_INPUTS} inputs and {_MOST_OUTPUTS} outputs.", "BadArgument")
        sent.setdefault("experimentName", "Default")
        sent.setdefault("environmentVariables", {})
        _check_references(sent)
        return sent

    def _check_compute(self, compute: str | None) -> None:
        if compute is None:
            raise unsupported("jobs without a compute target (serverless compute)")
        reference = self._workspace.parse(compute)
        if reference is None or reference.kind != "computes" or reference.name.lower() not in self._computes:
            target = compute.rsplit("/", 1)[-1]
            if target == "serverless":
                raise unsupported("serverless compute")
            raise user_error(f"Unknown compute target '{target}'.", "BadArgument", "UnknownTargetType")

    def _check_environment(self, environment: Any) -> None:
        if isinstance(environment, str) and _FOREIGN_ENVIRONMENT.fullmatch(environment):
            return  # the service resolves these; nothing is built here, whatever the environment
        reference = self._workspace.parse(str(environment))
        if reference is None or reference.kind != "environments" or reference.version is None:
            raise user_error(
                f"environmentId {environment!r} is no environment version of this workspace.", "BadArgument"
            )
        if not self._catalog.has(reference):
            raise user_error(
                f"No environment exists for name: {reference.name}, version: {reference.version}",
                "NotFound",
                "EnvironmentNotFound",
            )

    def _check_code(self, code: str | None) -> None:
        if code is None:
            return
        reference = self._workspace.parse(code)
        if (
            reference is None
            or reference.kind != "codes"
            or reference.version is None
            or not self._catalog.has(reference)
        ):
            raise user_error(f"No code asset exists with id: {code}", "NotFound", "CodeNotFound")

    def _check_identity(self, identity: dict[str, Any] | None) -> None:
        if identity is None:
            return
        kind = identity.get("identityType")
        if kind != "Managed":
            raise unsupported(f"jobs with identityType {kind} (only the compute's managed identity)")
        named = {str(value).lower() for key in ("clientId", "objectId") if (value := identity.get(key))}
        if identity.get("resourceId") or named - {self._job_identity.lower()}:
            raise user_error(
                f"The managed identity is not assigned to the compute; its client id is {self._job_identity}.",
                "BadArgument",
            )

    def _input(self, name: str, given: Any) -> dict[str, Any]:
        kind = given.get("jobInputType") if isinstance(given, dict) else None
        if kind == "literal":
            return {"jobInputType": "literal", "value": str(given.get("value"))}
        if kind not in ("uri_folder", "uri_file"):
            raise unsupported(f"inputs of type {kind} (input {name})")
        mode = given.get("mode") or "ReadOnlyMount"
        if mode not in _INPUT_MODES:
            raise unsupported(f"input mode {mode} (input {name})")
        uri = str(given.get("uri"))
        if mode != "Direct":
            self._check_uri(f"input {name}", uri)
        return _without_nulls({**given, "mode": mode, "uri": uri})

    def _check_uri(self, what: str, uri: str) -> None:
        scheme = uri.partition("://")[0].lower()
        if scheme in _OTHER_SCHEMES:
            raise unsupported(f"{scheme}:// data ({what})")
        try:
            self._catalog.input(uri)
        except UriError as problem:
            raise user_error(f"{what}: {problem}", "BadArgument", "ArgumentInvalid") from problem

    def _output(self, job: str, name: str, given: Any) -> dict[str, Any]:
        kind = given.get("jobOutputType") if isinstance(given, dict) else None
        if kind != "uri_folder":
            raise unsupported(f"outputs of type {kind} (output {name})")
        mode = given.get("mode") or "ReadWriteMount"
        if mode not in _OUTPUT_MODES:
            raise unsupported(f"output mode {mode} (output {name})")
        if given.get("assetName"):
            raise unsupported(f"outputs that register themselves as data assets (output {name})")
        uri = given.get("uri") or f"azureml://datastores/{DEFAULT_DATASTORE}/paths/azureml/{job}/{name}/"
        try:
            self._catalog.output(uri)
        except UriError as problem:
            raise user_error(f"output {name}: {problem}", "BadArgument", "ArgumentInvalid") from problem
        return _without_nulls({**given, "mode": mode, "uri": uri})


def changed(before: dict[str, Any], after: dict[str, Any]) -> ArmError | None:
    """Return the refusal of a second PUT whose immutable part differs from the first."""
    if before == after:
        return None
    different = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return user_error(
        "A job with this name already exists. If you are trying to create a new job, use a different name. If you are "
        "trying to update an existing job, the existing job's Command cannot be changed. Only description, tags, "
        f"displayName, properties, and isArchived can be updated. (Different here: {', '.join(different)}.)",
        "Immutable",
        "JobPropertyImmutable",
    )


def substitute(command: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    """Return ``command`` with each ``${{inputs.x}}`` and ``${{outputs.y}}`` replaced by its text.

    A part in ``$[[`` and ``]]`` is left out if an input in it is not among ``inputs``.
    """
    values = {"inputs": inputs, "outputs": outputs}
    return _REFERENCE.sub(lambda match: values[match[1]][match[2]], _without_absent(command, inputs))


def _without_absent(command: str, inputs: Iterable[str]) -> str:
    def part(match: re.Match[str]) -> str:
        named = {one[2] for one in _REFERENCE.finditer(match[1]) if one[1] == "inputs"}
        return match[1] if named <= set(inputs) else ""

    return _OPTIONAL.sub(part, command)


def _check_kind(properties: dict[str, Any]) -> None:
    kind = properties.get("jobType")
    if kind != "Command":
        raise (
            unsupported(f"jobs of type {kind} (only command jobs)")
            if kind
            else user_error("properties.jobType is missing.")
        )
    if strange := sorted(set(properties) - _KNOWN):
        raise user_error(f"A command job has no property {strange[0]!r}.", "BadArgument")
    for feature in _NEVER:
        if properties.get(feature):
            raise unsupported(f"the job property {feature}")
    if (properties.get("resources") or {}).get("instanceCount") not in (None, 1):
        raise unsupported("jobs on more than one instance (resources.instanceCount)")


def check_texts(properties: dict[str, Any]) -> None:
    """Check the command, and all that is a mapping of texts or a duration; raises 400."""
    command = properties.get("command")
    if not isinstance(command, str) or not command.strip():
        raise user_error("The command of a command job cannot be empty.", "BadArgument")
    for field in ("tags", "properties", "environmentVariables"):
        pairs = _mapping(properties, field)
        if any(not isinstance(value, str) for value in pairs.values()):
            raise user_error(f"The values of {field} are texts.", "BadArgument")
        if field != "environmentVariables":
            _check_sizes(field, pairs)
    experiment = properties.get("experimentName")
    if experiment is not None:
        check_asset_name(str(experiment), "experiment")
    for what, text in (
        ("limits.timeout", _mapping(properties, "limits").get("timeout")),
        (f"tag {rules.DURATION_TAG}", _mapping(properties, "tags").get(rules.DURATION_TAG)),
    ):
        _check_duration(what, text)


def _check_sizes(field: str, pairs: dict[str, str]) -> None:
    if len(pairs) > _MOST_TAGS:
        raise user_error(f"A job has at most {_MOST_TAGS} {field}; this one has {len(pairs)}.", "BadArgument")
    for key, value in pairs.items():
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise user_error(
                f"{field}: {key[:50]!r} is too long; keys have {_LONGEST_KEY} and values {_LONGEST_VALUE} characters."
            )


def _check_duration(what: str, text: Any) -> None:
    if text is None:
        return
    try:
        rules.parse_duration(str(text))
    except ValueError as problem:
        raise user_error(f"{what}: {problem}", "BadArgument", "ArgumentInvalid") from problem


def _check_references(sent: dict[str, Any]) -> None:
    for match in _REFERENCE.finditer(_without_absent(sent["command"], sent["inputs"])):
        if match[1] not in ("inputs", "outputs"):
            raise unsupported(f"the expression {match[0]} in a command")
        if match[2] not in sent[match[1]]:
            kind = match[1].removesuffix("s")
            raise user_error(
                f"The command refers to {match[0]}, but the job defines no {kind} of that name.",
                "BadArgument",
                "ArgumentInvalid",
            )


def _named(properties: dict[str, Any], collection: str) -> dict[str, Any]:
    """Return inputs or outputs by their names, which become names of folders and of environment variables."""
    named = _mapping(properties, collection)
    for name in named:
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", name) is None:
            raise user_error(
                f"The name {name!r} in {collection} is not valid: use letters, digits and '_'.", "BadArgument"
            )
    return named


def _mapping(properties: dict[str, Any], key: str) -> dict[str, Any]:
    value = properties.get(key) or {}
    if not isinstance(value, dict):
        raise user_error(f"{key} must be an object.", "BadArgument")
    return value


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    """Drop what is null at any depth: clients differ in whether they send it."""
    return {
        key: _without_nulls(one) if isinstance(one, dict) else one for key, one in values.items() if one is not None
    }
