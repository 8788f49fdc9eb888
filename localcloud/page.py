"""The state page and the folder view, as plain HTML without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }
body { max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top }
th { font-weight: 600 } td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.facts td:not(:last-child), time { white-space: nowrap }
.bad { color: #c22; font-weight: 600 } .quiet { opacity: .65 }
"""


def home(state: Mapping[str, Any]) -> str:
    """Return the state page of what ``/state`` answers."""
    healthy = all(service["healthy"] for service in state["services"])
    facts = (
        f"<p>App <b>{escape(state['app'])}</b>, state in {escape(state['state'])}. Clock: {escape(state['now'])}"
        f"{_offset(state['offset'])}. <a href='/files/'>{state['files']} files in the lake</a>.</p>"
    )
    requests = ("when", "service", "request", "status", "ms", "caller")
    faults = state["faults"]
    sections = [
        f"<h1>localcloud {'' if healthy else '<span class=bad>is not healthy</span>'}</h1>",
        facts,
        _section("Services", ("service", "address", "health"), map(_service, state["services"])),
        _section("Faults that are on", ("fault", "matched", "fired", "rule"), map(_fault, faults["rules"])),
        _section("Event switches that are on", ("switch", "value"), _switched_on(state["events"])),
        f"<p class=quiet>Seed {faults['seed']}. The same again: <code>{escape(faults['repeat'])}</code></p>",
        _section("Faults that fired", _STRUCK, map(_struck, faults["newest"][:_SHOWN])),
        _section("Orchestrations", ("orchestrator", "state", "instances"), state["instances"]),
        "<p><a href='/instances'>All instances and their histories</a></p>" if state["instances"] else "",
        _section("Event deliveries", ("subscription", "counts"), _counters(state["events"]["subscriptions"])),
        _section("Deliveries to be made", _WAITING, map(_waiting, state["deliveries"]["waiting"][:_SHOWN])),
        _section("Newest deliveries", _TRY, map(_try, state["deliveries"]["newest"][:_SHOWN])),
        _section("Newest requests", requests, map(_request, state["requests"])),
    ]
    return _document("localcloud", sections)


#: Rows of the tables of what happened; the JSON of the page has more.
_SHOWN = 15
_TRY = ("when", "subscription", "event", "subject", "destination", "try", "outcome")
_WAITING = ("due", "subscription", "event", "subject", "destination", "tries", "state")
_STRUCK = ("when", "fault", "in", "at", "what")


def instances(listed: Sequence[Mapping[str, Any]]) -> str:
    """Return the list of orchestration instances, as the management API has them."""
    rows = (
        (
            _Raw(f"<a href='/instances/{quote(one['instanceId'], safe='')}'>{escape(one['instanceId'])}</a>"),
            one["name"],
            _Raw(_status(one["runtimeStatus"])),
            one["createdTime"],
            one["lastUpdatedTime"],
        )
        for one in listed
    )
    content = _section("", ("instance", "orchestrator", "state", "created", "last updated"), rows)
    return _document("instances", ["<h1><a href='/'>localcloud</a> / instances</h1>", content])


def instance(found: Mapping[str, Any]) -> str:
    """Return one instance and its history."""
    name = escape(found["instanceId"])
    facts = ("name", "runtimeStatus", "createdTime", "lastUpdatedTime", "customStatus", "input", "output")
    known = [(fact, found[fact]) for fact in facts if found.get(fact) is not None]
    title = f"<h1><a href='/'>localcloud</a> / <a href='/instances'>instances</a> / {name}</h1>"
    history = map(_event, found.get("historyEvents") or ())
    tables = _section("", ("", ""), known) + _section("History", ("when", "what", "", "details"), history)
    return _document(found["instanceId"], [title, f"<div class=facts>{tables}</div>"])


def folder(path: str, entries: Sequence[Mapping[str, Any]], *, more: bool) -> str:
    """Return the view of one folder of the lake."""
    parts = path.split("/") if path else []
    crumbs = ["<a href='/'>localcloud</a>", "<a href='/files/'>lake</a>"]
    crumbs += [f"<a href='{_link('/'.join(parts[: n + 1]))}/'>{escape(part)}</a>" for n, part in enumerate(parts)]
    rows = (_entry(path, one) for one in entries)
    content = _section("", ("name", "bytes", "modified", "permissions"), rows)
    cut = f"<p class=quiet>The first {len(entries)}; there are more.</p>" if more else ""
    return _document(path or "lake", [f"<h1>{' / '.join(crumbs)}</h1>", content, cut])


class _Raw(str):
    """Text that is HTML already."""

    __slots__ = ()


def _document(title: str, sections: Iterable[str]) -> str:
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(sections)}</body></html>"


def _section(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows]
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    if not lines:
        return f"{heading}<p class=quiet>None.</p>"
    header = "".join(f"<th>{escape(head)}</th>" for head in heads)
    return f"{heading}<table><tr>{header}</tr>{''.join(lines)}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, _Raw):
        return value
    return escape(json.dumps(value) if isinstance(value, dict) else str(value))


def _service(service: Mapping[str, Any]) -> Sequence[Any]:
    health = "answers" if service["healthy"] else _Raw(f"<span class=bad>{escape(service['problem'])}</span>")
    return service["name"], service["address"], health


def _counters(subscriptions: Mapping[str, Mapping[str, int]]) -> Iterable[Sequence[str]]:
    return (
        (name, ", ".join(f"{count} {what}" for what, count in counts.items())) for name, counts in subscriptions.items()
    )


def _switched_on(events: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in events["switches"].items() if value and (name, value) != ("duplicate", 1)]


def _fault(rule: Mapping[str, Any]) -> Sequence[Any]:
    shown = {name: value for name, value in rule.items() if name not in ("id", "matched", "fired")}
    return rule["id"], rule["matched"], rule["fired"], shown


def _try(one: Mapping[str, Any]) -> Sequence[Any]:
    """One event that was sent: how that ended, and what followed unless it was delivered."""
    end = f"{one['outcome']} {one['status'] or ''}".strip()
    then = "" if one["then"] == "delivered" else f", {one['then']}"
    outcome = _cell(end + then) if one["then"] == "delivered" else f"<span class=bad>{escape(end + then)}</span>"
    return _time(one["when"]), *_delivery(one), one["attempt"], _Raw(outcome)


def _waiting(one: Mapping[str, Any]) -> Sequence[Any]:
    """One event that is still to be sent: since when it waits for what."""
    state = f"{one['state']}, {one['outcome']}" if one["outcome"] else one["state"]
    return _time(one["due"]), *_delivery(one), one["attempts"], state


def _delivery(one: Mapping[str, Any]) -> Sequence[Any]:
    names = (_Raw(escape(one[key]).replace(".", ".<wbr>").replace("/", "/<wbr>")) for key in ("type", "subject"))
    return one["subscription"], *names, one["destination"]


def _time(moment: str) -> _Raw:
    """A moment by the cloud's clock, in UTC as all of them are."""
    return _Raw(f"<time>{escape(moment.replace('T', ' ').removesuffix('+00:00'))}</time>")


def _struck(one: Mapping[str, Any]) -> Sequence[Any]:
    """One fault that fired."""
    where = " ".join(one[key] for key in ("phase", "service", "operation", "name", "caller") if one[key])
    who = f"{one['process']} {one['pid']}"
    return _time(one["when"]), f"{one['fault']} (seed {one['seed']})", who, where, one["action"]


def _request(one: Mapping[str, Any]) -> Sequence[Any]:
    what = f"{one['method']} {one['path']} {one['operation']}"
    return _time(one["when"]), one["service"], what, one["status"], one["milliseconds"], one["caller"]


def _status(status: str) -> str:
    return f"<span class=bad>{escape(status)}</span>" if status in ("Failed", "Terminated") else escape(status)


def _event(one: Mapping[str, Any]) -> Sequence[Any]:
    """One event of a history: its details are whatever the event has beside time, type and name."""
    named = ("Timestamp", "EventType", "FunctionName", "Name")
    details = ", ".join(f"{key} {value}" for key, value in one.items() if key not in named and value not in (None, ""))
    what = (
        _Raw(f"<span class=bad>{escape(one['EventType'])}</span>") if "Failed" in one["EventType"] else one["EventType"]
    )
    return one["Timestamp"], what, one.get("FunctionName") or one.get("Name") or "", details


def _entry(path: str, entry: Mapping[str, Any]) -> Sequence[Any]:
    name = escape(entry["name"] + ("/" if entry["is_directory"] else ""))
    address = _link("/".join(part for part in (path, entry["name"]) if part))
    link = _Raw(f"<a href='{address}'>{name}</a>")
    length = "" if entry["is_directory"] else entry["length"]
    return link, length, entry["modified"], entry["permissions"]


def _offset(seconds: float) -> str:
    return f" ({seconds:+.0f} s from real time)" if abs(seconds) >= 1 else ""


def _link(path: str) -> str:
    return f"/files/{quote(path)}"
