"""The API described by itself: OpenAPI 3.1, made of the same pydantic models that requests and answers have."""

from __future__ import annotations

from functools import cache
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from slipway.names import BACKFILL_PATTERN
from triggers.api import Reasoned, answer
from triggers.operations import OPERATIONS, Operation
from triggers.shapes.base import ProblemDocument

bp = df.Blueprint()

_MODEL = "[a-z](-?[a-z0-9])*"
_PERIOD = "[0-9]{4}-([0-9]{2}-[0-9]{2}(T[0-9]{2}Z)?|W[0-9]{2}|[0-9]{2}|Q[1-4])"
#: What stands in addresses: its words, and its form. Forms keep clients from slips; names are checked by `slipway`.
_PATHS = {
    "key": (
        "An incident's key: `<model>--<period>`, `backfill--<model>--<id>` or `platform--<name>`.",
        f"^({_MODEL}--{_PERIOD}|backfill--{_MODEL}--{BACKFILL_PATTERN}|platform--[a-z0-9-]+)$",
    ),
    "model": ("A model's name.", f"^{_MODEL}$"),
    "period": ("A period of the model's cadence: 2024-01-05, 2024-W05, 2024-01, 2024-Q1.", f"^{_PERIOD}$"),
    "run": ("A run's id.", f"^{_MODEL}--{_PERIOD}--[0-9a-f]{{8}}-[1-9][0-9]{{0,5}}$"),
    "backfill": ("A backfill's id.", f"^{BACKFILL_PATTERN}$"),
}
_PROBLEMS = {
    400: "A name, a filter or the body is malformed.",
    401: "Nobody is signed in.",
    403: "The operator's role is missing.",
    404: "Nothing of this name is known.",
    409: "What is there does not allow the change.",
    412: "It has changed since the ETag that If-Match names.",
    413: "The body is too large.",
    415: "A change is sent as application/json.",
    422: "The Idempotency-Key belongs to another request.",
    500: "A fault of Slipway's own that nobody foresaw.",
    503: "A service did not answer as it should, or nobody vouches for principals.",
}
#: What the platform's authentication may answer by itself, in a form of its own.
PLATFORMS = 401
_FOR_CHANGES = (403, 409, 413, 415, 422)
_FOR_OPERATORS = 403
_CONDITIONAL = 412


_PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}}


@bp.function_name("get_openapi")
@bp.route("api/openapi.json", methods=["GET"], trigger_arg_name="request")
async def get_openapi(request: func.HttpRequest) -> func.HttpResponse:
    """The description of this API; it says nothing of who uses it, so it needs no principal."""
    del request
    return answer(document())


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of all operations."""
    shapes: set[type[BaseModel]] = {ProblemDocument}
    for operation in OPERATIONS:
        shapes |= {shape for shape in (operation.body, operation.answer) if shape is not None}
    kinds = [(shape, "serialization" if shape is not Reasoned else "validation") for shape in sorted(shapes, key=str)]
    _, schema = models_json_schema(kinds, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(f"/api/{operation.path}", {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Slipway",
            "version": "0.1",
            "description": "Reading needs a signed-in principal; changes need the app role Slipway.Operator.",
        },
        "paths": paths,
        "components": {
            "schemas": schema["$defs"],
            "securitySchemes": {"principal": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"principal": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    changes = operation.body is not None
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATHS[name][0],
            "schema": {"type": "string", "pattern": _PATHS[name][1]},
        }
        for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "description": words, "schema": kind}
        for name, (words, kind) in operation.query.items()
    ]
    if changes:
        key = {"type": "string", "minLength": 1, "maxLength": 200}
        words = "The same key and words read the same answer back."
        parameters.append({"name": "Idempotency-Key", "in": "header", "description": words, "schema": key})
    if operation.conditional:
        words = "The ETag that was read: refused, 412, if it has changed since."
        parameters.append({"name": "If-Match", "in": "header", "description": words, "schema": {"type": "string"}})
    if operation.anonymous:
        answered = {"content": {"application/json": {"schema": _ref(operation.answer)}}}
        responses = {str(status): {"description": words, **answered} for status, words in ((200, "Yes."), (503, "No."))}
        about = {"operationId": operation.name, "summary": operation.summary, "parameters": parameters}
        return {**about, "security": [], "responses": responses}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            str(operation.status): {
                "description": operation.summary,
                "content": {"application/json": {"schema": _ref(operation.answer)}},
            },
            **{
                str(status): {"description": words, **({} if status == PLATFORMS else _PROBLEM)}
                for status, words in _PROBLEMS.items()
                if (changes or status not in _FOR_CHANGES or (operation.operators and status == _FOR_OPERATORS))
                and (operation.conditional or status != _CONDITIONAL)
            },
        },
    }
    if operation.body is not None:
        content = {"application/json": {"schema": _ref(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _ref(shape: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}
