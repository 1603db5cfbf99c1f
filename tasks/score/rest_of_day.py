"""Scores of the rest of the day: people per bin against truth, by hours ahead, beside the mean of the same weekday.

`rest_of_day_scores/service_date=D/part.parquet` is computed again while bins of the day are still to come, and when its
counts or forecasts changed; its footer has the digest of all that it was computed from.
"""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import HORIZON_MINUTES, Int
from tasks.grid import Grid
from tasks.metrics import finite
from tasks.rest_of_day import Double
from tasks.score.truth import Truth
from tasks.settings.tree import Settings
from tasks.storage.footers import read_footer
from tasks.storage.store import Store
from tasks.tables import schemas

FORECASTS, SCORES = "rest_of_day", "rest_of_day_scores"
DIGEST = "nexthour.rest_of_day"
FORMAT = 1
"""To be raised where a change of the code changes scores."""
HOURS_AHEAD = (0.5, 1.5, 3, 6, 12, 24)
"""Edges of the bands, in hours from the middle of the forecast hour to the middle of a bin."""
BANDS = tuple(f"{first:g}-{last:g}" for first, last in pairwise(HOURS_AHEAD))
SUMS = ("bins", "actual", "forecast", "absolute_error", "weekday_mean_absolute_error", "covered_90")
"""Columns of `schemas.REST_OF_DAY_SCORES` that add up."""

Codes = tuple[npt.NDArray[np.int32], list[str]]


def score_rest_of_day(settings: Settings, day: str, as_of: np.datetime64, truth: Truth) -> Double:
    """Bring the scores of a service day up to date; its sums by hours ahead, float64 [band, sum] by `SUMS`.

    Args:
        settings: the network and its data root.
        day: the service day, YYYY-MM-DD.
        as_of: now, UTC.
        truth: the counts of the day that were known then.

    Raises:
        StoreError: if a table cannot be read or written.
    """
    store = Store(settings.data_root)
    files = store.sizes(schemas.day_folder(FORECASTS, day), ".parquet")
    if not files:
        return np.zeros((len(BANDS), len(SUMS)))
    place = f"{schemas.day_folder(SCORES, day)}/part.parquet"
    key = _digest(settings, files, truth, min(as_of, truth.end))
    if store.exists(place) and read_footer(store, place).get(DIGEST) == key:
        return _add_up(store.read_tables([place], schemas.REST_OF_DAY_SCORES))
    tables = [_score_issue(store.read_tables([path], schemas.REST_OF_DAY), truth.actual) for path in files]
    rows = pa.concat_tables(tables).unify_dictionaries()
    store.write_table(place, rows.replace_schema_metadata({DIGEST: key}))
    return _add_up(rows)


def rest_figures(sums: Double) -> list[dict[str, Any]]:
    """A row per band that has bins: error over people as forecast and of the weekday mean, and coverage.

    Figures that nothing supports are absent.

    Args:
        sums: what `score_rest_of_day` returns, of a day or added up over days.
    """
    rows = []
    for band, values in zip(BANDS, sums, strict=True):
        of = dict(zip(SUMS, values.tolist(), strict=True))
        if of["bins"]:
            people = of["actual"] or float("nan")
            figures = {
                "wape": of["absolute_error"] / people,
                "wape_weekday_mean": of["weekday_mean_absolute_error"] / people,
                "coverage_90": of["covered_90"] / of["bins"],
            }
            rows.append({"hours_ahead": band, "bins": int(of["bins"]), **finite(figures)})
    return rows


def _score_issue(rows: pa.Table, actual: Grid) -> pa.Table:
    """Rows of `schemas.REST_OF_DAY_SCORES` of one issue, from the bins that were wholly observed."""
    station, stations = schemas.name_codes(rows["station_id"])
    target, targets = schemas.name_codes(rows["target"])
    count = _count(rows, actual, (station, stations), (target, targets))
    forecast, mean, low, high = (
        rows[name].to_numpy().astype(np.float64) for name in ("forecast", "weekday_mean", "low", "high")
    )
    band = _bands(rows)
    whole = np.isfinite(count) & np.isfinite(forecast) & np.isfinite(mean) & (band >= 0) & (band < len(BANDS))
    key = ((station.astype(np.int64) * len(targets) + target) * len(BANDS) + band)[whole]
    size = len(stations) * len(targets) * len(BANDS)
    covered = (count >= low) & (count <= high)
    parts = (np.ones(len(count)), count, forecast, np.abs(forecast - count), np.abs(mean - count), covered)
    sums = [np.bincount(key, values[whole], size) for values in parts]
    some = np.flatnonzero(sums[0])
    moments = [pa.repeat(rows[name][0], len(some)) for name in ("issued_at", "origin_utc")]
    names = (
        schemas.name_array(some // (len(targets) * len(BANDS)), stations),
        schemas.name_array(some // len(BANDS) % len(targets), targets),
        schemas.name_array(some % len(BANDS), BANDS),
    )
    bins = pa.array(sums[0][some].astype(np.int32))
    return pa.Table.from_arrays(
        [*moments, *names, bins, *(pa.array(each[some]) for each in sums[1:])], schema=schemas.REST_OF_DAY_SCORES
    )


def _bands(rows: pa.Table) -> Int:
    """Number of each row's band, -1 where it lies before the first one, and the number of bands after the last."""
    minutes = rows["minutes"].to_numpy() / 2 - HORIZON_MINUTES / 2
    ahead = schemas.numpy_times(rows["minute_utc"]) - schemas.numpy_times(rows["origin_utc"])
    hours = (ahead / np.timedelta64(1, "m") + minutes) / 60
    return np.asarray(np.searchsorted(HOURS_AHEAD, hours, side="right") - 1, np.int64)


def _count(rows: pa.Table, actual: Grid, station: Codes, target: Codes) -> Double:
    """People counted in the bin of each row; NaN where a minute of it was not observed."""
    place = {name: i for i, name in enumerate(actual.stations)}
    s = np.array([place.get(name, -1) for name in station[1]], np.int64)[station[0]]
    c = np.array([actual.targets.index(n) if n in actual.targets else -1 for n in target[1]], np.int64)[target[0]]
    first = actual.index(schemas.numpy_times(rows["minute_utc"]).astype("datetime64[m]"))
    width = int(rows["minutes"][0].as_py()) // actual.interval
    known = (s >= 0) & (c >= 0) & (first >= 0) & (first + width <= actual.steps)
    count = np.full(len(s), np.nan)
    bins = actual.values[c[known, None], s[known, None], first[known, None] + np.arange(width)]
    count[known] = bins.sum(axis=-1, dtype=np.float64)
    return count


def _add_up(rows: pa.Table) -> Double:
    """Sums of rows by band."""
    band, names = schemas.name_codes(rows["hours_ahead"])
    place = np.array([BANDS.index(name) for name in names], np.int64)[band]
    sums = [np.bincount(place, rows[name].to_numpy(), len(BANDS)) for name in SUMS]
    return np.stack(sums, axis=1).astype(np.float64)


def _digest(settings: Settings, files: dict[str, int], truth: Truth, edge: np.datetime64) -> str:
    network = settings.network
    what = [FORMAT, HOURS_AHEAD, network.targets, network.interval_minutes, network.timezone, files, truth.digests]
    return hashlib.sha256(json.dumps([*what, str(edge)], sort_keys=True).encode()).hexdigest()
