"""Changes from pages: a form is sent by the browser that shows it, and carried out by the API's own handler.

So a page can do nothing that the API cannot, with the same role, the same reason and the same Idempotency-Key: each
form carries one, so that a second click is no second change.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import azure.durable_functions as df
import azure.functions as func
from pydantic import BaseModel, ValidationError

from triggers.api import HANDLERS, LARGEST_BODY, Problem
from triggers.operations import OPERATIONS, Operation
from triggers.rendering import page, said

bp = df.Blueprint()

CHANGES = {operation.name: operation for operation in OPERATIONS if operation.body}
#: The field that holds the form's Idempotency-Key.
KEY = "idempotency_key"
_PLACE = re.compile(r"{(\w+)}")


@bp.function_name("change_from_page")
@bp.route("dashboard/changes/{operation}", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@page
async def change_from_page(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Carry out what a page's form asks for, then show what it was about. What is refused is shown as a page."""
    from_own_page(request)
    operation = CHANGES.get(request.route_params["operation"])
    if operation is None:
        raise Problem(404, "Unknown change", "No page of this app asks for that.")
    fields = _fields(request)
    handler = HANDLERS[operation.name]
    bindings = {"client": client} if "client" in inspect.signature(handler).parameters else {}
    answer = await handler(_as_api(request, operation, fields), **bindings)
    told = json.loads(answer.get_body())
    back = where(operation, {**fields, **told} if answer.status_code < 400 else fields)
    if answer.status_code >= 400:
        problem = Problem(answer.status_code, told["title"], told["detail"], errors=told.get("errors", []))
        return said(problem, back)
    return func.HttpResponse(status_code=303, headers={"Location": f"{back}?done={operation.name}"})


def from_own_page(request: func.HttpRequest) -> None:
    """Raise 403 unless the browser says that the form stood on a page of this very origin.

    A browser signs its requests in by itself, so another site's form would be, too. It sets these headers, and no page
    can. Source: Fetch Metadata Request Headers, Sec-Fetch-Site; Fetch, Origin (for browsers without the former).
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    own = site == "same-origin" if site else bool(origin) and urlsplit(origin).netloc == request.headers.get("Host")
    if not own:
        raise Problem(403, "Not from this page", "A change is sent by a form of the dashboard itself, or to the API.")


def where(operation: Operation, known: Mapping[str, Any]) -> str:
    """The page of what a change is about, from the form's fields and the answer."""
    if known.get("backfill"):
        return f"/dashboard/backfills/{quote(str(known['backfill']))}"
    if known.get("run") and (operation.name == "start_run_by_hand" or operation.path.startswith("runs/")):
        return f"/dashboard/runs/{quote(str(known['run']))}"
    if operation.path.startswith("incidents/"):
        return "/dashboard/incidents"
    if not known.get("model"):
        return "/dashboard"
    model = f"/dashboard/models/{quote(str(known['model']))}"
    return f"{model}/periods/{quote(str(known['period']))}" if known.get("period") else model


def _fields(request: func.HttpRequest) -> dict[str, str]:
    """The form's fields; those that were left empty are not there. Raises 400, 413 or 415."""
    content_type = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise Problem(415, "Wrong content type", "A page's form is sent as application/x-www-form-urlencoded.")
    raw = request.get_body()
    if len(raw) > LARGEST_BODY:
        raise Problem(413, "Form too large", f"The form has {len(raw)} bytes; at most {LARGEST_BODY} are read.")
    try:
        found = parse_qs(raw.decode("utf-8"), errors="strict", max_num_fields=50)
    except ValueError as error:
        raise Problem(400, "Malformed form", "The form could not be read.") from error
    if twice := [name for name, values in found.items() if len(values) > 1]:
        raise Problem(400, "Malformed form", f"The field {twice[0][:40]!r} stands twice in the form.")
    return {name: values[0] for name, values in found.items()}


def _as_api(request: func.HttpRequest, operation: Operation, fields: Mapping[str, str]) -> func.HttpRequest:
    """The request to the API that the form stands for."""
    places = _PLACE.findall(operation.path)
    if missing := {*places, KEY} - set(fields):
        raise Problem(400, "Malformed form", f"The form lacks {min(missing)}.")
    assert operation.body is not None, "changes have bodies"
    body = _typed(operation.body, {name: text for name, text in fields.items() if name not in {*places, KEY}})
    principal = {name: text for name, text in request.headers.items() if name.lower().startswith("x-ms-client-")}
    return func.HttpRequest(
        "POST",
        request.url,
        headers={**principal, "Content-Type": "application/json", "Idempotency-Key": fields[KEY]},
        route_params={name: fields[name] for name in places},
        body=json.dumps(body).encode(),
    )


def _typed(shape: type[BaseModel], texts: Mapping[str, str]) -> dict[str, Any]:
    """A form's texts as the body's types. What does not fit stays a text, for the API to say so."""
    try:
        read = shape.model_validate_strings(dict(texts), strict=False)
    except ValidationError:
        return dict(texts)
    typed = read.model_dump(mode="json", by_alias=True)
    return {name: typed[name] for name in texts}
