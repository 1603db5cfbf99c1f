"""The service day of a forecast in bins: typical day, today so far, next hour and the rest of the day."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.arrays import Minutes
from tasks.clock import day_bounds, service_dates
from tasks.contracts import History
from tasks.levels.hour import Double, Hour
from tasks.rest_of_day import band, fade
from tasks.tables import schemas

KINDS = ("observed", "next_hour", "rest_of_day")


def day_series(history: History, hour: Hour, timezone: str, bin_minutes: int) -> pa.Table:
    """Rows of `tables.DAY_SERIES`, by station, target and bin, from the first to the last minute of the service day.

    A bin is `observed` if it ends by the origin, `rest_of_day` if it ends after the forecast hour, else `next_hour`.
    In the bin that holds the origin, `forecast` is what was observed so far and the forecast of what is left of it.

    Args:
        history: counts known at the origin, and profiles.
        hour: the forecasts.
        timezone: the network's.
        bin_minutes: width of a bin; it is rounded up to whole intervals.
    """
    interval = history.grid.interval
    minutes, width = day_minutes(hour.origin, timezone, interval, bin_minutes)
    place = {name: i for i, name in enumerate(history.grid.stations)}
    rows = [place[name] for name in hour.stations]
    order = [history.grid.targets.index(name) for name in hour.targets]
    usual, counts = (
        values[order][:, rows].swapaxes(0, 1).astype(np.float64)
        for values in (history.profile(minutes), history.counts(minutes))
    )
    ahead = (minutes - hour.origin).astype(np.int64) // interval
    counts[..., ahead >= 0] = np.nan
    expected, certain = _expected(usual, counts, hour, ahead, interval)
    starts = minutes[::width]
    ends = ahead[::width] + width
    kind = np.where(ends <= 0, 0, np.where(ends <= hour.mean.shape[-1], 1, 2))
    future = _bins(expected - certain, width)
    low, high = band(np.nan_to_num(future), np.maximum(ends * interval / 60, 0))
    columns = {
        "usual": _bins(usual, width),
        "observed": np.where(kind == 0, _bins(counts, width), np.nan),
        "forecast": np.where(kind == 0, np.nan, _bins(expected, width)),
        "low": np.where((kind == 0) | np.isnan(future), np.nan, low + _bins(certain, width)),
        "high": np.where((kind == 0) | np.isnan(future), np.nan, high + _bins(certain, width)),
    }
    return _table(hour, starts, columns, kind)


def day_minutes(origin: np.datetime64, timezone: str, interval: int, bin_minutes: int) -> tuple[Minutes, int]:
    """Every interval of the service day of an origin, UTC, in whole bins, and the intervals of a bin."""
    width = -(-bin_minutes // interval)
    day = service_dates(np.array([origin], dtype="datetime64[m]"), timezone)[0]
    first, stop = (edge.astype("datetime64[m]").astype(np.int64) for edge in day_bounds(day, timezone))
    first -= first % interval
    bins = -(-(stop - first) // (width * interval))
    return (first + np.arange(bins * width) * interval).astype("datetime64[m]"), width


def _expected(
    usual: Double,
    counts: Double,
    hour: Hour,
    ahead: np.ndarray,
    interval: int,  # type: ignore[type-arg]
) -> tuple[Double, Double]:
    """People per interval as they are known or expected, [S, C, M], and of these the ones that are certain."""
    level = np.ones_like(hour.people)
    for name, factor in hour.factors.items():
        if name != "override_factor":
            level = level * factor
    hours = np.maximum(ahead - hour.mean.shape[-1] + 0.5, 0) * interval / 60
    expected = usual * fade(level[..., None], hours)
    inside = (ahead >= 0) & (ahead < hour.mean.shape[-1])
    expected[..., inside] = hour.mean[..., ahead[inside]]
    seen = ~np.isnan(counts)
    certain = np.where(seen, counts, 0)
    return np.where(seen, counts, expected), certain


def _bins(values: Double, width: int) -> Double:
    """Sums of `width` intervals each; NaN where one is."""
    return np.asarray(values.reshape(*values.shape[:-1], -1, width).sum(axis=-1))


def _table(hour: Hour, starts: Minutes, columns: dict[str, Double], kind: np.ndarray) -> pa.Table:  # type: ignore[type-arg]
    s, c, b = len(hour.stations), len(hour.targets), len(starts)
    return pa.Table.from_arrays(
        [
            schemas.name_array(np.repeat(np.arange(s), c * b), hour.stations),
            schemas.name_array(np.tile(np.repeat(np.arange(c), b), s), hour.targets),
            schemas.time_array(np.tile(starts, s * c)),
            *(pa.array(values.ravel().astype(np.float32), from_pandas=True) for values in columns.values()),
            schemas.name_array(np.tile(kind, s * c), KINDS),
        ],
        schema=schemas.DAY_SERIES,
    )
