"""The dashboard in a real browser: what people see, every text as text, and nothing of another origin."""

from __future__ import annotations

import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import pytest

from tests.flows.browser import BROWSER, Browser
from tests.flows.yard import SAYING_MODEL, Yard
from tests.running import PATIENCE, eventually

DAY, BROKEN = "2024-03-30", "2024-03-31"
NASTY = "<script>document.title = 'owned'</script>"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def model(shared_yard: Yard) -> str:
    """A model with one period published and one failed, both among its newest, whose texts look like HTML."""
    text = SAYING_MODEL.replace("Puts its rows together.", f'"{NASTY}"')
    job = f"import sys; print({NASTY!r}); sys.exit('<b>bad</b>') if 'fail' in sys.argv[1] else None\n"
    name = shared_yard.a_model("pages", text, job=job + SUMMARY)
    shared_yard.land(f"{name}/{DAY}", {"a.txt": "one"})
    shared_yard.published(name, DAY)
    shared_yard.land(f"{name}/{BROKEN}", {"<img src=x>.txt": "fail"})
    shared_yard.ended(name, BROKEN, "failed")
    eventually(lambda: shown(shared_yard, name) == {DAY: "succeeded", BROKEN: "failed"})
    return name


def shown(yard: Yard, model: str) -> dict[str, str]:
    """The states of a model's newest periods on the board, which is written after their records."""
    [row] = [one for one in yard.get("board?periods=2")["models"] if one["model"] == model]
    return {cell["period"]: cell["state"] for cell in row["periods"]}


#: Writes its output, unless an input tells it to fail.
SUMMARY = """
import pathlib
texts = [path.read_text() for path in pathlib.Path(sys.argv[1]).rglob("*.txt")]
if "fail" in texts:
    sys.exit("<b>told to fail</b>")
(pathlib.Path(sys.argv[2]) / "all.txt").write_text(" ".join(texts))
(pathlib.Path(sys.argv[2]) / "metrics.json").write_text('{"test": {"mae": 1234.5}}')
"""


def seen(yard: Yard, path: str) -> str:
    """The document as a browser has it once it is loaded; no text has become an element, no script has run."""
    assert BROWSER
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    address = f"{yard.cloud.endpoints.functions}/{path}"
    document = subprocess.run([*command, address], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    assert not re.search(r"<script(?! type=\"module\" src=\"/dashboard/assets/live.js\">)|<img|<b>|<i>", document)
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


def test_what_a_model_says_of_itself(yard: Yard, model: str) -> None:
    """In numbers and as a picture that says them in words, on its page; in numbers on the run's."""
    page = seen(yard, f"dashboard/models/{model}")
    assert f'<th scope="col" class="number">{DAY}</th>' in page
    assert '<th scope="row">test.mae</th><td class="number">1234.5</td>' in page
    assert re.search(r'<svg class="curve"[^>]* role="img" aria-label="test.mae, 1 of 1 periods from [^"]*1234.5"', page)
    run = seen(yard, f"dashboard/runs/{yard.period(model, DAY)['published']['run']}")
    assert "<dt>test.mae</dt><dd>1234.5</dd>" in run
    assert "test.mae" not in seen(yard, f"dashboard/runs/{yard.period(model, BROKEN)['last']['run']}")


def test_a_failed_run_tells_its_failure_first(yard: Yard, model: str) -> None:
    """Then when, what and the log."""
    run = yard.period(model, BROKEN)["last"]["run"]
    page = seen(yard, f"dashboard/runs/{run}")
    assert page.index("job-failed") < page.index("Timeline") < page.index("end of the job's log")
    assert "<svg" in page
    assert "&lt;b&gt;told to fail" in page


def test_a_run_is_shown_while_azure_ml_fails(yard: Yard, model: str) -> None:
    """All of it but the log, which says so; the API answers for the run, and 503 for the log."""
    run = yard.period(model, BROKEN)["last"]["run"]
    yard.fault({"status": 503, "code": "ServiceUnavailable"}, service="aml", operation="GetJob", name=f"{run}-a1")

    page = seen(yard, f"dashboard/runs/{run}")

    log = page[page.index('id="log-now"') :]
    assert "A service did not answer as it should" in log
    assert "ServiceUnavailable" in log
    assert "did not answer" not in page.removesuffix(log)
    assert "job-failed" in page
    assert yard.run(run)["state"] == "failed"
    assert yard.call("GET", f"runs/{run}/log")[0] == 503


def test_runs_and_incidents(yard: Yard, model: str) -> None:
    """A search by form, and what people have to see to."""
    run = yard.period(model, DAY)["published"]["run"]
    assert run in seen(yard, f"dashboard/runs?model={model}&period=&state=succeeded&by=&since=")
    assert f"{model} {BROKEN}" in seen(yard, "dashboard/incidents?limit=500")
    page = seen(yard, f"dashboard/incidents/{model}--{BROKEN}")
    assert page.index("job-failed") < page.index("do first") < page.index("I am on it") < page.index("<code>slipway ")
    assert "&lt;b&gt;told to fail" in page


def test_now_tells_what_needs_a_person_and_what_runs(yard: Yard, model: str) -> None:
    """The incident with who is on it, as soon as somebody said so on the page of incidents; a run that shows life."""
    busy = yard.a_model("pages-busy", job=TALKS, timeout=600)
    yard.land(f"{busy}/{DAY}", {"a.txt": "one"})
    active = eventually(lambda: (yard.period(busy, DAY)["active"] or {}).get("run"))
    [incident] = [one for one in yard.get("overview")["incidents"] if (one["model"], one["period"]) == (model, BROKEN)]
    assert incident["acknowledged"] is None

    told = post(yard, "acknowledge_by_key", idempotency_key="ack-1", key=incident["key"], reason="I call the owner")

    assert told == (303, "/dashboard/incidents?done=acknowledge_by_key")
    seen_now = eventually(lambda: (o := yard.get("overview")) and active in [one["run"] for one in o["running"]] and o)
    assert not seen_now["reconcile_stale"]
    [incident] = [one for one in seen_now["incidents"] if one["key"] == incident["key"]]
    assert incident["acknowledged"]["by"] == "developer"
    [running] = [one for one in seen_now["running"] if one["run"] == active]
    assert (running["stuck"], running["canceling"]) == (None, False)
    page = seen(yard, "dashboard/now")
    assert f"{model} {BROKEN}" in page
    assert active in page
    yard.call("POST", f"runs/{active}/cancel", {"reason": "seen enough"})


def test_a_wrong_address_is_a_page_that_says_so(yard: Yard) -> None:
    """With the right status, and the same header."""
    page = seen(yard, "dashboard/models/no-such-model")
    assert "Unknown model" in page
    assert "Skip to the content" in page


def test_pages_allow_nothing_of_another_origin(yard: Yard) -> None:
    """By the header that browsers obey; and each names its twin in JSON."""
    with urllib.request.urlopen(f"{yard.cloud.endpoints.functions}/dashboard", timeout=60) as answer:
        policy, text = answer.headers["Content-Security-Policy"], answer.read().decode()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    assert 'rel="alternate" type="application/json" href="/api/board"' in text


# Changes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that stays open."""
    one = Browser()
    yield one
    one.close()


def test_a_run_is_watched_and_canceled_by_keyboard_alone(yard: Yard, browser: Browser) -> None:
    """Its log grows on the page; a fold, a reason and Enter cancel it, and the page says so."""
    name = yard.a_model("pages-live", job=TALKS, timeout=600)
    yard.land(f"{name}/{DAY}", {"a.txt": "one"})
    run = eventually(lambda: (yard.period(name, DAY)["active"] or {}).get("run"))
    browser.open(f"{yard.cloud.endpoints.functions}/dashboard/runs/{run}")
    browser.until("(document.querySelector('#log-now pre') || {}).textContent?.includes('line 3')")
    assert "<b>line</b>" in browser.see("document.querySelector('#log-now pre').textContent")

    browser.see("document.querySelector('.skip').focus()")
    for _ in range(40):
        browser.press("Tab")
        if browser.see("document.activeElement.textContent") == "Cancel":
            break
    browser.press("Enter")
    browser.press("Tab")
    browser.write("the wrong <b>release</b>")
    browser.press("Enter")

    browser.until("location.search == '?done=cancel_run'")
    assert "Noted: wish a run ended" in browser.see("document.querySelector('[role=status].note').textContent")
    browser.until("document.querySelector('#state .state').textContent == 'canceled'")
    assert yard.ended(name, DAY, "canceled")["failure"]["message"].endswith("developer: the wrong <b>release</b>")
    assert not [said for said in browser.said if "favicon" not in said]


def test_without_script_a_form_still_works(yard: Yard, model: str, browser: Browser) -> None:
    """A period is waived by its page, and then shows who did it and how to take it back."""
    browser.look(script=False)
    try:
        browser.open(f"{yard.cloud.endpoints.functions}/dashboard/models/{model}/periods/2024-02-02")
        browser.see("document.querySelector('form[action$=waive_period]').closest('details').open = true")
        browser.see("document.querySelector('form[action$=waive_period] [name=reason]').focus()")
        browser.write("closed on that day")
        browser.press("Enter")
        browser.until("location.search == '?done=waive_period'")
    finally:
        browser.look()
    assert "by developer" in browser.see("document.querySelector('dl').textContent")
    assert "closed on that day" in browser.see("document.querySelector('dl').textContent")
    assert browser.see("document.querySelector('form[action$=reopen_period]') !== null")


def test_another_sites_form_changes_nothing(yard: Yard, model: str) -> None:
    """A browser signs its requests in by itself; what it says of the form's origin is asked first."""
    fields = {"idempotency_key": "x-1", "model": model, "period": "2024-02-03", "reason": "from elsewhere"}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {},
    ):
        assert post(yard, "waive_period", headers, **fields)[0] == 403
    assert yard.period(model, "2024-02-03")["waived"] is None
    origin = {"Origin": yard.cloud.endpoints.functions}
    assert post(yard, "waive_period", origin, **fields)[0] == 303
    assert yard.period(model, "2024-02-03")["waived"]["reason"] == "from elsewhere"


def test_a_second_click_is_no_second_change_and_a_refusal_is_a_page(yard: Yard, model: str) -> None:
    """The form carries the key; what the API refuses is said in its words, with a way back."""
    fields = {"idempotency_key": "r-1", "model": model, "period": DAY, "reason": "once more", "inputs": "same"}
    first, second = post(yard, "start_run_by_hand", **fields), post(yard, "start_run_by_hand", **fields)
    assert first == second
    assert first[0] == 303
    assert first[1].startswith(f"/dashboard/runs/{model}--{DAY}--")
    place = {"model": model, "period": DAY, "reason": "once more"}
    for operation, given, status, words in (
        ("waive_period", place | {"reason": ""}, 400, "Field required"),
        ("waive_period", place | {"period": "soon"}, 400, "Malformed name"),
        ("waive_period", place | {"colour": "red"}, 400, "Extra inputs are not permitted"),
        ("resume_run", {"run": "no-run", "reason": "once more"}, 404, "Unknown run"),
        ("drop_tables", place, 404, "Unknown change"),
    ):
        told = post(yard, operation, idempotency_key=f"{operation}-{words}", **given)
        assert told[0] == status, told
        assert words in told[1]


def test_who_may_only_look_sees_no_forms_and_may_not_post(yard: Yard, model: str) -> None:
    """The role is asked for by the API's own handler."""
    token = yard.cloud.token("viewer", "api://slipway")
    address = f"{yard.cloud.endpoints.functions}/dashboard/models/{model}/periods/{DAY}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    assert "<form" not in text
    assert "who may look" in text
    fields = {"idempotency_key": "v-1", "model": model, "period": DAY, "reason": "I may not"}
    status, words = post(yard, "retract_period", OWN | {"Authorization": f"Bearer {token}"}, **fields)
    assert (status, "lacks the app role" in words) == (403, True)


#: As the browser says of a form that stands on a page of the app.
OWN = {"Sec-Fetch-Site": "same-origin"}
#: A job that prints for ever.
TALKS = """
import time
for number in range(10_000):
    print(f"<b>line</b> line {number}", flush=True)
    time.sleep(0.5)
"""


def post(yard: Yard, operation: str, headers: Mapping[str, str] | None = None, **fields: str) -> tuple[int, str]:
    """Send a page's form as a browser does: the status, and where it leads or what it says."""
    request = urllib.request.Request(
        f"{yard.cloud.endpoints.functions}/dashboard/changes/{operation}",
        data=urlencode(fields).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded", **(OWN if headers is None else headers)},
    )
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location") or error.read().decode()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Stays where it is sent."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""
