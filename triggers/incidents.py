"""One incident over HTTP, whatever it is about: all that people are told of it, and who is on it."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.send_incident import shown
from slipway.azure.lake import lake
from slipway.names import InvalidName
from slipway.settings import settings
from slipway.subject import Subject
from triggers.api import Problem, Reasoned, answer, body, endpoint, operator, reader
from triggers.commands import acknowledge
from triggers.requests import cause_of, idempotency_key

bp = df.Blueprint()


@bp.function_name("get_incident")
@bp.route("api/incidents/{key}", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_incident(request: func.HttpRequest) -> func.HttpResponse:
    """An incident, open or resolved, with the commands that help and where to read on."""
    reader(request)
    about = subject_of(request)
    return answer(await asyncio.to_thread(incident_of, about))


@bp.function_name("acknowledge_by_key")
@bp.route("api/incidents/{key}/acknowledge", methods=["POST"], trigger_arg_name="request")
@endpoint()
async def acknowledge_by_key(request: func.HttpRequest) -> func.HttpResponse:
    """Note who is on an open incident, whatever it is about, and tell its receivers. 409 where none is open."""
    cause = cause_of("acknowledge", operator(request), body(request, Reasoned), idempotency_key(request))
    about = subject_of(request)
    done = await asyncio.to_thread(acknowledge, about, cause)
    return answer({**done, "links": {"self": f"{settings().public_url or ''}/api/incidents/{about.key}"}})


def subject_of(request: func.HttpRequest) -> Subject:
    """The subject that the address names by its key. Raises 404 for what can be no key."""
    try:
        return Subject.parse(request.route_params["key"])
    except InvalidName as error:
        raise Problem(404, "Unknown incident", str(error)) from error


def incident_of(about: Subject) -> dict[str, Any]:
    """All that people are told of the incident of a subject, open or resolved. Raises 404 where there never was one."""
    incident = lake().incident(about)
    if incident is None:
        raise Problem(404, "Unknown incident", f"There was never an incident of {about}.")
    return shown(incident).to_document()
