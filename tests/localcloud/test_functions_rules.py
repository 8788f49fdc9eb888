"""The pure rules of the Functions host: schedules, routes, versions, and which histories stay in memory."""

from __future__ import annotations

import asyncio
import threading
import typing
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from localcloud.functions.app import Function, checked_parameters
from localcloud.functions.durable import history
from localcloud.functions.durable.versions import Versions
from localcloud.functions.host_json import AppError, duration, read_host_json
from localcloud.functions.invoke import Invoker
from localcloud.functions.log import Task
from localcloud.functions.ncrontab import parse_schedule
from localcloud.functions.routes import parse_route

SATURDAY = datetime(2026, 10, 24, 12, 0, 0, tzinfo=UTC)


class TestSchedules:
    @pytest.mark.parametrize(
        ("schedule", "following"),
        [
            ("0 */5 * * * *", "2026-10-24T12:05:00+00:00"),
            ("*/15 * * * * *", "2026-10-24T12:00:15+00:00"),
            ("0 0 9-17/4 * * Mon-Fri", "2026-10-26T09:00:00+00:00"),
            ("0 30 9 1,15 * *", "2026-11-01T09:30:00+00:00"),
            ("0 0 0 29 Feb *", "2028-02-29T00:00:00+00:00"),
            ("0 0 0 * * 0", "2026-10-25T00:00:00+00:00"),
            ("5 12 * * *", "2026-10-24T12:05:00+00:00"),
            ("00:10:00", "2026-10-24T12:10:00+00:00"),
        ],
    )
    def test_next_occurrence(self, schedule, following):
        """Six fields from seconds to weekday (0 is Sunday), five without seconds, lists, ranges, steps, names."""
        assert parse_schedule(schedule, UTC).next_after(SATURDAY).isoformat() == following

    def test_local_time(self):
        """Occurrences are local times of the app's zone, across a change of the clocks."""
        schedule = parse_schedule("0 0 9 * * *", ZoneInfo("Europe/Paris"))

        first = schedule.next_after(SATURDAY)
        assert first.astimezone(UTC).isoformat() == "2026-10-25T08:00:00+00:00"
        assert schedule.next_after(datetime(2026, 10, 23, 12, tzinfo=UTC)).astimezone(UTC).hour == 7

    def test_never(self):
        """A day that does not exist has no occurrence."""
        assert parse_schedule("0 0 0 31 2 *", UTC).next_after(SATURDAY) is None

    @pytest.mark.parametrize("schedule", ["* * *", "60 * * * * *", "0 0 0 * * Foo", "0 0 5-2 * * *", "a b c d e f"])
    def test_errors(self, schedule):
        """A schedule that cannot be read is named."""
        with pytest.raises(AppError, match="the schedule"):
            parse_schedule(schedule, UTC)


class TestRoutes:
    @pytest.mark.parametrize(
        ("template", "path", "parameters"),
        [
            ("api/items/{id}", "API/Items/a%20b", {"id": "a b"}),
            ("api/items/{id?}", "api/items", {}),
            ("api/{*rest}", "api/a/b/c", {"rest": "a/b/c"}),
            ("api/{*rest}", "api", {}),
            ("api//{*rest}", "api/x", {"rest": "x"}),
            ("api/{kind=all}/{n:int=5}", "api", {"kind": "all", "n": "5"}),
            ("api/{kind=all}/{n:int=5}", "api/x/7", {"kind": "x", "n": "7"}),
            ("api/{a:int}-{b:alpha}", "api/1-x", {"a": "1", "b": "x"}),
            ("{id:guid}", "6f9619ff-8b86-d011-b42d-00c04fc964ff", {"id": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}),
            ("{name:minlength(2):maxlength(3)}", "abc", {"name": "abc"}),
        ],
    )
    def test_match(self, template, path, parameters):
        """Parameters are taken from the path and decoded once."""
        assert parse_route(template).match(path) == parameters

    @pytest.mark.parametrize(
        ("template", "path"),
        [("{id:int}", "x"), ("{id:range(1,5)}", "6"), ("{ok:bool}", "yes"), ("a/{b}", "a"), ("a/{b}", "a/b/c")],
    )
    def test_no_match(self, template, path):
        """A failed constraint is no match."""
        assert parse_route(template).match(path) is None

    def test_rank(self):
        """Literals come before constrained parameters, these before free ones, catch-alls last."""
        ordered = ["a/new", "a/{id:int}", "a/{id}", "a/{*rest}"]
        shuffled = [ordered[2], ordered[0], ordered[3], ordered[1]]

        assert sorted(shuffled, key=lambda template: parse_route(template).rank) == ordered


class TestHostJson:
    def test_names_in_any_case(self, tmp_path, monkeypatch):
        """Names count in any case, as .NET reads them; app settings take the file's place; a BOM does no harm."""
        durable = '{"HubName": "Mine", "OverridableExistingInstanceStates": "anyState"}'
        text = '{"version": "2.0", "Extensions": {"DurableTask": ' + durable + "}}"
        (tmp_path / "host.json").write_text(text, encoding="utf-8-sig")
        monkeypatch.setenv("AzureFunctionsJobHost__extensions__http__routePrefix", "v1")
        monkeypatch.setenv("AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions", "3")
        settings = read_host_json(tmp_path)

        assert (settings.hub_name, settings.replace_any_state) == ("Mine", True)
        assert (settings.route_prefix, settings.max_activities) == ("v1", 3)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("{}", "needs the property 'version'"),
            ('{"version": "3.0"}', "needs the property 'version'"),
            ("[]", "needs the property 'version'"),
            (
                '{"version": "2.0", "extensions": {"durableTask": {"overridableExistingInstanceStates": "All"}}}',
                "found All",
            ),
        ],
    )
    def test_errors(self, tmp_path, text, complaint):
        """A file that Azure's host would not take is refused."""
        (tmp_path / "host.json").write_text(text)
        with pytest.raises(AppError, match=complaint):
            read_host_json(tmp_path)


class TestVersions:
    @pytest.mark.parametrize(
        ("versions", "version", "verdict"),
        [
            (Versions(), "9", "run"),
            (Versions("1.10"), "1.9", "run"),
            (Versions("1.9"), "1.10", "leave"),
            (Versions("1.9", on_mismatch="Fail"), "2", "fail"),
            (Versions("1.9", match="Strict"), "1.8", "leave"),
            (Versions("1.9", match="None"), "7", "run"),
            (Versions("1.9"), "", "run"),
        ],
    )
    def test_verdict(self, versions, version, verdict):
        """Dotted numbers compare as numbers; what does not match is left to another host, or failed."""
        assert versions.verdict(version) == verdict


def test_histories_in_memory(monkeypatch):
    """Of histories only so many characters are kept; one that had to go is read again when it is needed."""
    monkeypatch.setattr(history, "KEPT", 100)
    read = []
    store = SimpleNamespace(history=lambda instance_id: read.append(instance_id) or ['{"EventType":0}'])
    histories = history.Histories(store)
    one, other = (SimpleNamespace(instance_id=name, execution_id=name) for name in ("one", "other"))
    for instance in (one, other, one):
        histories.of(instance)
    assert read == ["one", "other"]

    histories.extend(one, [{"Result": "x" * 90}])
    assert len(histories.of(one).events) == 2
    histories.of(other)
    histories.of(one)
    assert read == ["one", "other", "other", "one"]


@pytest.mark.parametrize(
    ("hint", "complaint"),
    [
        (dict, None),
        (object, None),
        (typing.Dict[str, int], None),  # noqa: UP006 - what is read is what an app may write
        (dict[str, int], r"binding ask has invalid non-type annotation dict\[str, int\]"),
        (str | None, "invalid non-type annotation"),
    ],
)
def test_annotations_of_inputs(hint, complaint):
    """The worker loads no app with an annotation that it cannot read: a class, or a generic type of `typing`."""

    def call(ask): ...

    call.__annotations__ = {"ask": hint}
    bindings = [{"name": "ask", "type": "activityTrigger", "direction": "IN"}]
    with pytest.raises(AppError, match=complaint) if complaint else nullcontext():
        assert checked_parameters("f", call, bindings) is False


@pytest.mark.parametrize(
    ("given", "threads"), [("3", 3), ("1", 1), ("", None), ("0", None), ("-1", None), ("many", None)]
)
def test_threads_of_plain_functions(monkeypatch, given, threads):
    """One pool for activities and orchestrators, as large as the setting says, else as Python makes them."""
    monkeypatch.setenv("PYTHON_THREADPOOL_THREAD_COUNT", given)
    seen = []

    async def run(invoker: Invoker) -> None:
        asyncio.get_running_loop().set_task_factory(lambda loop, coro, **options: Task(coro, loop=loop, **options))
        for kind in ("activityTrigger", "orchestrationTrigger"):
            called = lambda: seen.append(threading.current_thread().name.rpartition("_")[0])  # noqa: E731
            await invoker.invoke(Function(kind, {"type": kind}, {}, called, False, False, "", "", kind), {})

    invoker = Invoker(60)
    asyncio.run(run(invoker))
    assert set(seen) == {"function"}
    assert len(seen) == 2
    assert invoker.threads == (threads or ThreadPoolExecutor()._max_workers)
    invoker.close()


def test_durations():
    """Durations are .NET's: [d.]hh:mm:ss."""
    assert duration("1.02:03:04.5") == 93784.5
    with pytest.raises(AppError, match="is not a duration"):
        duration("5m")
