"""Event Grid over HTTP: topics that take events, and the address that completes a webhook's validation by hand.

Source: Event Grid data plane REST reference, Publish events; Receive events to an HTTP endpoint.
"""

from __future__ import annotations

import json

from aiohttp import web

from localcloud.database import Database
from localcloud.eventgrid import errors, schemas
from localcloud.eventgrid.rules import Events
from localcloud.http import Surroundings, announce, application, at_most, error, refuse
from localcloud.identity.rules import Identity, InvalidToken

AUDIENCE = "https://eventgrid.azure.net"
#: Bytes of one request.
LARGEST = 1024 * 1024


def make(events: Events, identity: Identity, database: Database, surroundings: Surroundings) -> web.Application:
    """Return the application that serves ``/topics/NAME/api/events``."""
    app = application("eventgrid", surroundings, errors.answer)
    topics = _Topics(events, identity, database)
    app.router.add_post("/topics/{topic}/api/events", topics.publish)
    app.router.add_get("/validate/{subscription}/{code}", topics.validate)
    app.router.add_route("*", r"/{anything:[\s\S]*}", _not_supported)
    return app


async def _not_supported(request: web.Request) -> web.Response:
    return refuse(
        request, f"{request.method} {request.path} (topics and subscriptions are declared in localcloud.yaml)"
    )


class _Topics:
    def __init__(self, events: Events, identity: Identity, database: Database) -> None:
        self._events = events
        self._identity = identity
        self._database = database

    async def publish(self, request: web.Request) -> web.Response:
        """Take events for one topic: all of them or none."""
        topic = request.match_info["topic"]
        feature = _unsupported(request)
        if feature:
            return refuse(request, feature)
        try:
            caller = self._identity.verify(_bearer(request), [AUDIENCE])
        except InvalidToken as problem:
            return error(request, 401, "Unauthorized", f"The request authorization is not valid: {problem}.")
        await announce(request, "PublishEvents", topic, caller.name)
        if topic not in self._events.topics:
            return error(request, 404, "ResourceNotFound", f"There is no topic {topic!r}.")
        text = await request.read()
        if len(text) > LARGEST:
            return error(request, 413, "RequestEntityTooLarge", f"A request holds at most {LARGEST} bytes.")
        try:
            published = _parsed(text, request.content_type, self._events.resource_ids[topic])
        except ValueError as problem:
            return error(request, 400, "BadRequest", str(problem))
        with self._database.transaction():
            for event in published[: at_most(request, len(published))]:
                self._events.emit(topic, event)
        return web.Response()

    async def validate(self, request: web.Request) -> web.Response:
        """Complete the validation of a webhook whose owner opens this address."""
        subscription, code = request.match_info["subscription"], request.match_info["code"]
        await announce(request, "ValidateWebhook", subscription)
        if not self._events.store.validated(subscription, code):
            return error(request, 404, "ResourceNotFound", "There is no such validation to complete.")
        self._events.wake(subscription)
        return web.Response(text=f'"Webhook successfully validated as a subscription endpoint: {subscription}"')


def _unsupported(request: web.Request) -> str | None:
    if "aeg-sas-key" in request.headers:
        return "access keys of topics (aeg-sas-key): use a token credential"
    if "aeg-sas-token" in request.headers:
        return "shared access signatures of topics (aeg-sas-token): use a token credential"
    if "aeg-channel-name" in request.headers:
        return "channels of partner namespaces (aeg-channel-name)"
    if "ce-specversion" in request.headers:
        return "CloudEvents in binary content mode"
    return None


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken("there is no bearer token")
    return token


def _parsed(text: bytes, content_type: str, topic: str) -> list[schemas.Event]:
    """Read the events of a request; raises ValueError with the reason."""
    try:
        document = json.loads(text)
    except ValueError as problem:
        raise ValueError(f"The body is not JSON: {problem}") from problem
    if content_type == "application/cloudevents+json":
        document = [document]
    if not isinstance(document, list):
        raise ValueError("The body is not an array of events.")
    for index, event in enumerate(document):
        problem = schemas.missing(event, topic)
        if problem:
            raise ValueError(f"Event {index}: {problem}.")
    return document
