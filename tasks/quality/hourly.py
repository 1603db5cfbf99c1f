"""Hourly sums of service days by wall clock: what a station counted, and what it usually counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
class StationHours:
    """A service day by the hour, of the stations that have rows of it.

    Attributes:
        stations: names of the axis, ascending.
        hours: the day.
    """

    stations: tuple[str, ...]
    hours: Hours

    def at(self, stations: tuple[str, ...]) -> Hours:
        """The day of other stations; those without rows have neither people nor observed intervals."""
        if stations == self.stations:
            return self.hours
        place = {name: i for i, name in enumerate(stations)}
        at, of = [place[name] for name in self.stations], self.hours
        shape = len(of.sums), len(stations), HOURS
        sums, peaks, seen = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64)
        sums[:, at], peaks[:, at], seen[:, at] = of.sums, of.peaks, of.seen
        return replace(of, sums=sums, peaks=peaks, seen=seen)


@dataclass(frozen=True)
class DayComparison:
    """A service day that is looked at, beside the days that say what is usual.

    Attributes:
        stations: names of the axis, those of all these days.
        today: the day.
        before: earlier service days of its kind, newest first, as far as there are any.
    """

    stations: tuple[str, ...]
    today: Hours
    before: tuple[Hours, ...]


def beside(today: StationHours, before: Sequence[StationHours]) -> DayComparison:
    """A day beside earlier ones, newest first, of which those without rows are left out."""
    there = [each for each in before if each.stations]
    stations = tuple(sorted({name for each in (today, *there) for name in each.stations}))
    return DayComparison(stations, today.at(stations), tuple(each.at(stations) for each in there))


def by_hour(day: np.datetime64, table: pa.Table, timezone: str, interval: int) -> StationHours:
    """Rows of one service day of the minute table, added up by station and wall-clock hour.

    Args:
        day: the service day.
        table: its rows, of `tables.minutes`.
        timezone: the network's.
        interval: minutes per step.
    """
    start, end = day_bounds(day, timezone)
    minutes = np.arange(start, end, np.timedelta64(interval, "m"))
    hour = _hour(minutes, timezone)
    codes, stations = schemas.name_codes(table["station_id"])
    station = codes.astype(np.int64)
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
    steps = np.bincount(hour, minlength=HOURS)
    most = peaks.reshape(len(peaks), *shape)
    return StationHours(tuple(stations), Hours(day, np.stack(sums), most, np.stack(seen), steps))


def _sum_runs(values: npt.NDArray[np.generic], run: Int) -> Int:
    """Sum of each run of values, which begin at the places `run`."""
    return np.asarray(np.add.reduceat(values, run, dtype=np.int64) if len(run) else run)


def _hour(minutes: npt.NDArray[np.datetime64], timezone: str) -> Int:
    """Wall-clock hour of UTC minutes, 0..23."""
    local = to_local(minutes, timezone)
    return np.asarray((local - local.astype("datetime64[D]")).astype(np.int64) // 60)
