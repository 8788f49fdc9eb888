"""The report's numbers: scores by day, carrier and hour, weather by day. No files and no pictures in here."""

from __future__ import annotations

import pandas as pd

LATE_MIN = 15  #: the industry's usual limit

#: A carrier or hour with fewer arrivals than this says more about chance than about delays.
FEWEST_ARRIVALS = 30


def by_day(scores: pd.DataFrame, hours: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each day that has weather or scores, sorted by `day`; what a day lacks is missing.

    Columns: flights scored and arrived, `late_share`, medians and errors in minutes (see `judged`), rain and snow
    as inches of water (mean of the airports), strongest wind in mph, worst visibility in miles, share of the hours
    observed.
    """
    scored = scores.groupby("day").agg(scored=("flight", "size")).astype("Int64")
    return scored.join(judged(scores, "day")).join(weather(hours), how="outer").sort_index().reset_index()


def by_carrier(scores: pd.DataFrame) -> pd.DataFrame:
    """Return `judged` by carrier, most arrivals first; carriers with few arrivals are left out."""
    return _enough(judged(scores, "carrier")).sort_values(["arrived", "carrier"], ascending=[False, True]).reset_index()


def by_hour(scores: pd.DataFrame) -> pd.DataFrame:
    """Return `judged` by scheduled hour of departure, local; hours with few arrivals are left out."""
    return _enough(judged(scores, "hour")).reset_index()


def judged(scores: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return arrivals, share of late ones, median delays and mean absolute errors (minutes) by a column."""
    arrived = scores.dropna(subset="actual_delay_min")
    arrived = arrived.assign(
        late=arrived["actual_delay_min"] >= LATE_MIN,
        model_error=(arrived["predicted_delay_min"] - arrived["actual_delay_min"]).abs(),
        baseline_error=(arrived["baseline_delay_min"] - arrived["actual_delay_min"]).abs(),
    )
    return (
        arrived.groupby(key)
        .agg(
            arrived=("late", "size"),
            late_share=("late", "mean"),
            actual_median_min=("actual_delay_min", "median"),
            predicted_median_min=("predicted_delay_min", "median"),
            baseline_median_min=("baseline_delay_min", "median"),
            model_mae_min=("model_error", "mean"),
            baseline_mae_min=("baseline_error", "mean"),
        )
        .astype({"arrived": "Int64"})
    )


def weather(hours: pd.DataFrame) -> pd.DataFrame:
    """Return each day's rain, strongest wind, worst visibility and share of observed hours, over all airports."""
    strongest = hours[["wind_speed_mph", "wind_gust_mph"]].max(axis="columns")
    rain = hours.groupby(["day", "origin"])["precipitation_in"].sum(min_count=1).groupby("day").mean()
    days = hours.assign(strongest=strongest).groupby("day")
    return pd.DataFrame(
        {
            "rain_in": rain,
            "wind_mph": days["strongest"].max(),
            "visibility_mi": days["visibility_mi"].min(),
            "hours_observed": days["observed"].mean(),
        }
    )


def totals(scores: pd.DataFrame) -> dict[str, float]:
    """Return the headline: flights scored and arrived, share of late ones, errors of model and baseline in minutes."""
    whole = judged(scores.assign(all=0), "all").iloc[0]
    names = ("arrived", "late_share", "model_mae_min", "baseline_mae_min")
    return {"scored": len(scores), **{name: float(whole[name]) for name in names}}


def _enough(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["arrived"] >= FEWEST_ARRIVALS]
