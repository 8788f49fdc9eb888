"""The API's description of itself: every address of the app, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re

import azure.functions as func
import pytest
from hypothesis import given

from function_app import TRIGGERS
from slipway.run import RunId
from slipway.subject import Subject
from tests.unit.test_run import runs
from tests.unit.test_subject import subjects
from triggers.api import HANDLERS
from triggers.openapi import document
from triggers.operations import OPERATIONS, Operation


def routes() -> set[tuple[str, str, str]]:
    """Name, method and path of every HTTP function of the app, but the description itself."""
    found = set()
    for module in TRIGGERS:
        for builder in module.bp._function_builders:  # the SDK has no public list of a blueprint's functions
            function = builder._function
            binding = function.get_trigger().get_dict_repr()
            if (
                str(binding["type"]) == "httpTrigger"
                and binding["route"].startswith("api/")
                and binding["route"] != "api/openapi.json"
            ):
                found |= {
                    (function.get_function_name(), method.value, binding["route"].removeprefix("api/"))
                    for method in binding["methods"]
                }
    return found


def test_it_describes_the_app_s_addresses_and_no_others() -> None:
    """An address enters with its function, and leaves with it."""
    assert {(one.name, one.method, one.path) for one in OPERATIONS} == routes()


def test_every_reference_is_there_and_every_change_needs_a_reason() -> None:
    """So that generated clients compile, and nobody changes anything without saying why."""
    described = document()
    schemas, text = described["components"]["schemas"], json.dumps(described)
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= set(schemas)
    for operations in described["paths"].values():
        if post := operations.get("post"):
            body = post["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert "reason" in schemas[body]["required"]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if not one.anonymous], ids=lambda one: one.name)
def test_a_parameter_that_it_does_not_describe_is_refused(operation: Operation) -> None:
    """A slip in a filter's name would filter nothing; the refusal names those that there are."""
    request = func.HttpRequest(operation.method, "/", params={"statuss": "open"}, body=b"")
    refused = asyncio.run(HANDLERS[operation.name](request))
    assert refused.status_code == 400
    words = (
        f"none of {', '.join(operation.query)}." if operation.query else "not known; this address takes no parameters."
    )
    assert json.loads(refused.get_body())["detail"] == f"'statuss' is {words}"


@given(runs, subjects)
def test_every_name_that_is_known_has_the_form_that_is_described(run: RunId, subject: Subject) -> None:
    """A client that checks an address before it asks must never be kept from one that is right."""
    patterns = {
        parameter["name"]: parameter["schema"]["pattern"]
        for operations in document()["paths"].values()
        for operation in operations.values()
        for parameter in operation["parameters"]
        if parameter["in"] == "path"
    }
    names = {"run": run.text, "model": run.model, "period": str(run.period), "key": subject.key}
    for name, text in names.items():
        assert re.search(patterns[name], text)
