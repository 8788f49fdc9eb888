"""The report as one HTML page: no script, no request to anywhere, pictures inside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path
from string import Template

import charts
import pandas as pd
import summaries

TEMPLATE = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))

ACTUAL, MODEL, BASELINE = ("actual", "actual"), ("model", "model"), ("baseline", "baseline")  # name, style

#: Column of the table by days: its heading, and how its values are written.
TABLE = {
    "scored": ("Flights scored", ".0f"),
    "arrived": ("Arrived", ".0f"),
    "late_share": ("Late", ".0%"),
    "actual_median_min": ("Median delay, min", ".0f"),
    "predicted_median_min": ("Predicted, min", ".1f"),
    "model_mae_min": ("Error, model", ".1f"),
    "baseline_mae_min": ("Error, baseline", ".1f"),
    "rain_in": ("Rain, inches", ".2f"),
    "wind_mph": ("Wind, mph", ".0f"),
    "visibility_mi": ("Visibility, miles", ".1f"),
    "hours_observed": ("Hours seen", ".0%"),
}


def render(month: date, scores: pd.DataFrame, days: pd.DataFrame) -> str:
    """Return the page. `scores`: a month of flight-delay's; `days`: their summary with the weather (`by_day`)."""
    totals = summaries.totals(scores)
    scored = days.dropna(subset="scored")
    return TEMPLATE.substitute(
        month=f"{month:%B %Y}",
        headline=_headline(totals),
        scope=_scope(scored, days),
        tiles=_tiles(totals),
        sections="\n".join(
            [
                _delay_by_day(scored),
                _error_by_day(scored),
                _weather(days),
                _delay_by_hour(scores),
                _error_by_carrier(scores),
            ]
        ),
        table=_table(days),
        late=summaries.LATE_MIN,
    )


def _headline(totals: dict[str, float]) -> str:
    model, baseline = totals["model_mae_min"], totals["baseline_mae_min"]
    gain = 1 - model / baseline
    verdict = "better" if gain > 0 else "worse"
    return (
        f"The forecasts were off by <strong>{model:.1f} minutes</strong> on average; the baseline by {baseline:.1f}. "
        f"That is {abs(gain):.1%} {verdict}."
    )


def _scope(scored: pd.DataFrame, days: pd.DataFrame) -> str:
    first, last = scored["day"].iloc[0], scored["day"].iloc[-1]
    return (
        f"Scored are the days {first.day} to {last.day}, which the model had not seen: it learned from those before. "
        f"The weather is that of {len(days)} days; {days['hours_observed'].mean():.1%} of its hours were observed."
    )


def _tiles(totals: dict[str, float]) -> str:
    facts = {
        "Flights scored": f"{totals['scored']:,}",
        "Arrivals judged": f"{totals['arrived']:,.0f}",
        f"Late by {summaries.LATE_MIN} min or more": f"{totals['late_share']:.1%}",
        "Mean absolute error": f"{totals['model_mae_min']:.1f} min",
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())


def _delay_by_day(scored: pd.DataFrame) -> str:
    series = _series(
        scored, {"actual_median_min": ACTUAL, "predicted_median_min": MODEL, "baseline_median_min": BASELINE}
    )
    title, text = "Typical delay by day", "Median arrival delay of each scored day; below zero is early."
    return _section(title, text, _key(series), charts.lines("delay-day", title, text, _days(scored), series, "min"))


def _error_by_day(scored: pd.DataFrame) -> str:
    series = _series(scored, {"model_mae_min": MODEL, "baseline_mae_min": BASELINE})
    title, text = "Error by day", "Mean absolute error of each scored day, in minutes; lower is better."
    return _section(title, text, _key(series), charts.lines("error-day", title, text, _days(scored), series, "min"))


def _weather(days: pd.DataFrame) -> str:
    names = {
        "rain_in": ("Rain and snow, inches of water (mean of the airports)", "weather"),
        "wind_mph": ("Strongest wind or gust, mph", "weather"),
        "visibility_mi": ("Worst visibility, miles", "weather"),
    }
    positions = [n for n, scored in enumerate(days["scored"].notna()) if scored]
    shaded = range(positions[0], positions[-1] + 1)
    title, text = "Weather of the month", "All three airports; the days that were scored are shaded."
    return _section(title, text, "", charts.columns("weather", title, text, _days(days), _series(days, names), shaded))


def _delay_by_hour(scores: pd.DataFrame) -> str:
    hours = summaries.by_hour(scores)
    if hours.empty:
        return ""
    series = _series(
        hours, {"actual_median_min": ACTUAL, "predicted_median_min": MODEL, "baseline_median_min": BASELINE}
    )
    title, text = "Typical delay by hour", "Median arrival delay in minutes by scheduled hour of departure, local time."
    labels = [f"{hour:02}" for hour in hours["hour"]]
    return _section(title, text, _key(series), charts.lines("delay-hour", title, text, labels, series, "min"))


def _error_by_carrier(scores: pd.DataFrame) -> str:
    carriers = summaries.by_carrier(scores)
    if carriers.empty:
        return ""
    series = _series(carriers, {"model_mae_min": MODEL, "baseline_mae_min": BASELINE})
    title = "Error by carrier"
    text = f"Mean absolute error of carriers with {summaries.FEWEST_ARRIVALS} arrivals or more, the largest first."
    return _section(
        title, text, _key(series), charts.pairs("carrier", title, text, [*carriers["carrier"]], series, "min")
    )


def _series(table: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> list[charts.Series]:
    """Return columns of a table as series of a chart, named and styled as given; what is missing is a gap."""
    return [
        charts.Series(name, style, [None if pd.isna(value) else float(value) for value in table[column]])
        for column, (name, style) in columns.items()
    ]


def _days(days: pd.DataFrame) -> list[str]:
    return [str(day.day) for day in days["day"]]


def _key(series: Sequence[charts.Series]) -> str:
    return "".join(
        f'<span class="key"><svg aria-hidden="true" viewBox="0 0 28 10">'
        f'<line class="{one.style}" x1="0" x2="28" y1="5" y2="5"/></svg>{escape(one.name)}</span>'
        for one in series
    )


def _section(title: str, text: str, key: str, chart: str) -> str:
    return f'<h2>{title}</h2>\n<p>{text}</p>\n<figure tabindex="0"><figcaption>{key}</figcaption>{chart}</figure>'


def _table(days: pd.DataFrame) -> str:
    head = "".join(
        f'<th scope="col">{heading}</th>' for heading in ("Day", *(heading for heading, _ in TABLE.values()))
    )
    body = "\n".join(
        f'<tr><th scope="row">{row["day"]}</th>'
        + "".join(f"<td>{_cell(row[column], spec)}</td>" for column, (_, spec) in TABLE.items())
        + "</tr>"
        for _, row in days.iterrows()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _cell(value: float, spec: str) -> str:
    return "" if pd.isna(value) else f"{value:{spec}}".replace("-", "\N{MINUS SIGN}")
