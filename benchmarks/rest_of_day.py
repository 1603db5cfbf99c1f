"""The rest of the day by hours ahead: its error beside the mean of the same weekday, and the coverage of its band.

    python benchmarks/rest_of_day.py [--sets chicago-zones-october,beijing] [--roots FOLDER]

An origin every two hours; bins of a quarter of an hour (20 minutes in Beijing) that were wholly observed. `--roots`
holds one data root per set, made before; without it every set is ingested first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from accuracy import SETS, Set, configure
from common import save

from tasks.arrays import Float
from tasks.features.steps import load_features
from tasks.features.tensors import MinuteFeatures
from tasks.forecast.issue import make_issue
from tasks.levels.day import day_series
from tasks.levels.hour import Hour, read_hour
from tasks.model.architectures import initial_forecaster
from tasks.rest_of_day import Double
from tasks.score.rest_of_day import HOURS_AHEAD
from tasks.settings.tree import Settings
from tasks.tables.schemas import numpy_times

AHEAD = tuple(pairwise(HOURS_AHEAD))
"""Hours from the middle of the forecast hour to the middle of a bin."""
TWO_HOURS = np.timedelta64(120, "m")


class Compared(NamedTuple):
    """The rest of the day of one origin: hours ahead [B]; people and whether the band held them, [C, S, B]."""

    hours: Double
    truth: Float
    forecast: Float
    weekday_mean: Float
    covered: np.ndarray  # type: ignore[type-arg]


def compare(settings: Settings, chosen: Set) -> Iterator[Compared]:
    """What was forecast of the rest of the day, and what came."""
    start, end = np.datetime64(f"{chosen.start}T12:00", "m"), np.datetime64(f"{chosen.end}T00:00", "m")
    features = load_features(settings, start, end + 12 * TWO_HOURS)
    model = initial_forecaster("weekday_level")
    for origin in np.arange(start, end, TWO_HOURS):
        issue = make_issue(settings.network, features, [("weekday_level", lambda: model)], origin, origin)
        found = compare_origin(settings, features, read_hour(issue.table))
        if found is not None:
            yield found


def compare_origin(settings: Settings, features: MinuteFeatures, hour: Hour) -> Compared | None:
    """The same of one origin; None where no bin of its day lies behind the forecast hour."""
    interval = features.grid.interval
    table = day_series(
        features, hour, settings.network.timezone, settings.publish.day_minutes, settings.features.recency
    )
    shape = (len(hour.stations), len(hour.targets), -1)
    rest = np.array(table["kind"].to_pylist()).reshape(shape)[0, 0] == "rest_of_day"
    if not rest.any():
        return None
    starts = numpy_times(table["minute_utc"]).astype("datetime64[m]").reshape(shape)[0, 0]
    width = int((starts[1] - starts[0]).astype(int)) // interval
    minutes = (starts[rest][:, None] + np.arange(width) * np.timedelta64(interval, "m")).ravel()
    order = [features.grid.targets.index(name) for name in hour.targets]
    lags = features.lag_tensor(minutes)
    seen = np.isfinite(lags)
    mean = np.where(seen, lags, 0).sum(axis=0) / np.where(seen.any(axis=0), seen.sum(axis=0), np.nan)
    truth, weekday_mean = (
        x[order].reshape(*x.shape[:2], -1, width).sum(axis=-1) for x in (features.counts(minutes), mean)
    )
    forecast, low, high = (
        np.asarray(table[name].to_numpy()).reshape(shape)[..., rest].swapaxes(0, 1)
        for name in ("forecast", "low", "high")
    )
    hours = ((starts[rest] - hour.origin).astype(int) + width * interval / 2) / 60 - 0.5
    return Compared(hours, truth, forecast, weekday_mean, (truth >= low) & (truth <= high))


def figures(settings: Settings, chosen: Set) -> dict[str, dict[str, float]]:
    """Hours ahead -> error over people of the rest of the day and of the weekday mean, and coverage."""
    sums = np.zeros((len(AHEAD), 5))
    for hours, truth, forecast, mean, covered in compare(settings, chosen):
        whole = np.isfinite(truth) & np.isfinite(forecast) & np.isfinite(mean)
        for i, (first, last) in enumerate(AHEAD):
            here = whole & (hours >= first) & (hours < last)
            errors = (np.abs(x - truth)[here].sum() for x in (forecast, mean))
            sums[i] += (*errors, truth[here].sum(), covered[here].sum(), here.sum())
    return {
        f"{first:g} to {last:g}": {
            "wape": row[0] / row[2],
            "wape_weekday_mean": row[1] / row[2],
            "coverage_90": row[3] / row[4],
            "bins": row[4],
        }
        for (first, last), row in zip(AHEAD, sums, strict=True)
        if row[4]
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", default="chicago-total-october,chicago-zones-october,beijing")
    parser.add_argument("--roots", type=Path)
    asked = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.sets.split(","):
            root = (asked.roots or Path(folder)) / name
            if not asked.roots:
                root.mkdir()
                configure(root, SETS[name])
            tree = tomllib.loads((root / "nexthour.toml").read_text(encoding="utf-8"))
            found[name] = figures(Settings(**{**tree, "data_root": str(root)}), SETS[name])
            print(name, json.dumps(found[name], indent=1))
    save(found)


if __name__ == "__main__":
    main()
