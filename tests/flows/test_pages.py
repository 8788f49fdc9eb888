"""The dashboard in a real browser: what people see, every text as text, and nothing of another origin."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request

import pytest

from tests.flows.yard import MODEL, Yard

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DAY, BROKEN = "2024-03-30", "2024-03-31"
NASTY = "<script>document.title = 'owned'</script>"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def model(shared_yard: Yard) -> str:
    """A model with one period published and one failed, both among its newest, whose texts look like HTML."""
    text = MODEL.replace("Puts its rows together.", f'"{NASTY}"')
    job = f"import sys; print({NASTY!r}); sys.exit('<b>bad</b>') if 'fail' in sys.argv[1] else None\n"
    name = shared_yard.a_model("pages", text, job=job + SUMMARY)
    shared_yard.land(f"{name}/{DAY}", {"a.txt": "one"})
    shared_yard.published(name, DAY)
    shared_yard.land(f"{name}/{BROKEN}", {"<img src=x>.txt": "fail"})
    shared_yard.ended(name, BROKEN, "failed")
    return name


#: Writes its output, unless an input tells it to fail.
SUMMARY = """
import pathlib
texts = [path.read_text() for path in pathlib.Path(sys.argv[1]).rglob("*.txt")]
if "fail" in texts:
    sys.exit("<b>told to fail</b>")
(pathlib.Path(sys.argv[2]) / "all.txt").write_text(" ".join(texts))
"""


def seen(yard: Yard, path: str) -> str:
    """The document as a browser has it once it is loaded; no text has become an element, no script has run."""
    assert BROWSER
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    address = f"{yard.cloud.endpoints.functions}/{path}"
    document = subprocess.run([*command, address], capture_output=True, text=True, check=True, timeout=90).stdout
    assert not re.search(r"<script|<img|<b>|<i>", document)
    assert "<title>owned" not in document
    return document


def test_the_board_leads_to_runs(yard: Yard, model: str) -> None:
    """Every mark has words beside its colour, and leads to the run."""
    board = seen(yard, "dashboard")
    run = yard.period(model, DAY)["published"]["run"]
    assert f'href="/dashboard/runs/{run}"' in board
    assert 'aria-label="succeeded">✓</a>' in board
    assert 'aria-label="failed">✕</a>' in board
    assert re.search(r"\d+ failed", board)


def test_a_model_and_a_period(yard: Yard, model: str) -> None:
    """What it is, what blocks."""
    page = seen(yard, f"dashboard/models/{model}")
    assert "&lt;script&gt;" in page
    assert f'href="/dashboard/models/{model}/periods/{DAY}"' in page
    assert "has no data" in seen(yard, f"dashboard/models/{model}/periods/2024-03-01")


def test_a_failed_run_tells_its_failure_first(yard: Yard, model: str) -> None:
    """Then when, what and the log."""
    run = yard.period(model, BROKEN)["last"]["run"]
    page = seen(yard, f"dashboard/runs/{run}")
    assert page.index("job-failed") < page.index("Timeline") < page.index("end of the job's log")
    assert "<svg" in page
    assert "&lt;b&gt;told to fail" in page


def test_runs_and_incidents(yard: Yard, model: str) -> None:
    """A search by form, and what people have to see to."""
    run = yard.period(model, DAY)["published"]["run"]
    assert run in seen(yard, f"dashboard/runs?model={model}&period=&state=succeeded&by=&since=")
    assert f"{model} {BROKEN}" in seen(yard, "dashboard/incidents?limit=500")


def test_a_wrong_address_is_a_page_that_says_so(yard: Yard) -> None:
    """With the right status, and the same header."""
    page = seen(yard, "dashboard/models/no-such-model")
    assert "Unknown model" in page
    assert "Skip to the content" in page


def test_pages_allow_nothing_of_another_origin_and_no_script(yard: Yard) -> None:
    """By the header that browsers obey; and each names its twin in JSON."""
    with urllib.request.urlopen(f"{yard.cloud.endpoints.functions}/dashboard", timeout=30) as answer:
        policy, text = answer.headers["Content-Security-Policy"], answer.read().decode()
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    assert 'rel="alternate" type="application/json" href="/api/board"' in text
