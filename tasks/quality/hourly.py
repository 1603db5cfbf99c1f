"""Hourly sums of service days by wall clock: what a station counted, and what it usually counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.clock import day_bounds, to_local
from tasks.tables import schemas

Double = npt.NDArray[np.float64]
HOURS = 24


@dataclass(frozen=True)
class Hours:
    """A service day by its 24 wall-clock hours.

    Attributes:
        day: the service day.
        sums: people [target, station, hour].
        peaks: most people of one interval [target, station, hour].
        seen: observed intervals [target, station, hour].
        steps: intervals that there are [hour]; 0 where the clocks skipped the hour.
    """

    day: np.datetime64
    sums: Double
    peaks: Double
    seen: Int
    steps: Int

    @property
    def missing(self) -> Double:
        """Share of intervals that were not observed [target, station, hour]; 0 in an hour that was skipped."""
        return np.asarray(1 - self.seen / np.maximum(self.steps, 1)) * (self.steps > 0)

    @property
    def people(self) -> Double:
        """People of a whole hour [target, station, hour], from the half of it or more that was seen; else NaN."""
        whole = self.sums * self.steps / np.maximum(self.seen, 1)
        return np.where((self.steps > 0) & (2 * self.seen >= self.steps), whole, np.nan)


@dataclass(frozen=True)
class Judged:
    """A service day that is looked at, beside the days that say what is usual.

    Attributes:
        stations: names of the axis, those of all these days.
        today: the day.
        before: earlier service days of its kind, newest first, as far as there are any.
    """

    stations: tuple[str, ...]
    today: Hours
    before: tuple[Hours, ...]


def hours_of_day(
    day: np.datetime64, table: pa.Table, before: Sequence[tuple[np.datetime64, pa.Table]], timezone: str, interval: int
) -> Judged:
    """Rows of the minute table of a day, and of earlier ones, by the hour; those without rows are left out.

    Args:
        day: the service day.
        table: its rows, of `tables.minutes`.
        before: earlier days and theirs.
        timezone: the network's.
        interval: minutes per step.
    """
    there = [(each, rows) for each, rows in before if rows.num_rows]
    names = {name for _, rows in [(day, table), *there] for name in schemas.name_codes(rows["station_id"])[1]}
    stations = tuple(sorted(names))
    hours = [by_hour(each, rows, stations, timezone, interval) for each, rows in [(day, table), *there]]
    return Judged(stations, hours[0], tuple(hours[1:]))


def by_hour(day: np.datetime64, table: pa.Table, stations: Sequence[str], timezone: str, interval: int) -> Hours:
    """Rows of one service day of the minute table, added up by station and wall-clock hour."""
    start, end = day_bounds(day, timezone)
    minutes = np.arange(start, end, np.timedelta64(interval, "m"))
    hour = _hour(minutes, timezone)
    codes, names = schemas.name_codes(table["station_id"])
    place = {name: i for i, name in enumerate(stations)}
    station = np.array([place[name] for name in names], dtype=np.int64)[codes]
    width = interval * 60_000_000
    since = schemas.numpy_times(table["minute_utc"]).view(np.int64) - start.astype("datetime64[us]").astype(np.int64)
    at = np.clip(since // width, 0, max(len(minutes) - 1, 0))
    cell = station * HOURS + (hour[at] if len(hour) else at)
    shape = (len(stations), HOURS)
    run = np.flatnonzero(np.diff(cell, prepend=-1))  # rows of an hour mostly lie together
    of_run = cell[run]
    sums, peaks, seen = [], np.zeros((len(table.column_names) - 2, shape[0] * HOURS)), []
    for c, target in enumerate(table.column_names[2:]):
        column = schemas.one_array(table[target])
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        people, rows = (_sum_runs(array, run) for array in (values, valid))
        sums.append(np.bincount(of_run, people, shape[0] * HOURS).reshape(shape))
        np.maximum.at(peaks[c], of_run, np.maximum.reduceat(values, run) if len(run) else values)
        seen.append(np.bincount(of_run, rows, shape[0] * HOURS).reshape(shape).astype(np.int64))
    return Hours(day, np.stack(sums), peaks.reshape(-1, *shape), np.stack(seen), np.bincount(hour, minlength=HOURS))


def _sum_runs(values: npt.NDArray[np.generic], run: Int) -> Int:
    """Sum of each run of values, which begin at the places `run`."""
    return np.asarray(np.add.reduceat(values, run, dtype=np.int64) if len(run) else run)


def _hour(minutes: npt.NDArray[np.datetime64], timezone: str) -> Int:
    """Wall-clock hour of UTC minutes, 0..23."""
    local = to_local(minutes, timezone)
    return np.asarray((local - local.astype("datetime64[D]")).astype(np.int64) // 60)
