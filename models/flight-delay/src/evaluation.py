"""How good is a forecast? A split in time, a baseline that must be beaten, and the errors of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error, roc_auc_score, root_mean_squared_error

TRAINED_SHARE = 0.7  #: of the month's days, the first ones
LATE_MIN = 15  #: the industry's usual limit

#: Errors are told to a ten-thousandth of a minute.
DIGITS = 4


def last_training_day(days: pd.Series) -> int:
    """Return the last day of the month to train on: with 31 days the 21st. `days` has at least two different ones."""
    different = sorted(days.unique())
    return int(different[max(1, int(len(different) * TRAINED_SHARE)) - 1])


def baseline(known: pd.DataFrame, asked: pd.DataFrame) -> np.ndarray:
    """Foretell for each row of `asked` the median delay of its carrier and scheduled hour among the `known` flights.

    A pair that is not known gets the median of all. Returns minutes, one for each row.
    """
    medians = known.groupby([known["carrier"], known["sched_dep_time"] // 100])["arr_delay"].median()
    pairs = pd.MultiIndex.from_arrays([asked["carrier"], asked["sched_dep_time"] // 100])
    return medians.reindex(pairs).fillna(known["arr_delay"].median()).to_numpy()


def errors(actual: np.ndarray, forecast: np.ndarray) -> dict[str, float | None]:
    """Return mean absolute and root mean squared error (minutes), and how well the forecast ranks late flights.

    `late_auc` is the chance that a late flight was given the greater delay of a late and a punctual one; None if all
    flights, or none, were late.
    """
    late = actual >= LATE_MIN
    return {
        "mae_min": round(float(mean_absolute_error(actual, forecast)), DIGITS),
        "rmse_min": round(float(root_mean_squared_error(actual, forecast)), DIGITS),
        "late_auc": round(float(roc_auc_score(late, forecast)), DIGITS) if 0 < late.mean() < 1 else None,
    }


def metrics(flights: pd.DataFrame, scores: pd.DataFrame, trained: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics document, ready for JSON.

    `flights`: the whole month; `trained`: those learned from; `scores`: the scored ones with their forecasts. Only
    flights that arrived can be judged.
    """
    judged = scores.dropna(subset="actual_delay_min")
    actual = judged["actual_delay_min"].to_numpy()
    model = errors(actual, judged["predicted_delay_min"].to_numpy())
    base = errors(actual, judged["baseline_delay_min"].to_numpy())
    return {
        "month": f"{flights['year'].iloc[0]}-{flights['month'].iloc[0]:02}",
        "flights": len(flights),
        "trained": {
            "first_day": int(trained["day"].min()),
            "last_day": int(trained["day"].max()),
            "flights": len(trained),
        },
        "scored": {
            "first_day": int(scores["day"].dt.day.min()),
            "last_day": int(scores["day"].dt.day.max()),
            "flights": len(scores),
            "judged": len(judged),
        },
        "late_share": round(float((actual >= LATE_MIN).mean()), DIGITS),
        "model": model,
        "baseline": base,
        "mae_reduction": round(1 - model["mae_min"] / base["mae_min"], DIGITS),
        "rmse_reduction": round(1 - model["rmse_min"] / base["rmse_min"], DIGITS),
        "beats_baseline": model["mae_min"] < base["mae_min"],
    }
