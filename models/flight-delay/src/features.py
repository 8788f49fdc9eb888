"""From the three inputs to what the model sees: facts known before a flight's day, and the weather of its hour."""

from __future__ import annotations

import pandas as pd

NUMBERS = (
    "minute_of_day",  # scheduled departure, local
    "arrival_minute_of_day",  # scheduled arrival, local at the destination
    "distance",  # miles
    "departures_that_hour",  # scheduled from the same airport in the same hour
    "built",
    "seats",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "pressure",
    "rain_3h",
    "gust_3h",
    "visibility_3h",
)
CATEGORIES = ("carrier", "origin", "dest")


def build(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each flight, in the order given, with the columns `NUMBERS` (float, may be missing) and
    `CATEGORIES` (text).

    The tables are those of `tables`. The weather is what was observed at the airport in the hour of the scheduled
    departure: a stand-in for the forecast of that hour, which the example data do not have.
    """
    known = flights.assign(hour=flights["time_hour"])
    known = known.merge(recent(weather), on=["origin", "hour"], how="left", validate="many_to_one")
    known = known.merge(planes, on="tailnum", how="left", validate="many_to_one")
    known["minute_of_day"] = _minutes(known["sched_dep_time"])
    known["arrival_minute_of_day"] = _minutes(known["sched_arr_time"])
    known["departures_that_hour"] = known.groupby(["origin", "hour"])["flight"].transform("size")
    return known[[*NUMBERS, *CATEGORIES]].astype(dict.fromkeys(NUMBERS, "float64"))


def recent(weather: pd.DataFrame) -> pd.DataFrame:
    """Add what the last three hours brought: rain in all (inches), strongest gust (mph), worst visibility (miles).

    This is what the days before the month are for: the first hours of its first day look back into them.
    """
    hours = weather.assign(wind_gust=weather["wind_gust"].fillna(0))
    last = hours.groupby("origin").rolling("3h", on="hour")
    spans = pd.DataFrame(
        {
            # Stations report hundredths. A running sum keeps a rest of all that fell before, in its last digits.
            "rain_3h": last["precip"].sum().round(2),
            "gust_3h": last["wind_gust"].max(),
            "visibility_3h": last["visib"].min(),
        }
    )
    return hours.merge(spans.reset_index(), on=["origin", "hour"], how="left", validate="one_to_one")


def _minutes(clock: pd.Series) -> pd.Series:
    """Turn 1359, the way timetables write 13:59, into minutes since midnight."""
    return clock // 100 * 60 + clock % 100
