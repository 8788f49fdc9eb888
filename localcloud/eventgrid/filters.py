"""Which events a subscription wants: types, subject, advanced filters.

Source: Understand event filtering for Event Grid subscriptions. Values within one filter are ORed, filters are ANDed,
texts are compared without case; a key that is missing fails the positive operators and passes the negative ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localcloud.config import Subscription
from localcloud.eventgrid.operators import AdvancedFilter
from localcloud.eventgrid.schemas import Event, convert, event_type

_ABSENT = object()
Test = Callable[[Any, Any], bool]


def wants(subscription: Subscription, event: Event, accepted: str = "") -> bool:
    """Say whether ``subscription`` is to get ``event``, which was ``accepted`` at that moment."""
    if subscription.types and event_type(event) not in subscription.types:
        return False
    delivered = convert(event, subscription.schema_, accepted)
    return _subject_fits(subscription, str(delivered.get("subject") or "")) and all(
        passes(one, delivered) for one in subscription.advanced_filters
    )


def passes(one: AdvancedFilter, event: Event) -> bool:
    """Say whether ``event``, in the subscription's schema, passes one advanced filter."""
    value = _value(event, one.key)
    if one.operator_type == "IsNullOrUndefined":
        return value is _ABSENT or value is None
    if one.operator_type == "IsNotNull":
        return value is not _ABSENT and value is not None
    wanted = one.values or [one.value]
    if one.operator_type in _NEGATED:
        return not _any(_POSITIVE[_NEGATED[one.operator_type]], value, wanted)
    return _any(_POSITIVE[one.operator_type], value, wanted)


def _any(test: Test, value: Any, wanted: list[Any]) -> bool:
    if value is _ABSENT or value is None:
        return False
    return any(test(value, one) for one in wanted)


def _subject_fits(subscription: Subscription, subject: str) -> bool:
    begin, end = subscription.subject_begins_with, subscription.subject_ends_with
    if not subscription.subject_case_sensitive:
        subject, begin, end = subject.casefold(), begin.casefold(), end.casefold()
    return subject.startswith(begin) and subject.endswith(end)


def _value(event: Event, key: str) -> Any:
    """Follow ``data.a.b``; names at the top are found whatever their case, as Azure documents both forms."""
    first, *rest = key.split(".")
    value: Any = next((v for name, v in event.items() if name.casefold() == first.casefold()), _ABSENT)
    for name in rest:
        value = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
    return value


def _number(test: Test) -> Test:
    def compare(value: Any, wanted: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and test(value, wanted)

    return compare


def _text(test: Test) -> Test:
    def compare(value: Any, wanted: Any) -> bool:
        return isinstance(value, str) and test(value.casefold(), str(wanted).casefold())

    return compare


_POSITIVE: dict[str, Test] = {
    "NumberIn": _number(lambda value, wanted: value == wanted),
    "NumberLessThan": _number(lambda value, wanted: value < wanted),
    "NumberLessThanOrEquals": _number(lambda value, wanted: value <= wanted),
    "NumberGreaterThan": _number(lambda value, wanted: value > wanted),
    "NumberGreaterThanOrEquals": _number(lambda value, wanted: value >= wanted),
    "NumberInRange": _number(lambda value, wanted: wanted[0] <= value <= wanted[1]),
    "BoolEquals": lambda value, wanted: isinstance(value, bool) and value == wanted,
    "StringIn": _text(lambda value, wanted: value == wanted),
    "StringContains": _text(lambda value, wanted: wanted in value),
    "StringBeginsWith": _text(lambda value, wanted: value.startswith(wanted)),
    "StringEndsWith": _text(lambda value, wanted: value.endswith(wanted)),
}
_NEGATED = {
    "NumberNotIn": "NumberIn",
    "NumberNotInRange": "NumberInRange",
    "StringNotIn": "StringIn",
    "StringNotContains": "StringContains",
    "StringNotBeginsWith": "StringBeginsWith",
    "StringNotEndsWith": "StringEndsWith",
}
