"""Why the engine does not do what a client asks, each with the HTTP status the extension answers."""

from __future__ import annotations


class DurableError(Exception):
    """Base of what the API answers with a body: ``status`` is the HTTP status, ``kind`` the .NET type named.

    ``message`` says what kind of trouble it is; the exception's own text says which.
    """

    message = "Something went wrong while processing your request"
    status = 500
    kind = "System.InvalidOperationException"


class BadRequestError(DurableError):
    """The call itself is wrong: unknown function, an id that is no id."""

    message = "One or more of the arguments submitted is incorrect"
    status = 400
    kind = "System.ArgumentException"


class NothingToRestartError(BadRequestError):
    """There is no instance of the id that is to be restarted."""

    message = "InstanceId does not match a valid orchestration instance."


class InvalidJsonError(BadRequestError):
    """The body is no JSON."""

    message = "Invalid JSON content"
    kind = "Newtonsoft.Json.JsonReaderException"


class InstanceExistsError(DurableError):
    """An instance of this id is not finished yet and may not be replaced."""


class WrongStateError(DurableError):
    """The instance cannot be suspended, resumed or rewound in its present state."""


class NotFoundError(DurableError):
    """There is no instance of this id."""

    status = 404


class GoneError(DurableError):
    """The instance is finished: nothing can reach it any more."""

    status = 410
