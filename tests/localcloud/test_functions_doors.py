"""HTTP, Event Grid and timer triggers, Easy Auth and keys: what an unmodified app may expect of the Functions host."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from localcloud.config import Resources, oid
from localcloud.identity.rules import Identity
from localcloud.secrets import Secrets
from tests.localcloud.functions_harness import APPS, RunningHost
from tests.running import eventually

APP = APPS / "doors"
SETTINGS = {"SCHEDULE": "0 30 * * * *", "AzureWebJobs.switched_off.Disabled": "true"}
PRINCIPAL = "x-ms-client-principal"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host behind Easy Auth whose development principal is the developer."""
    state = tmp_path_factory.mktemp("doors")
    running = RunningHost(APP, state, {"development_principal": "developer"}, **SETTINGS).start()
    yield running
    running.kill()


@pytest.fixture
def own_host(tmp_path) -> Iterator[RunningHost]:
    """A host without Easy Auth that the test starts itself."""
    running = RunningHost(APP, tmp_path / "state", **SETTINGS)
    yield running
    if running.process.poll() is None:
        running.kill()


def get(host: RunningHost, path: str, **options: object) -> requests.Response:
    """GET a path of the app."""
    return requests.get(host.url + path, timeout=60, **options)


class TestHttp:
    def test_request_and_response(self, host):
        """A function sees method, address, query, route, headers and body; its response comes back as it is."""
        query = "x=1&y=&z=2&z=3"
        answer = requests.post(f"{host.url}/API/Echo/a/b%20c?{query}", data="body", headers={"X-Own": "o"}, timeout=60)
        seen = answer.json()

        assert (answer.status_code, answer.headers["X-Seen"]) == (201, "yes")
        assert answer.headers["Content-Type"].startswith("application/json")
        assert (seen["method"], seen["body"], seen["query"]) == ("POST", "body", {"x": "1", "z": "2,3"})
        assert seen["route"] == {"rest": "a/b c"}
        assert seen["headers"]["x-own"] == "o"
        assert seen["url"].startswith(f"{host.url}/API/Echo/a/b")

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("/api/items/7", "item 7"),
            ("/api/items/new", "the literal route"),
            ("/api/items/abc", "named abc None"),
            ("/api/items/abc/5", "named abc 5"),
        ],
    )
    def test_routes(self, host, path, text):
        """Constraints and literals decide between routes; optional parameters may be left out."""
        answer = get(host, path)

        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"

    @pytest.mark.parametrize(
        "path", ["/api/items/a1", "/api/items/abc/6", "/items/7", "/api/nothing", "/api/switched_off"]
    )
    def test_not_found(self, host, path):
        """A failed constraint, an unknown route, a missing prefix and a disabled function are 404."""
        assert get(host, path).status_code == 404

    def test_methods(self, host):
        """A method that is not listed is 404 for that function."""
        assert requests.post(f"{host.url}/api/items/7", timeout=60).status_code == 404

    def test_failures(self, host):
        """An exception, and a value that is no response, are 500; an output binding is refused by name."""
        assert get(host, "/api/broken").status_code == 500
        assert get(host, "/api/returns_dict").status_code == 500
        refused = get(host, "/api/writes_blob")
        assert refused.status_code == 501
        assert "the binding blob of the function writes_blob" in refused.text

    def test_function_name_and_context(self, host):
        """function_name names the default route, a parameter called context is the invocation's."""
        assert get(host, "/api/Guarded").text == "Guarded True"

    @pytest.mark.parametrize(
        ("returned", "status", "text"),
        [
            ("no JSON", 200, "no JSON"),
            ('{"a":[1,{}],"b":"ü"}', 200, '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "ü"\n}'),
            ("true", 200, "True"),
            ("null", 200, ""),
            ('"quoted"', 200, "quoted"),
            ("NaN", 200, "NaN"),
            ('{"Body": {"a": 1}, "statusCode": 201}', 201, '{"a":1}'),
            ('{"body": "b", "status": "404", "headers": {"x-own": "o"}}', 404, "b"),
        ],
    )
    def test_returned_text(self, host, returned, status, text):
        """JSON that a function returns as str is written anew; with a body in it, it is taken for a whole answer."""
        answer = requests.post(f"{host.url}/api/returns_text", data=returned.encode(), timeout=60)

        assert (answer.status_code, answer.text) == (status, text)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers.get("x-own") == ("o" if "x-own" in returned else None)

    @pytest.mark.parametrize(
        ("cookie", "written"),
        [
            (
                'a="b c"; Path=/p; SameSite=Lax; Secure; HttpOnly',
                "a=b%20c; domain=; path=/p; secure; samesite=lax; httponly",
            ),
            (
                "a=1; Domain=x.com; Expires=Thu, 12-Jan-2017 13:55:08 GMT; Max-Age=60",
                "a=1; expires=Thu, 12 Jan 2017 13:55:08 GMT; max-age=60; domain=x.com; path=",
            ),
        ],
    )
    def test_cookies(self, host, cookie, written):
        """Cookies are read and written anew, each in a header of its own; one that cannot be read is 500."""
        answer = requests.post(f"{host.url}/api/bakes", data=cookie, timeout=60)

        assert answer.raw.headers.getlist("Set-Cookie") == [written, "plain=1; domain=; path="]
        assert requests.post(f"{host.url}/api/bakes", data="a=1; Expires=soon", timeout=60).status_code == 500

    def test_output_parameter(self, host):
        """A response may be left in an output parameter; nothing left is 204."""
        left = get(host, "/api/leaves?x=1")

        assert (left.status_code, left.text) == (202, "left")
        assert get(host, "/api/leaves").status_code == 204

    def test_trace_context(self, host):
        """The context has the trace's names, old and new."""
        assert get(host, "/api/traced").text == "<>"

    def test_what_is_logged(self, host):
        """A record is of the invocation of its task, or of its thread; others are marked: Azure's host drops them."""
        get(host, "/api/said")
        get(host, "/api/said_plainly")

        said = [line.partition(" INFO doors ")[2] for line in (host.state / "log").read_text().splitlines()]
        assert [line for line in said if " from " in line] == [
            "[said]: from the task",
            "[no invocation, lost in Azure]: from a thread",
            "[said]: from a thread of the invocation",
            "[said]: from a task of the task",
            "[said_plainly]: from a plain function",
        ]

    def test_host_status(self, host):
        """The host answers for its health, and with a home page; unknown webhooks are refused by name."""
        assert get(host, "/admin/host/status").json()["state"] == "Running"
        assert requests.post(f"{host.url}/admin/host/ping", timeout=60).status_code == 200
        assert (get(host, "/").status_code, get(host, "/").headers["Content-Type"][:9]) == (200, "text/html")
        assert get(host, "/runtime/webhooks/signalr").status_code == 501


class TestEasyAuth:
    def principal(self, host: RunningHost, **headers: str) -> dict[str, str]:
        """Return the principal headers a function sees."""
        seen = get(host, "/api/echo/x", headers=headers).json()["headers"]
        return {name: value for name, value in seen.items() if name.startswith(PRINCIPAL)}

    def test_development_principal(self, host):
        """Without a token the caller is the development principal, with its roles, whatever headers it sent."""
        seen = self.principal(host, **{"X-MS-CLIENT-PRINCIPAL-NAME": "root", "X-Ms-Client-Principal-Extra": "x"})
        claims = json.loads(base64.b64decode(seen[PRINCIPAL]))["claims"]

        assert seen[f"{PRINCIPAL}-name"] == "developer"
        assert seen[f"{PRINCIPAL}-id"] == oid("developer")
        assert {"typ": "roles", "val": "Operator"} in claims
        assert f"{PRINCIPAL}-extra" not in seen

    def test_token(self, host):
        """A token of this cloud says who calls; an expired or foreign one is 401."""
        identity = Identity(Resources.load(APP), Secrets.load(host.state), host.clock)
        token = identity.token("analyst", "api://app")

        for name in ("Authorization", "authorization"):
            assert self.principal(host, **{name: f"Bearer {token}"})[f"{PRINCIPAL}-name"] == "analyst"
        expired = identity.token("analyst", "api://app", lifetime=-1)
        for bad in (expired, token[:-3] + "abc", "nonsense"):
            assert get(host, "/api/echo/x", headers={"Authorization": f"Bearer {bad}"}).status_code == 401

    def test_nobody(self, tmp_path):
        """Without a development principal a request needs a token."""
        running = RunningHost(APP, tmp_path / "state", {"development_principal": None}, **SETTINGS).start()

        assert get(running, "/api/echo/x").status_code == 401
        running.kill()

    def test_keys(self, own_host):
        """With --enforce-keys functions want their level's key: header first, then code; system keys open nothing."""
        own_host.start("--enforce-keys")
        keys = own_host.keys

        def status(path: str, key: str | None = None) -> int:
            return get(own_host, path, headers={"x-functions-key": key} if key else {}).status_code

        assert status("/api/items/7") == 200
        assert [status("/api/guarded", key) for key in (None, "x", keys["eventgrid_extension"])] == [401] * 3
        assert [status("/api/guarded", keys[name]) for name in ("default", "master")] == [200, 200]
        assert [status("/api/for_admins", keys[name]) for name in ("default", "master")] == [401, 200]
        assert get(own_host, f"/api/guarded?code={keys['default']}").status_code == 200


class TestEventGrid:
    def deliver(self, host: RunningHost, body: object, kind: str = "Notification", **query: str) -> requests.Response:
        """POST what Event Grid would."""
        query = {"functionName": "on_event", "code": host.keys["eventgrid_extension"], **query}
        url = f"{host.url}/runtime/webhooks/EventGrid"
        return requests.post(url, params=query, json=body, headers={"aeg-event-type": kind}, timeout=60)

    def event(self, number: str, subject: str = "s") -> dict[str, object]:
        """Return an event in the Event Grid schema."""
        about = {"eventType": "T", "eventTime": "2026-01-01T00:00:00.1234567Z", "dataVersion": "1", "topic": "t"}
        return {"id": number, "subject": subject, "data": {"n": number}, **about}

    def test_validation(self, host):
        """Both handshakes: the validation event's code comes back; CloudEvents asks with OPTIONS."""
        answer = self.deliver(
            host, [{"data": {"validationCode": "123", "validationUrl": "u"}}], "SubscriptionValidation"
        )
        options = requests.options(
            f"{host.url}/runtime/webhooks/eventgrid",
            params={"functionName": "on_cloud_event", "code": host.keys["eventgrid_extension"]},
            headers={"WebHook-Request-Origin": "eventgrid.azure.net"},
            timeout=60,
        )

        assert answer.json() == {"validationResponse": "123"}
        assert options.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"

    def test_batch(self, host):
        """Every event of a batch is one invocation; one failure fails the delivery after all have run."""
        assert self.deliver(host, [self.event("b1"), self.event("b2")]).status_code == 202
        assert self.deliver(host, [self.event("b3", "bad"), self.event("b4")]).status_code == 500
        notes = "\n".join(host.noted())
        assert all(f"event {n} " in notes for n in ("b1", "b2", "b3", "b4"))
        assert 'event b1 s {"n": "b1"}' in notes

    def test_returned_value(self, host):
        """A function without an output that returns something has failed."""
        assert self.deliver(host, [self.event("v1", "returns")]).status_code == 500

    def test_cloud_event(self, host):
        """An object with specversion is a CloudEvent."""
        body = {"specversion": "1.0", "id": "c1", "source": "s", "type": "T", "time": "2026-01-01T00:00:00Z", "data": 1}

        assert self.deliver(host, body, functionName="on_cloud_event").status_code == 202
        assert "cloud c1 T" in host.noted()

    def test_refusals(self, host):
        """A wrong key is 401, an unknown function 404, an unknown kind of delivery 400."""
        unknown = self.deliver(host, [], functionName="nobody")

        assert self.deliver(host, [], code="x").status_code == 401
        assert (unknown.status_code, unknown.text) == (404, "cannot find function: 'nobody'")
        assert self.deliver(host, [], "Something").status_code == 400
        assert self.deliver(host, None, "Unsubscribe").status_code == 202


class TestTimers:
    @pytest.fixture(autouse=True)
    def _noon(self, own_host):
        """The clock is half an hour away from the next occurrence when the test begins."""
        own_host.clock.set(datetime(2026, 1, 1, 12, tzinfo=UTC))

    def test_schedule(self, own_host):
        """Occurrences come when the clock says so, one at a time; the status of the schedule is handed over."""
        own_host.start()
        own_host.wait_for_note("at_start past_due=False")
        assert not [line for line in own_host.noted() if line.startswith("hourly")]

        own_host.advance(3600)
        own_host.wait_for_note("hourly past_due=False last=False")
        eventually(lambda: own_host.stored("SELECT last FROM schedules WHERE name = 'hourly' AND last IS NOT NULL"))
        own_host.advance(5 * 3600)
        own_host.wait_for_note("hourly past_due=False last=True")
        assert len([line for line in own_host.noted() if line.startswith("hourly")]) == 2

    def test_past_due(self, own_host):
        """An occurrence missed while the host was down is made up for once, as past due."""
        own_host.start()
        own_host.wait_for_note("at_start past_due=False")
        eventually(lambda: own_host.stored("SELECT next FROM schedules WHERE name = 'hourly'"))
        own_host.kill()
        own_host.clock.advance(10 * 3600)
        own_host.start()

        own_host.wait_for_note("hourly past_due=True last=False")
        own_host.wait_for_note("at_start past_due=False", times=2)
        assert len([line for line in own_host.noted() if line.startswith("hourly")]) == 1

    def test_by_hand(self, own_host):
        """The admin endpoint runs a timer function at once."""
        own_host.start()

        assert requests.post(f"{own_host.url}/admin/functions/hourly", json={}, timeout=60).status_code == 202
        assert "hourly past_due=False last=False" in own_host.noted()


class TestStart:
    @pytest.mark.parametrize(
        ("code", "complaint"),
        [
            ("import nothing_like_this", "No module named 'nothing_like_this'"),
            ("raise SystemExit(0)", "function_app.py cannot be imported"),
            ("x = 1", "function_app.py holds 0 FunctionApp objects at top level; exactly one is needed"),
            ("a = func.FunctionApp()\nb = func.FunctionApp()", "holds 2 FunctionApp objects"),
            ("app = func.FunctionApp()", "the app registers no function"),
            (
                "app = func.FunctionApp()\n@app.route()\ndef f(req, other): ...",
                "function f: the parameters ['other'] are declared in Python but bound to nothing",
            ),
            (
                "app = func.FunctionApp()\n@app.function_name('a b')\n@app.route()\ndef f(req): ...",
                "'a b' is not a valid function name",
            ),
            (
                "app = func.FunctionApp()\n@app.route(route='{id:odd}')\ndef f(req): ...",
                "function f: the route 'api/{id:odd}' uses the constraint 'odd'",
            ),
            (
                "app = func.FunctionApp()\n@app.timer_trigger(arg_name='t', schedule='* * *')\ndef f(t): ...",
                "function f: the schedule '* * *' has 3 fields",
            ),
            (
                "app = func.FunctionApp()\n@app.queue_trigger('m', 'q', 'C')\ndef f(m): ...",
                "function f: its connection 'C' needs the app setting C__queueServiceUri",
            ),
        ],
    )
    def test_apps_that_cannot_run(self, tmp_path, code, complaint):
        """What is wrong with an app is said in one message, with exit code 3."""
        app = self.app(tmp_path, code)
        exit_code, said = RunningHost(app, tmp_path / "state").run_to_failure()

        assert exit_code == 3
        assert complaint in said

    def test_missing_host_json(self, tmp_path):
        """An app without host.json is none."""
        app = self.app(tmp_path, "app = func.FunctionApp()")
        (app / "host.json").unlink()

        assert "host.json is missing" in RunningHost(app, tmp_path / "state").run_to_failure()[1]

    def app(self, tmp_path: Path, code: str) -> Path:
        """Write an app of its own."""
        folder = tmp_path / "app"
        folder.mkdir()
        shutil.copy(APP / "host.json", folder)
        (folder / "function_app.py").write_text(f"import azure.functions as func\n{code}\n")
        return folder
