"""Which periods of a dataset a run reads, and, the other way, which runs read a period of a dataset. Pure.

Both directions stand here side by side, since one must be the exact inverse of the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from slipway.definition import Definition, Window
from slipway.period import Cadence, Period, containing, first_ending, last_ended, span, window, within

_SHORTEST_FIRST = tuple(Cadence)


def periods_read(definition: Definition, name: str, period: Period) -> list[Period]:
    """The periods of the input `name` that the run for `period` reads, earliest first; none if the input is static.

    With `max_age` these are the periods of which one will be chosen.
    """
    cadence, zone = definition.input_cadence(name), definition.zone
    if cadence is None:
        return []
    if definition.inputs[name].periods == "within":
        return within(period, cadence, zone)
    return window(period, cadence, zone, *_bounds(definition, name))


def periods_read_between(definition: Definition, name: str, first: Period, last: Period) -> Iterable[Period]:
    """The periods of the input `name` that the runs from `first` to `last` read between them, each once.

    The cost grows with the number of periods, not with the width of the windows, which overlap from run to run.
    """
    cadence, zone = definition.input_cadence(name), definition.zone
    if cadence is None:
        return ()
    if definition.inputs[name].periods == "within":
        start, end = first.interval(zone).start, last.interval(zone).end
        return span(containing(cadence, start, zone), last_ended(cadence, end, zone))
    if _SHORTEST_FIRST.index(cadence) < _SHORTEST_FIRST.index(definition.cadence):
        # Between the windows of two months may lie days that neither reads.
        return {read for run in span(first, last) for read in periods_read(definition, name, run)}
    return span(periods_read(definition, name, first)[0], periods_read(definition, name, last)[-1])


def runs_reading(definition: Definition, name: str, dataset_period: Period) -> tuple[Period, Period]:
    """The first and the last period of the model whose run reads `dataset_period` through the input `name`.

    The span may be empty (the last before the first), and is not cut to the model's own first and last period.
    Raises ValueError for a period that the input does not have. Raises PeriodError at the end of all years.
    """
    cadence, zone = definition.input_cadence(name), definition.zone
    if cadence is not dataset_period.cadence:
        raise ValueError(f"input {name} of {definition.name} has no period {dataset_period}")
    if definition.inputs[name].periods == "within":
        end = dataset_period.interval(zone).end
        outer = first_ending(definition.cadence, end, zone)
        return outer, outer
    # Period 0 of such a run lies between `dataset_period - to` and `dataset_period - from`, and is the last to end
    # at or before the run's period does: this bounds the end of the run's period on both sides.
    from_, to = _bounds(definition, name)
    earliest = dataset_period.shift(-to).interval(zone).end
    too_late = dataset_period.shift(1 - from_).interval(zone).end
    return first_ending(definition.cadence, earliest, zone), first_ending(definition.cadence, too_late, zone).shift(-1)


def _bounds(definition: Definition, name: str) -> tuple[int, int]:
    """The window of an input, widened by the periods that `max_age` may fall back to."""
    input_ = definition.inputs[name]
    chosen = input_.periods if isinstance(input_.periods, Window) else Window()
    return chosen.from_ - (input_.max_age or 0), chosen.to
