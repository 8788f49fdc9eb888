"""The endpoint that gives a Function App its tokens: ``GET /msi/token`` with ``X-IDENTITY-HEADER``.

Source: How to use managed identities for App Service and Azure Functions, REST endpoint reference, 2019-08-01.
"""

from __future__ import annotations

from aiohttp import web

from localcloud.clock import Clock
from localcloud.http import Surroundings, announce, application, error
from localcloud.identity import errors
from localcloud.identity.rules import Identity

API_VERSION = "2019-08-01"
#: Seconds a token is valid, as Entra gives managed identities.
LIFETIME = 24 * 3600


def make(identity: Identity, surroundings: Surroundings) -> web.Application:
    """Return the application that serves the token endpoint."""
    app = application("identity", surroundings, errors.answer)
    endpoint = _Endpoint(identity, surroundings.clock)
    app.router.add_get("/msi/token", endpoint.token)
    return app


class _Endpoint:
    def __init__(self, identity: Identity, clock: Clock) -> None:
        self._identity = identity
        self._clock = clock

    async def token(self, request: web.Request) -> web.Response:
        """Give a token to the principal whose secret header the request carries."""
        who = self._identity.of_header(request.headers.get("X-IDENTITY-HEADER", ""))
        if who is None:
            return error(request, 401, "Unauthorized", "X-IDENTITY-HEADER is missing or names no identity.")
        await announce(request, "GetToken", request.query.get("resource", ""), who.name)
        if request.query.get("api-version") != API_VERSION:
            return error(request, 400, "BadRequest", f"api-version must be {API_VERSION}.")
        resource = request.query.get("resource")
        if not resource:
            return error(request, 400, "BadRequest", "resource is missing: the audience of the token.")
        wanted = request.query.get("client_id") or request.query.get("principal_id") or request.query.get("object_id")
        if wanted not in (None, who.oid) or "mi_res_id" in request.query:
            return error(
                request,
                400,
                "BadRequest",
                "No User Assigned Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            )
        body = {
            "access_token": self._identity.token(who.name, resource, LIFETIME),
            "expires_on": str(int(self._clock.time()) + LIFETIME),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": who.oid,
        }
        return web.json_response(body)
