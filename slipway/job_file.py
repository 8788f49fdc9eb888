"""`job.yaml`: Azure ML's own command job. Checked here is what Slipway relies on; the rest is Azure ML's to judge.

A run fills in name, experiment, tags, and the addresses of inputs and outputs.
Source: "CLI (v2) command job YAML schema".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from slipway.content import is_released
from slipway.names import PORT_PATTERN, InvalidName, relative_path, shown
from slipway.problems import Finding

#: Azure ML ends a job after at most this time by itself. Source: "Manage and increase quotas", job lifetime.
LONGEST_TIMEOUT = 21 * 24 * 3600

_ENVIRONMENT = re.compile(
    r"(?:azureml:|(?!azureml:))[A-Za-z0-9][A-Za-z0-9_.-]*:[A-Za-z0-9][A-Za-z0-9_.-]*"
    r"|azureml://registries/[A-Za-z0-9_-]+/environments/[A-Za-z0-9_.-]+/versions/[A-Za-z0-9_.-]+"
)
_EXPRESSION = re.compile(r"\$\{\{([^{}]*)\}\}")
_REFERENCE = re.compile(r"\s*(inputs|outputs)\.([A-Za-z_][A-Za-z0-9_]*)\s*")


def check(job: Any, folder: Path, inputs: Collection[str] | None, outputs: Collection[str] | None) -> Iterator[Finding]:
    """What is wrong with a job, as read from job.yaml in `folder`.

    `inputs` and `outputs` are the names that model.yaml declares; None where model.yaml could not be read.
    """
    if not isinstance(job, dict):
        yield Finding((), "job.yaml must be a mapping", "write a command job, such as `az ml job create` takes")
        return
    yield from _frame(job)
    yield from _code(job, folder)
    yield from _environment(job.get("environment"), folder)
    yield from _ports(job, "inputs", inputs)
    yield from _ports(job, "outputs", outputs)
    yield from _references(job)


def _frame(job: dict[str, Any]) -> Iterator[Finding]:
    if job.get("type", "command") != "command":
        yield Finding(("type",), f"a {shown(str(job['type']))} job is not run", "write `type: command`")
    if "name" in job:
        yield Finding(("name",), "a run gives its job the name", "remove it")
    if not isinstance(job.get("command"), str) or not job["command"].strip():
        yield Finding(("command",), "`command` is required and is a text", "add `command: python main.py ...`")
    if not isinstance(job.get("compute"), str) and not isinstance(job.get("resources"), dict):
        yield Finding(
            ("compute",),
            "the job does not say where it runs",
            "add `compute: azureml:<cluster>`, or `resources: {instance_type: ...}` for serverless compute",
        )
    limits = job.get("limits")
    timeout = limits.get("timeout") if isinstance(limits, dict) else None
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= LONGEST_TIMEOUT:
        yield Finding(
            ("limits", "timeout"),
            f"`limits.timeout` is required: 1 to {LONGEST_TIMEOUT} seconds, so that every run has an end",
            "add `limits: {timeout: 3600}`",
        )


def _code(job: dict[str, Any], folder: Path) -> Iterator[Finding]:
    code = job.get("code")
    if code is not None and not _inside(folder, code, Path.is_dir):
        yield Finding(
            ("code",), f"{shown(str(code))} is no released folder of the model", "write `code: ./src`, create it"
        )


def _environment(environment: Any, folder: Path) -> Iterator[Finding]:
    if isinstance(environment, str):
        if not _ENVIRONMENT.fullmatch(environment):
            yield Finding(
                ("environment",),
                f"{shown(environment)} is no environment with a version; a run must not follow a moving one",
                "write `azureml:<name>:<version>`, or describe it with image and conda_file",
            )
        return
    if not isinstance(environment, dict) or not ("image" in environment or "build" in environment):
        yield Finding(
            ("environment",),
            "`environment` is required",
            "write `azureml:<name>:<version>`, or `{image: ..., conda_file: conda.yaml}`",
        )
        return
    yield from _environment_files(environment, folder)


def _environment_files(environment: dict[str, Any], folder: Path) -> Iterator[Finding]:
    image, conda, build = (environment.get(field) for field in ("image", "conda_file", "build"))
    if "image" in environment and (not isinstance(image, str) or not image):
        yield Finding(("environment", "image"), "an image is a text", "write its registry, name and tag or digest")
    if isinstance(conda, str) and not _inside(folder, conda, Path.is_file):
        yield Finding(("environment", "conda_file"), f"{shown(conda)} is no released file of the model", "create it")
    elif conda is not None and not isinstance(conda, str | dict):
        yield Finding(("environment", "conda_file"), "conda_file is a file's name or its content", "write one of them")
    if build is not None:
        path = build.get("path") if isinstance(build, dict) else None
        if not _inside(folder, path, Path.is_dir):
            yield Finding(("environment", "build"), "build needs a `path`, a released folder", "write {path: docker}")


def _ports(job: dict[str, Any], kind: str, declared: Collection[str] | None) -> Iterator[Finding]:
    ports = job.get(kind, {})
    if not isinstance(ports, dict):
        yield Finding((kind,), f"`{kind}` must be a mapping", f"write the same names as model.yaml has under {kind}")
        return
    known = set(ports) if declared is None else set(declared)
    for name in sorted(known - set(ports)):
        yield Finding((kind,), f"model.yaml has the {kind[:-1]} `{name}`, job.yaml has not", f"add it to `{kind}`")
    for name, port in ports.items():
        if kind == "inputs" and not isinstance(port, dict) and (declared is None or name not in declared):
            yield from _literal(name, port)
        elif name not in known:
            remedy = "declare it in model.yaml too" + (", or give it a plain value" if kind == "inputs" else "")
            yield Finding((kind, name), f"the {kind[:-1]} {shown(name)} is not in model.yaml", remedy)
        elif not isinstance(port, dict) or port.get("type") != "uri_folder":
            yield Finding((kind, name), f"`{name}` must be a folder", "write {type: uri_folder}")


def _literal(name: str, value: Any) -> Iterator[Finding]:
    if value is None or isinstance(value, list):
        yield Finding(("inputs", name), f"`{name}` is neither a folder nor a plain value", "write a text or a number")
    if not re.fullmatch(PORT_PATTERN, name, re.ASCII):
        yield Finding(("inputs", name), f"{shown(name)} is no name of an input", f"it must match {PORT_PATTERN}")


def _references(job: dict[str, Any]) -> Iterator[Finding]:
    command = job.get("command")
    for expression in _EXPRESSION.findall(command if isinstance(command, str) else ""):
        reference = _REFERENCE.fullmatch(expression)
        ports = job.get(reference[1]) if reference else None
        if reference is None or not isinstance(ports, dict) or reference[2] not in ports:
            yield Finding(
                ("command",),
                f"the command names {shown('${{' + expression + '}}')}, which the job does not have",
                "write ${{inputs.<name>}} or ${{outputs.<name>}} of a name listed below",
            )


def _inside(folder: Path, name: Any, is_kind: Any) -> bool:
    """Whether `name` is a released path of the folder and of this kind; `.` is the folder itself."""
    if not isinstance(name, str) or name.startswith("/"):
        return False
    plain = name.removeprefix("./").rstrip("/")
    if plain in ("", "."):
        return bool(is_kind(folder))
    try:
        return is_released(relative_path(plain)) and bool(is_kind(folder / plain))
    except InvalidName:
        return False
