"""Foretell how late each flight out of New York arrives: train on the first 70 % of a month's days, score the rest.

The same inputs give the same bytes: one thread, a fixed seed, sorted rows, no time stamps.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import evaluation
import features
import joblib
import pandas as pd
import plot
import sklearn
import tables
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

LEARNING = {
    "loss": "absolute_error",  # the median: a few flights are hours late, and would draw a mean away from all others
    "max_iter": 200,
    "learning_rate": 0.03,
    "max_leaf_nodes": 8,  # small trees and large leaves: three weeks of weather are few different days
    "min_samples_leaf": 200,
    "l2_regularization": 10,
    "early_stopping": False,  # would set flights aside at random, across days
    "random_state": 0,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the job; return 0, or 1 with one line on stderr when an input is missing or malformed."""
    given = _parser().parse_args(arguments)
    try:
        with threadpool_limits(1):
            run(given)
    except tables.BadInputError as problem:
        print(f"train.py: {problem}", file=sys.stderr)
        return 1
    return 0


def run(given: argparse.Namespace) -> None:
    """Read the inputs, train, score, judge, and write the four outputs."""
    flights = tables.flights(given.flights)
    known = features.build(flights, tables.weather(given.weather), tables.planes(given.planes))
    if known["temp"].isna().all():
        raise tables.BadInputError(f"{given.weather}: has none of the hours in which the flights were to leave")
    learned = _learned_from(flights, given.flights)

    model = fit(known[learned], flights.loc[learned, "arr_delay"])
    asked = flights["day"] > flights.loc[learned, "day"].max()
    scores = score(model, known[asked], flights[asked], flights[learned])
    metrics = evaluation.metrics(flights, scores, flights[learned])

    for folder in (given.scores, given.model, given.metrics, given.plot):
        folder.mkdir(parents=True, exist_ok=True)
    scores.to_parquet(given.scores / f"{metrics['month']}.parquet", index=False)
    joblib.dump(model, given.model / "model.joblib")
    _write_json(given.model / "model.json", card(metrics))
    _write_json(given.metrics / "metrics.json", metrics)
    plot.save(scores, metrics["month"], given.plot / "delay.png")
    print(_summary(metrics))


def fit(known: pd.DataFrame, delays: pd.Series) -> Pipeline:
    """Train on the columns of `features`; `delays` in minutes. Carriers or places met later count as missing."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
    columns = ColumnTransformer([("codes", codes, features.CATEGORIES)], remainder="passthrough")
    trees = HistGradientBoostingRegressor(categorical_features=range(len(features.CATEGORIES)), **LEARNING)
    return Pipeline([("columns", columns), ("trees", trees)]).fit(known, delays)


def score(model: Pipeline, known: pd.DataFrame, asked: pd.DataFrame, learned: pd.DataFrame) -> pd.DataFrame:
    """Return the forecast for each flight in `asked` (rows as in `known`), in the order of the timetable.

    Cancelled and diverted flights are scored as well; their actual delay is missing.
    """
    return pd.DataFrame(
        {
            "day": asked["date"].astype("datetime64[ms]"),
            "departure_utc": asked["departure"].astype("datetime64[ms, UTC]"),
            "hour": (asked["sched_dep_time"] // 100).astype("int32"),
            "origin": asked["origin"],
            "dest": asked["dest"],
            "carrier": asked["carrier"],
            "flight": asked["flight"],
            "tailnum": asked["tailnum"],
            "predicted_delay_min": model.predict(known).round(3),
            "baseline_delay_min": evaluation.baseline(learned, asked),
            "actual_delay_min": asked["arr_delay"],
        }
    )


def card(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what a person needs to use model.joblib: columns in order, library version, what it has learned from."""
    return {
        "foretells": "arrival delay in minutes, the median",
        "numbers": features.NUMBERS,
        "categories": features.CATEGORIES,
        "scikit_learn": sklearn.__version__,
        "parameters": LEARNING,
        "month": metrics["month"],
        "trained": metrics["trained"],
    }


def _learned_from(flights: pd.DataFrame, folder: Path) -> pd.Series:
    """Tell for each flight whether it is learned from: it arrived, within the first part of the month."""
    if flights["day"].nunique() < 2:
        raise tables.BadInputError(f"{folder}: flights of one day only; a split in time needs two at least")
    last = evaluation.last_training_day(flights["day"])
    learned = (flights["day"] <= last) & flights["arr_delay"].notna()
    if not learned.any() or flights.loc[flights["day"] > last, "arr_delay"].isna().all():
        raise tables.BadInputError(f"{folder}: no arrivals on one side of the split after day {last}")
    return learned


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _summary(metrics: dict[str, Any]) -> str:
    model, base = metrics["model"], metrics["baseline"]
    return (
        f"{metrics['month']}: {metrics['scored']['flights']} flights scored, mean absolute error "
        f"{model['mae_min']:.2f} min (baseline {base['mae_min']:.2f})"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train on the first part of a month, score the rest.")
    for name, text in (
        ("flights", "folder with the month's flights (CSV)"),
        ("weather", "folder with hourly weather (CSV), the month's days at least"),
        ("planes", "folder with the facts of each aircraft (CSV)"),
        ("scores", "folder to write <month>.parquet to"),
        ("model", "folder to write model.joblib and model.json to"),
        ("metrics", "folder to write metrics.json to"),
        ("plot", "folder to write delay.png to"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
