"""How the pages look and work for everybody: by axe-core, on a phone, on a wall, light and dark; and their pictures.

The pictures of the documents are made here: `PICTURES=docs/images pytest tests/flows/test_looks.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from tests.flows.browser import BROWSER, Browser
from tests.flows.yard import MODEL, SAYING_JOB, SAYING_MODEL, Yard
from tests.running import eventually

DAY, BROKEN = "2024-03-30", "2024-03-31"
#: The model's texts, as hostile as its author could make them.
HOSTILE = SAYING_MODEL.replace(
    "Puts its rows together.", '"<img src=x onerror=alert(1)> & a word_that_is_much_too_long_to_be_broken"'
)
AXE = (resources.files("axe_core_python") / "axe.min.js").read_text()
PHONE = (390, 844)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def model(shared_yard: Yard) -> str:
    """A model with something of everything: published twice, failed, waived, and one that reads it."""
    name = shared_yard.a_model("shop-revenue", HOSTILE, SAYING_JOB)
    reads = 'rows: {path: "landing/NAME/{period:%Y-%m-%d}/", complete: {marker: _SUCCESS}}'
    shared_yard.a_model("stock-level", MODEL.replace(reads, "rows: {from: shop-revenue/all}"))
    for day, text in (("2024-03-28", "two"), ("2024-03-29", "one, and two more"), (DAY, "two hundred")):
        shared_yard.land(f"{name}/{day}", {"a.txt": "one", "<b>b.txt": text})
        shared_yard.published(name, day)
    shared_yard.published("stock-level", DAY)
    shared_yard.land(f"{name}/{BROKEN}", {"a.txt": "fail"})
    shared_yard.ended(name, BROKEN, "failed")
    shared_yard.call("POST", f"models/{name}/periods/2024-03-27/waive", {"reason": "the shops <b>were</b> closed"})
    return name


@pytest.fixture(scope="module")
def backfill(shared_yard: Yard, model: str) -> str:
    """A planned backfill of it: some periods are good, the inputs of others are missing."""
    asked = {"from": "2024-03-22", "to": BROKEN, "reason": "the <b>rates</b> were wrong in March", "only": "all"}
    status, told = shared_yard.call("POST", f"models/{model}/backfills", asked)
    assert status == 202, told
    id_: str = told["backfill"]
    eventually(lambda: shared_yard.get(f"backfills/{id_}")["state"] == "planned")
    return id_


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that stays open."""
    one = Browser()
    yield one
    one.close()


def pages(yard: Yard, model: str, backfill: str) -> dict[str, str]:
    """Every kind of page, by a name for its picture."""
    run, failed = yard.period(model, DAY)["published"]["run"], yard.period(model, BROKEN)["last"]["run"]
    return {
        "board": "dashboard",
        "now": "dashboard/now",
        "model": f"dashboard/models/{model}",
        "period": f"dashboard/models/{model}/periods/{BROKEN}",
        "run": f"dashboard/runs/{run}",
        "failed-run": f"dashboard/runs/{failed}",
        "runs": "dashboard/runs",
        "backfills": "dashboard/backfills",
        "backfill": f"dashboard/backfills/{backfill}",
        "incidents": "dashboard/incidents",
        "incident": f"dashboard/incidents/{model}--{BROKEN}",
        "problem": "dashboard/models/no-such-model",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(yard: Yard, model: str, backfill: str, browser: Browser, scheme: str) -> None:
    """Contrast, names, roles, landmarks, order of headings: with every fold open."""
    browser.look(scheme)
    found = {}
    for name, path in pages(yard, model, backfill).items():
        browser.open(f"{yard.cloud.endpoints.functions}/{path}")
        browser.see("document.querySelectorAll('details').forEach(one => one.open = true)")
        browser.see(f"{AXE}; 0")
        found[name] = browser.see(
            "axe.run().then(told => told.violations.map(one => one.id + ' ' + one.nodes[0].html))"
        )
    assert {name: told for name, told in found.items() if told} == {}


def test_on_a_phone_nothing_sticks_out_and_on_a_wall_the_board_fits(
    yard: Yard, model: str, backfill: str, browser: Browser
) -> None:
    """Wide tables scroll by themselves; the page does not."""
    for width, height in (PHONE, (1920, 1080)):
        browser.look(width=width, height=height)
        for path in pages(yard, model, backfill).values():
            browser.open(f"{yard.cloud.endpoints.functions}/{path}")
            assert browser.see("document.documentElement.scrollWidth") <= width, path


def test_pictures(yard: Yard, model: str, backfill: str, browser: Browser, tmp_path: Path) -> None:
    """What the documents show is what a browser shows; a page that fails to load would be a small, empty picture."""
    folder = Path(os.environ.get("PICTURES", tmp_path))
    browser.look(width=1280, height=800)
    for name, path in pages(yard, model, backfill).items():
        browser.open(f"{yard.cloud.endpoints.functions}/{path}")
        browser.picture(folder / f"{name}.png")
        assert (folder / f"{name}.png").stat().st_size > 8_000
    assert not [said for said in browser.said if "404" not in said]
