"""Who may enter, by which address, and what all requests have in common."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiohttp import web

from localcloud.aml import errors
from localcloud.aml.errors import ArmError, user_error
from localcloud.aml.names import PROVIDER, Workspace
from localcloud.http import announce
from localcloud.identity.rules import Caller, Identity, InvalidToken

#: The path of the workspace; Azure ignores the case of its fixed parts.
WORKSPACE = (
    r"/{_subscriptions:(?i:subscriptions)}/{subscription}/{_groups:(?i:resourceGroups)}/{group}/{_providers:(?i:providers)}"
    r"/{_provider:(?i:Microsoft\.MachineLearningServices)}/{_workspaces:(?i:workspaces)}/{workspace}"
)
HISTORY = f"/history/v1.0{WORKSPACE}"
_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net", "https://ml.azure.com")
_LARGEST_BODY = 4 * 2**20

#: Where an admitted request holds its :class:`Caller`.
CALLER = web.RequestKey("caller", Caller)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Lets the principals called ``users`` in."""

    def __init__(self, identity: Identity, users: Collection[str], workspace: Workspace) -> None:
        self._identity = identity
        self._users = users
        self._workspace = workspace

    def opens(self, operation: str, handler: Handler) -> Handler:
        """Return ``handler`` behind the checks of token, principal and workspace, as the fault point ``operation``."""

        async def entered(request: web.Request) -> web.StreamResponse:
            caller = self._caller(request)
            await announce(request, operation, request.match_info.get("name", ""), caller.name)
            self._check_place(request)
            request[CALLER] = caller
            return await handler(request)

        return entered

    def _caller(self, request: web.Request) -> Caller:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ArmError(
                401,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing or no bearer token.",
            )
        try:
            caller = self._identity.verify(token, _AUDIENCES)
        except InvalidToken as problem:
            raise ArmError(401, "InvalidAuthenticationToken", f"The access token is invalid: {problem}.") from problem
        if caller.name not in self._users:
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{caller.name}' with object id '{caller.oid}' does not have authorization to perform "
                f"{request.method} over '{self._workspace.id}'. In localcloud.yaml, aml.users lists who has.",
            )
        return caller

    def _check_place(self, request: web.Request) -> None:
        asked = request.match_info
        if "workspace" in asked and not self._workspace.is_at(
            asked["subscription"], asked["group"], asked["workspace"]
        ):
            raise ArmError(
                404,
                "ResourceNotFound",
                f"The Resource '{PROVIDER}/workspaces/{asked['workspace']}' under resource group "
                f"'{asked['group']}' was not found; the one workspace here is {self._workspace.id}.",
            )


@web.middleware
async def arm_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals in the shape of Azure Resource Manager."""
    try:
        return await handler(request)
    except ArmError as refusal:
        return errors.answer(request, refusal.status, refusal.code, refusal.message, refusal.inner)


async def not_supported(request: web.Request) -> web.StreamResponse:
    """Refuse, by name, every address that no route serves."""
    raise errors.unsupported(f"{request.method} {request.path}")


async def read_properties(request: web.Request) -> dict[str, Any]:
    """Return ``properties`` of a JSON body; raises 400 for anything else."""
    properties = (await read_object(request)).get("properties")
    if not isinstance(properties, dict):
        raise user_error("The request body has no object 'properties'.", "BadArgument")
    return properties


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that is the body; raises 400 or 413."""
    if (request.content_length or 0) > _LARGEST_BODY:
        raise ArmError(413, "RequestEntityTooLarge", f"The request body is larger than {_LARGEST_BODY} bytes.")
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as problem:
        raise ArmError(400, "InvalidRequestContent", f"The request body is not valid JSON: {problem}.") from problem
    if not isinstance(body, dict):
        raise ArmError(400, "InvalidRequestContent", "The request body must be a JSON object.")
    return body


def check_query(request: web.Request, *known: str) -> None:
    """Refuse by name a query parameter that would otherwise be ignored without a word."""
    for parameter in request.query:
        if parameter not in ("api-version", *known):
            raise errors.unsupported(f"the query parameter {parameter!r} of {request.method} {request.path}")


def is_listed(view: str, archived: bool) -> bool:
    """Say whether something ``archived`` or not is in a list of ``listViewType`` ``view``."""
    if view not in ("ActiveOnly", "ArchivedOnly", "All"):
        raise user_error(f"listViewType is ActiveOnly, ArchivedOnly or All, not {view!r}.", "BadArgument")
    return view == "All" or archived == (view == "ArchivedOnly")


def number(request: web.Request, parameter: str, default: int) -> int:
    """Return a query parameter that counts something; raises 400 for what is no number."""
    text = request.query.get(parameter, str(default))
    if not text.isdecimal():
        raise user_error(f"{parameter} is a number, not {text!r}.", "BadArgument")
    return int(text)
