"""Yesterday: what was forecast at the beginning of each hour, and what then came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.arrays import HORIZON_MINUTES, QUANTILE_COLUMNS, Minutes
from tasks.clock import day_bounds
from tasks.count_sums import DEFAULT_FACTOR, band_of_sum, interval_variance
from tasks.publish.board.document import Double, day_axis, place_rows
from tasks.publish.board.packing import pack_together
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import read_minutes, to_grid

_NAME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ-[0-9a-f]{8}\.parquet")
HOUR = np.timedelta64(HORIZON_MINUTES, "m")
COLUMNS = pa.schema(
    [schemas.FORECASTS.field(name) for name in ("origin_utc", "station_id", "target", "mean", *QUANTILE_COLUMNS)]
)
THRESHOLDS = "alerts/thresholds.json"
"""Where scoring leaves how much wider sums are than independent intervals would be."""


def past_series(
    store: Store, settings: Settings, day: np.datetime64, stations: Sequence[str]
) -> tuple[Minutes, dict[str, Double]]:
    """Hours of a service day, UTC [H], and forecast, low, high and truth of each as people, [C, S, H].

    Of each hour the first issue counts, and of that the hour from its origin. Low to high is where the quantiles that
    were published expect nine hours of ten; see `count_sums`. One file per hour is read, and the minutes of the day.

    Raises:
        StoreError: if a table cannot be read.
    """
    network = settings.network
    start, end = day_bounds(day, network.timezone)
    hours = np.arange(start, end, HOUR).astype("datetime64[m]")
    axes = stations, network.targets
    forecast, variance = np.full((2, len(network.targets), len(stations), len(hours)), np.nan)
    origins = np.full(len(hours), np.datetime64("NaT"), "datetime64[m]")
    for place, path in _first_issues(store, day, hours).items():
        rows = store.read_tables([path], COLUMNS)
        if rows.num_rows:
            origins[place] = schemas.numpy_times(rows["origin_utc"])[0]
            forecast[..., place] = place_rows(rows, "mean", axes)
            variance[..., place] = place_rows(_with_variance(rows), "variance", axes)
    low, high = band_of_sum(forecast, variance * _spread_factor(store) ** 2)
    truth = _truth(store, settings, origins, stations)
    return hours, {"truth": truth, "forecast": forecast, "low": low, "high": high}


def _with_variance(rows: pa.Table) -> pa.Table:
    """Rows of forecasts with the variance of each interval."""
    quantiles = np.stack([rows[name].to_numpy() for name in QUANTILE_COLUMNS])
    return rows.append_column("variance", pa.array(interval_variance(rows["mean"].to_numpy(), quantiles)))


def _spread_factor(store: Store) -> float:
    """The factor of sums that was learnt from the scores of the last weeks; the default before that."""
    chosen = (store.read_json(THRESHOLDS) or {}).get("signals", {}).get("limit", {})
    return float(chosen.get("factor", DEFAULT_FACTOR))


def past_document(hours: Minutes, series: dict[str, Double], part: slice, axes: Any) -> dict[str, Any]:
    """The same of some stations, for their pages; `axes` are all stations and the targets."""
    names, targets = axes
    values = {
        target: pack_together({name: values[c, part] for name, values in series.items()})
        for c, target in enumerate(targets)
    }
    return {"stations": list(names[part]), "day": day_axis(hours), "values": values}


def _first_issues(store: Store, day: np.datetime64, hours: Minutes) -> dict[int, str]:
    """Place of an hour -> path of the first forecast that was issued in it; its name begins with that moment."""
    found: dict[int, str] = {}
    for path in store.files(schemas.day_folder("forecasts", day), ".parquet"):
        if (name := _NAME.fullmatch(path.rsplit("/", 1)[1])) is None:
            continue
        issued = np.datetime64("{}-{}-{}T{}:{}".format(*name.groups()), "m")
        place = int((issued - hours[0]) // HOUR)
        if 0 <= place < len(hours):
            found.setdefault(place, path)
    return found


def _truth(store: Store, settings: Settings, origins: Minutes, stations: Sequence[str]) -> Double:
    """People in the hour from each origin, [C, S, H]; NaN where a minute of it was not observed."""
    network = settings.network
    truth = np.full((len(network.targets), len(stations), len(origins)), np.nan)
    known = np.flatnonzero(~np.isnat(origins))
    if not len(known):
        return truth
    first, end = origins[known].min(), origins[known].max() + HOUR
    rows = read_minutes(store, first, end, network.timezone, network.targets)
    grid = to_grid(rows, first, end, network.interval_minutes, network.targets, stations)
    order = [grid.stations.index(name) for name in stations]
    for place in known:
        step = int(grid.index(origins[place]))
        hour = grid.values[:, order, step : step + HORIZON_MINUTES // network.interval_minutes]
        truth[..., place] = hour.sum(axis=-1, dtype=np.float64)
    return truth
