"""Pages of a list: how many, from where on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

import azure.functions as func

from triggers.api import Problem

Item = TypeVar("Item")

#: How many entries a page has unless told, and at most.
USUAL, MOST = 50, 500


def limit(request: func.HttpRequest) -> int:
    """The page's length that the query asks for. Raises 400 for one that is none."""
    text = request.params.get("limit", str(USUAL))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST):
        raise Problem(400, "Malformed limit", f"limit is a number from 1 to {MOST}.")
    return int(text)


def cursor(request: func.HttpRequest) -> str | None:
    """Where the page begins, as the page before has said. Raises 400 for anything else."""
    text = request.params.get("cursor")
    if text is None:
        return None
    try:
        return base64.b64decode(text.encode("ascii"), b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Problem(400, "Malformed cursor", "The cursor is not one that a page has named.") from error


def as_cursor(text: str | None) -> str | None:
    """A place in a list, as clients send it back."""
    return None if text is None else base64.urlsafe_b64encode(text.encode()).decode()


def cut(items: Sequence[Item], count: int, place: str | None) -> tuple[Sequence[Item], str | None]:
    """The items from the place on, which is a number, and the cursor of what follows."""
    if place is not None and not (place.isascii() and place.isdecimal()):
        raise Problem(400, "Malformed cursor", "The cursor is not one that a page has named.")
    begin = int(place or 0)
    end = begin + count
    return items[begin:end], as_cursor(str(end)) if end < len(items) else None
