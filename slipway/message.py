"""What people are told of an incident: one message, which every destination puts into its own words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slipway.incident import Incident
from slipway.remedies import Remedy, remedies
from slipway.subject import Subject

#: What an incident's record holds for itself.
BOOKKEEPING = ("to", "told", "routing", "writer", "schema")
#: How many of the models that wait are named.
MOST_NAMED = 20


@dataclass(frozen=True)
class Message:
    """An incident's present state, and all that a person needs to begin.

    `links` lead into the app's pages and API, by name; `source` names the installation that tells it.
    """

    incident: Incident
    links: dict[str, str]
    remedies: list[Remedy]
    source: str

    @property
    def severity(self) -> str:
        """How loud it is; records of before there were severities are a warning."""
        return str(self.incident.get("severity") or "warning")

    @property
    def title(self) -> str:
        """One line for a list of incidents."""
        message = self.incident["message"].splitlines()[0] if self.incident["message"] else self.incident["code"]
        return f"{Subject.of(self.incident)}: {message[:160]}"

    @property
    def text(self) -> str:
        """A line each: what happened, where, what was tried, what to do first, who waits, commands, links."""
        return "\n".join([self.incident["message"], *(f"{name}: {line}" for name, line in self._lines() if line)])

    def _lines(self) -> Iterator[tuple[str, str | None]]:
        told = self.incident
        yield "Part of", told.get("part_of")
        if on_it := told.get("acknowledged"):
            yield "On it", f"{on_it['by']}: {on_it['reason']}"
        yield "Where", ", ".join(f"{name} {told[name]}" for name in ("step", "run", "attempt", "job") if told[name])
        first = told.get("first")
        if first and (first["code"], first["message"]) != (told["code"], told["message"]):
            yield "First error", f"{first['code']}: {first['message']}"
        yield "Tried", told["tried"]
        yield "First", told["first_step"]
        yield "Due", told.get("due")
        yield "Waiting", waiting(told)
        yield "Log", told["log"]
        yield from ((name.capitalize(), link) for name, link in self.links.items())
        if told["status"] == "open":
            yield from ((remedy.what.capitalize(), remedy.command) for remedy in self.remedies)

    def to_document(self) -> dict[str, Any]:
        """The message as one JSON document: the incident without the record's own bookkeeping, and what is added."""
        shown = {name: value for name, value in self.incident.items() if name not in BOOKKEEPING}
        commands = [remedy._asdict() for remedy in self.remedies] if self.incident["status"] == "open" else []
        return {**shown, "title": self.title, "text": self.text, "links": self.links, "commands": commands}


def message(incident: Incident, source: str, base: str | None = None, environment: str | None = None) -> Message:
    """The message of an incident. `base` is the app's public URL, `environment` its entry in environments.yaml."""
    return Message(incident, links(incident, base) if base else {}, remedies(incident, environment), source)


def links(incident: Incident, base: str) -> dict[str, str]:
    """Where a person reads on, by what it is."""
    about, run = Subject.of(incident), incident.get("run")
    found = {"incident": f"{base}/dashboard/incidents/{about.key}"}
    if about.period is not None:
        found["period"] = f"{base}/dashboard/models/{about.model}/periods/{about.period}"
    elif about.backfill is not None:
        found["backfill"] = f"{base}/dashboard/backfills/{about.backfill}"
    elif about.model is not None:
        found["model"] = f"{base}/dashboard/models/{about.model}"
    if run:
        found |= {"run": f"{base}/dashboard/runs/{run}", "history": f"{base}/api/runs/{run}/history"}
        found |= {"output": f"{base}/api/runs/{run}/log"} if incident["job"] else {}
    return found


def waiting(incident: Incident) -> str | None:
    """The models that wait for the outputs, the first of them by name; None where nobody does."""
    names = incident.get("waiting") or []
    rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + rest if names else None
