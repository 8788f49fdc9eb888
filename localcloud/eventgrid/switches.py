"""What tests and demos may do to events: drop, duplicate, shuffle, delay, hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any


class SwitchError(ValueError):
    """A switch does not exist or cannot have that value."""


@dataclass(frozen=True)
class Switches:
    """How events are treated between their source and the subscriptions; the defaults change nothing.

    ``off`` drops (and counts) them; ``duplicate`` is how many times each is delivered in all; ``shuffle`` delays each
    by a chance of up to so many seconds, so that their order is lost; ``delay`` adds seconds of the cloud's clock;
    ``hold`` keeps all back until it is switched off. ``retry_unauthorized`` tries again after a webhook's 401 or 403,
    as an older page of the documentation said; today's says that they are final. ``seed`` drives the chances.
    """

    off: bool = False
    duplicate: int = 1
    shuffle: float = 0.0
    delay: float = 0.0
    hold: bool = False
    retry_unauthorized: bool = False
    seed: int = 0

    def changed(self, document: object) -> Switches:
        """Return the switches with those of ``document`` changed; raises :class:`SwitchError`."""
        if not isinstance(document, dict):
            raise SwitchError('switches are an object, e.g. {"off": true}')
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        if unknown := set(document) - set(kinds):
            raise SwitchError(f"no switch {sorted(unknown)[0]!r}; known: {', '.join(kinds)}")
        changed = replace(self, **{name: _value(name, kinds[name], value) for name, value in document.items()})
        if not 1 <= changed.duplicate <= 100 or changed.shuffle < 0 or changed.delay < 0:
            raise SwitchError("duplicate is 1 to 100; shuffle and delay are seconds, not below 0")
        return changed

    def document(self) -> dict[str, Any]:
        """Return the switches as plain JSON."""
        return asdict(self)


def _value(name: str, kind: type, value: object) -> bool | int | float:
    right = isinstance(value, bool) if kind is bool else isinstance(value, int | float) and not isinstance(value, bool)
    if not right:
        raise SwitchError(f"{name} is a {kind.__name__}, not {value!r}")
    return kind(value)  # type: ignore[no-any-return]
