"""What the HTTP triggers share: who asks, what is asked, and problems as RFC 9457 says them.

Who asks is told by the platform's built-in authentication, in headers that no client can set: the front end strips
them. Source: App Service authentication, "Work with user identities", X-MS-CLIENT-PRINCIPAL.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import gzip
import json
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import azure.functions as func
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from slipway.azure.failures import failure_of
from slipway.failure import redact
from slipway.names import InvalidName, shown
from slipway.period import PeriodError
from slipway.settings import settings

#: The app role that may change things; reading asks for any signed-in principal.
OPERATOR = "Slipway.Operator"
#: The largest body a request may have, in bytes: a reason and a few names.
LARGEST_BODY = 16_384
#: An answer below this many bytes is sent as it is: it fills a packet or two either way.
LEAST_PACKED = 2000
#: An answer of up to so many characters is set out for people who read it as it comes; setting out is slow.
SET_OUT = 50_000
#: What an Accept-Encoding header says of gzip, unless it says never (RFC 9110, section 12.4.2).
_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)

#: Claims that name a caller, the best first: a person, an application, and what is signed in as an object of Entra ID.
#: Source: Access token claims reference (`name`, `preferred_username`, `azp`, `appid`, `oid`).
_OF_PEOPLE = ("name", "preferred_username")
_OF_APPLICATIONS = ("azp", "appid", "http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")

log = logging.getLogger("slipway")

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[..., Awaitable[func.HttpResponse]]
#: The handlers of the API by the names of their functions: pages carry changes out by them.
HANDLERS: dict[str, Handler] = {}


class Problem(Exception):
    """An answer that is none of the good ones. `facts` are further members of the problem document."""

    def __init__(self, status: int, title: str, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.facts = status, title, detail, facts


class Reasoned(BaseModel):
    """The body of every change: why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"),
    ]


@dataclass(frozen=True)
class Principal:
    """Who asks: a name to show and record, and the app roles held."""

    name: str
    roles: frozenset[str]


def endpoint(*query: str) -> Callable[[Handler], Handler]:
    """Answer what the handler raises: a problem as it is, bad names as 400, a service's failure as 503, a bug as 500.

    `query` are the parameters it takes. Others are refused: a filter with a slip in its name would filter nothing.
    """

    def made(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def answered(request: func.HttpRequest, **bindings: Any) -> func.HttpResponse:
            try:
                check_query(request, query)
                return await packed(request, await handler(request, **bindings))
            except Problem as problem:
                return _answer(problem)
            except (InvalidName, PeriodError) as error:
                return _answer(Problem(400, "Malformed name", str(error)))
            except Exception as error:
                return _answer(problem_of(error))

        HANDLERS[handler.__name__] = answered
        return answered

    return made


def problem_of(error: Exception) -> Problem:
    """What people are told of an exception: a service's failure as it is, and of a bug nothing but that it is one."""
    try:
        failure = failure_of(error)
    except Exception:
        log.exception("unforeseen", extra={"action": "unforeseen"})
        return Problem(500, "An unforeseen fault", "It is Slipway's own; the app's log has it (action unforeseen).")
    return Problem(503, "A service did not answer as it should", str(failure), code=failure.code)


def check_query(request: func.HttpRequest, known: Collection[str]) -> None:
    """Refuse with 400 what stands in the query and is none of the parameters that are known here."""
    if unknown := set(request.params) - set(known):
        words = f"none of {', '.join(known)}" if known else "not known; this address takes no parameters"
        raise Problem(400, "Unknown parameter", f"{shown(min(unknown))} is {words}.")


def reader(request: func.HttpRequest) -> Principal:
    """Who asks. Raises 401 when nobody is signed in, 503 while no platform vouches for the header."""
    if not settings().platform_auth:
        raise Problem(
            503, "Authentication is off", "Switch the app's authentication on; no header is believed without it."
        )
    header = request.headers.get("X-MS-CLIENT-PRINCIPAL")
    if not header:
        raise Problem(401, "Not signed in", "This address needs a principal; sign in, or send a bearer token.")
    try:
        document = json.loads(base64.b64decode(header))
        claims = [(claim["typ"], claim["val"]) for claim in document["claims"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(401, "Not signed in", "The principal's header is not what the platform sends.") from error
    role_type = document.get("role_typ", "roles")
    return Principal(
        redact(_name(request.headers, claims, document.get("name_typ")))[:120],
        frozenset(value for typ, value in claims if typ in (role_type, "roles")),
    )


def _name(headers: Mapping[str, str], claims: list[tuple[str, str]], name_type: str | None) -> str:
    """The caller's name, else the id: a pipeline signs in as an application, which has no name."""
    people = [value for typ, value in claims if typ in (name_type, *_OF_PEOPLE)]
    applications = [value for wanted in _OF_APPLICATIONS for typ, value in claims if typ == wanted]
    named, known = (headers.get(f"X-MS-CLIENT-PRINCIPAL-{what}") for what in ("NAME", "ID"))
    return next(filter(None, [named, *people, known, *applications]), "unknown")


def looking_operator(request: func.HttpRequest) -> Principal:
    """Who asks to see what only operators see. Raises 403 without the operator's role."""
    principal = reader(request)
    if OPERATOR not in principal.roles:
        raise Problem(403, "Not allowed", f"{principal.name} lacks the app role {OPERATOR}, which this needs.")
    return principal


def operator(request: func.HttpRequest) -> Principal:
    """Who asks for a change. Raises 403 without the operator's role, 415 for what another site's form could send."""
    principal = looking_operator(request)
    content_type = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if content_type != "application/json":
        raise Problem(415, "Wrong content type", "A change is sent as application/json.")
    return principal


def body(request: func.HttpRequest, shape: type[Body], largest: int = LARGEST_BODY) -> Body:
    """The request's body, checked; `largest` in bytes. Raises 400 or 413 with what is wrong and where."""
    raw = request.get_body()
    if len(raw) > largest:
        raise Problem(413, "Body too large", f"The body has {len(raw)} bytes; at most {largest} are read.")
    try:
        document = json.loads(raw, object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "Malformed body", f"The body is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise Problem(400, "Malformed body", "The body is not a JSON object.")
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        errors = [_broken(item) for item in error.errors()[:10]]
        raise Problem(
            400, "Malformed body", "The body does not have the form that is asked for.", errors=errors
        ) from error


def _broken(item: Mapping[str, Any]) -> dict[str, str]:
    """Where a body breaks which rule, from what pydantic tells; rules of the whole stand at `body`."""
    return {"where": ".".join(map(str, item["loc"])) or "body", "rule": item["msg"].removeprefix("Value error, ")}


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members. One that stands twice is refused: which of the two was meant, nobody knows."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Problem(400, "Malformed body", f"The member {shown(twice)} stands twice in the body.")
    return members


def answer(document: Mapping[str, Any], status: int = 200, **headers: str) -> func.HttpResponse:
    """A JSON answer that no browser takes for anything else and no cache keeps."""
    fixed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return func.HttpResponse(
        _json(document),
        status_code=status,
        mimetype="application/json",
        headers={**fixed, **headers},
    )


async def packed(request: func.HttpRequest, response: func.HttpResponse) -> func.HttpResponse:
    """The answer as gzip for who takes that, since the host sends answers as they are: a tenth of the bytes."""
    body = response.get_body()
    if len(body) < LEAST_PACKED or not _TAKES_GZIP.search(request.headers.get("Accept-Encoding", "")):
        return response
    return func.HttpResponse(
        await asyncio.to_thread(gzip.compress, body, compresslevel=6, mtime=0),
        status_code=response.status_code,
        mimetype=response.mimetype,
        charset=response.charset,
        headers={**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
    )


def _json(document: Mapping[str, Any]) -> str:
    short = json.dumps(document, default=_text)
    return short if len(short) > SET_OUT else json.dumps(document, indent=1, default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _answer(problem: Problem) -> func.HttpResponse:
    document = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail}
    return func.HttpResponse(
        _json({**document, **problem.facts}),
        status_code=problem.status,
        mimetype="application/problem+json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
