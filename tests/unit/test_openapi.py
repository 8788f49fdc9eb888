"""The API's description of itself: every address of the app, and nothing else."""

from __future__ import annotations

import json

from function_app import TRIGGERS
from triggers.openapi import document
from triggers.operations import OPERATIONS


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
