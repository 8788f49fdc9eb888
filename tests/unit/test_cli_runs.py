"""Searching attempts: page by page, up to a limit; and as a table."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from slipway import clock
from slipway.cli.client import Client
from slipway.cli.runs import gathered, rendered, time
from tests.unit.printed import printed
from triggers.shapes.runs import AttemptRow


def attempt(number: int, **more: Any) -> dict[str, Any]:
    """An attempt that began in minute `number`."""
    row = {
        "run": f"shop--2024-03-01--84b477cc-{number}",
        "attempt": 1,
        "model": "shop",
        "period": "2024-03-01",
        "state": "succeeded",
        "cause": "data",
        "by": "slipway",
        "reason": "",
        "version": "0123456789ab",
        "began_at": f"2024-03-02T06:{number:02}:00Z",
        "ended_at": f"2024-03-02T06:{number:02}:30Z",
        "code": None,
        **more,
    }
    AttemptRow.model_validate(row)
    return row


class Pages:
    """An API with these pages; a page has no more than it is asked for."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages
        self.limits: list[int] = []

    def get(self, way: str, model: str, limit: int, cursor: str | None) -> dict[str, Any]:
        """The page that a cursor names."""
        number = int(cursor or 0)
        assert (way, model) == ("runs", "shop")
        assert len(self.pages[number]) <= limit
        self.limits.append(limit)
        more = number + 1 < len(self.pages)
        return {"attempts": self.pages[number], "next": str(number + 1) if more else None}


A, B, C = attempt(1), attempt(2), attempt(3)


@pytest.mark.parametrize(
    ("pages", "limit", "found", "more", "limits"),
    [
        ([[A], [], [B, C]], 50, [A, B, C], None, [50, 49, 49]),
        ([[A], [], [B], [C]], 2, [A, B], "3", [2, 1, 1]),
        ([[A, B], [C]], 2, [A, B], "1", [2]),
        ([[A, B]], 2, [A, B], None, [2]),
        ([[A], [], [B, C]], None, [A, B, C], None, [500, 500, 500]),
        ([[A], [B]], 700, [A, B], None, [500, 500]),
        ([[]], 2, [], None, [2]),
    ],
)
def test_pages_are_gathered_up_to_a_limit(
    pages: Any, limit: int | None, found: Any, more: str | None, limits: list[int]
) -> None:
    """An empty page is not the end; `next` is where a search would go on."""
    api = Pages(*pages)

    told = gathered(cast("Client", api), limit, {"model": "shop"})

    assert (told, api.limits) == ({"attempts": found, "next": more}, limits)


def test_a_table_has_all_columns_where_there_is_room() -> None:
    """And those that identify an attempt where there is none."""
    found = {"attempts": [A, attempt(4, state="failed", code="job-failed", by="dana", ended_at=None)], "next": None}
    wide = [
        "run                           state               began                 attempt  took   cause  by       why",
        "shop--2024-03-01--84b477cc-1  succeeded           2024-03-02 06:01:00Z  1        30.0s  data   slipway  -",
        "shop--2024-03-01--84b477cc-4  failed, job-failed  2024-03-02 06:04:00Z  1        -      data   dana     -",
    ]

    assert printed(rendered(found, 140), 140).split("\n") == wide
    narrow = printed(rendered(found, 80), 80).split("\n")
    assert [line.rstrip() for line in narrow] == [line[: wide[0].index("attempt")].rstrip() for line in wide]


def test_a_time_is_the_apis_or_so_long_ago() -> None:
    """What is neither is left to the API, which says what is wrong with it."""
    assert time("2024-03-01") == "2024-03-01"
    assert time("yesterday") == "yesterday"
    assert time(None) is None
    ago = clock.now() - datetime.fromisoformat(time("2d") or "")
    assert abs(ago - timedelta(days=2)) < timedelta(minutes=1)
