"""What the workspace answers when it refuses, in the shape of Azure Resource Manager.

Source: REST reference, Azure Machine Learning, ErrorResponse; the service's ``additionalInfo`` as recorded by the SDK's
own tests.
"""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web


class ArmError(Exception):
    """A request that is refused.

    ``inner`` is the chain of inner codes from the outside in, e.g. ``("Immutable", "JobPropertyImmutable")``.
    """

    def __init__(self, status: int, code: str, message: str, inner: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.inner = status, code, message, inner


def user_error(message: str, *inner: str) -> ArmError:
    """Refuse what the caller sent: 400 ``UserError``."""
    return ArmError(400, "UserError", message, inner)


def not_found(kind: str, name: str) -> ArmError:
    """Say that ``kind`` (e.g. ``Job``) has no ``name``: 404 ``UserError`` as the service words it."""
    return ArmError(
        404, "UserError", f"{kind} {name} not found in this workspace.", ("NotFoundError", f"{kind}NotFound")
    )


def unsupported(feature: str) -> ArmError:
    """Refuse by name what this stand-in does not do: 501."""
    message = f"localcloud does not support {feature}; docs/reference/localcloud.md lists what it does."
    return ArmError(501, "NotImplemented", message)


def answer(request: web.Request, status: int, code: str, message: str, inner: tuple[str, ...] = ()) -> web.Response:  # noqa: ARG001
    """Make the answer to a refused request."""
    return web.json_response({"error": body(code, message, inner)}, status=status)


def body(code: str, message: str, inner: tuple[str, ...] = ()) -> dict[str, Any]:
    """Make the ``error`` object: code, message and where it came from."""
    correlation = {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]}
    information = [
        {"type": "ComponentName", "info": {"value": "managementfrontend"}},
        {"type": "Correlation", "info": {"value": correlation}},
    ]
    if inner:
        information.append({"type": "InnerError", "info": {"value": _nested(inner)}})
    return {"code": code, "message": message, "details": [], "additionalInfo": information}


def _nested(codes: tuple[str, ...]) -> dict[str, Any] | None:
    if not codes:
        return None
    return {"code": codes[0], "innerError": _nested(codes[1:])}
