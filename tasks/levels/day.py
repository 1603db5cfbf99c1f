"""The service day of a forecast in bins: typical day, today so far, next hour and the rest of the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import HORIZON_MINUTES, Float, Minutes
from tasks.clock import day_bounds, service_dates
from tasks.contracts import History
from tasks.levels.hour import Double, Hour
from tasks.levels.persistence import Persistence, learn_persistence
from tasks.overrides.entry import Override
from tasks.overrides.scale import override_factors
from tasks.rest_of_day import band
from tasks.tables import schemas

STATIONS_AT_ONCE = 100
"""Stations whose minutes of past weeks are in memory together: 15 MB per target."""
HOURS_BEFORE = 4
"""Hours before the forecast hour from which its spread is learnt, too."""
KINDS = ("observed", "next_hour", "rest_of_day")


def day_series(
    history: History,
    hour: Hour,
    timezone: str,
    bin_minutes: int,
    recency: float,
    overrides: Sequence[Override] = (),
) -> pa.Table:
    """Rows of `tables.DAY_SERIES`, by station, target and bin, from the first to the last minute of the service day.

    A bin is `observed` if it ends by the origin, `rest_of_day` if it ends after the forecast hour, else `next_hour`.
    In the bin that holds the origin, `forecast` is what was observed so far and the forecast of what is left of it.

    Args:
        history: counts known at the origin, and profiles.
        hour: the forecasts.
        timezone: the network's.
        bin_minutes: width of a bin; it is rounded up to whole intervals.
        recency: weight of a week over the one after it.
        overrides: what people changed; they hold to their end, and no level carries them on.
    """
    interval = history.grid.interval
    minutes, width = day_minutes(hour.origin, timezone, interval, bin_minutes)
    ahead = (minutes - hour.origin).astype(np.int64) // interval
    usual, counts = _usual_and_counts(history, hour, minutes)
    ends = ahead[::width] + width
    hours = np.maximum((ends - width / 2) * interval / 60 - 0.5, 0)
    lasting = _learn(history, hour, minutes, width, recency)
    level = lasting.level((hour.people / hour.factors["override_factor"]).T, hour.usual.T, hours).swapaxes(0, 1)
    expected = usual * np.repeat(level, width, axis=-1)
    expected *= override_factors(overrides, hour.stations, hour.targets, minutes).swapaxes(0, 1)
    inside = (ahead >= 0) & (ahead < hour.mean.shape[-1])
    expected[..., inside] = hour.mean[..., ahead[inside]]
    seen = ~np.isnan(counts)
    certain, future = _bins(np.where(seen, counts, 0), width), _bins(np.where(seen, 0, expected), width)
    kind = np.where(ends <= 0, 0, np.where(ends <= hour.mean.shape[-1], 1, 2))
    low, high = band(np.nan_to_num(future), lasting.spread(hours + 1).swapaxes(0, 1))
    columns = {
        "usual": _bins(usual, width),
        "observed": np.where(kind == 0, _bins(counts, width), np.nan),
        **{
            name: np.where((kind == 0) | np.isnan(future), np.nan, certain + values)
            for name, values in (("forecast", future), ("low", low), ("high", high))
        },
    }
    return _table(hour, minutes[::width], columns, kind)


def _usual_and_counts(history: History, hour: Hour, minutes: Minutes) -> tuple[Double, Double]:
    """Usual people and those counted before the origin, of each minute, [S, C, M]; NaN where there are none."""
    rows, targets = _places(history, hour)
    usual, counts = (
        values[targets][:, rows].swapaxes(0, 1).astype(np.float64)
        for values in (history.profile(minutes), history.counts(minutes))
    )
    counts[..., minutes >= hour.origin] = np.nan
    return usual, counts


def _places(history: History, hour: Hour) -> tuple[list[int], list[int]]:
    """Positions of the stations and targets of a forecast in the grid."""
    place = {name: i for i, name in enumerate(history.grid.stations)}
    return [place[name] for name in hour.stations], [history.grid.targets.index(name) for name in hour.targets]


def hour_spread(history: History, hour: Hour, recency: float) -> Double:
    """Standard deviation of truth over the forecast hour beside that of chance, [S, C], as past weeks show it.

    It is learnt from whole hours, the same one and the ones before it: an hour ahead, given how the last one ran.
    """
    steps = hour.mean.shape[-1]
    first = hour.origin - np.timedelta64(HOURS_BEFORE * HORIZON_MINUTES, "m")
    minutes = first + np.arange((HOURS_BEFORE + 1) * steps) * np.timedelta64(history.grid.interval, "m")
    lasting = learn_persistence(past_weeks(history, hour, minutes, steps), 1, HOURS_BEFORE, recency)
    return np.asarray(lasting.spread(np.ones(1))[..., 0].T)


def past_weeks(history: History, hour: Hour, minutes: Minutes, width: int) -> Float:
    """People per bin one week before, two weeks before and so on, [K, C, S, B]; some stations at a time."""
    rows, targets = _places(history, hour)
    parts = [
        _bins(history.lag_tensor(minutes, rows[first : first + STATIONS_AT_ONCE])[:, targets], width)
        for first in range(0, len(rows), STATIONS_AT_ONCE)
    ]
    return np.concatenate(parts, axis=2)


def _learn(history: History, hour: Hour, minutes: Minutes, width: int, recency: float) -> Persistence:
    """What the same weekday of past weeks says of the hours to come."""
    per_hour = max(HORIZON_MINUTES // (width * history.grid.interval), 1)
    now = int((hour.origin - minutes[0]).astype(np.int64)) // (per_hour * width * history.grid.interval)
    return learn_persistence(past_weeks(history, hour, minutes, width), per_hour, now, recency)


def day_minutes(origin: np.datetime64, timezone: str, interval: int, bin_minutes: int) -> tuple[Minutes, int]:
    """Every interval of the service day of an origin, UTC, in whole bins, and the intervals of a bin."""
    width = -(-bin_minutes // interval)
    day = service_dates(np.array([origin], dtype="datetime64[m]"), timezone)[0]
    first, stop = (edge.astype("datetime64[m]").astype(np.int64) for edge in day_bounds(day, timezone))
    first -= first % interval
    bins = -(-(stop - first) // (width * interval))
    return (first + np.arange(bins * width) * interval).astype("datetime64[m]"), width


def _bins(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
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
