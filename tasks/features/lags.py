"""Gathering weekly lags: pure functions from an array and step numbers to arrays.

Lag steps come in long runs of consecutive source steps, broken only where the clocks change, at the edges of
holidays and at the ends of the data. Runs are copied as slices. -1 stands for "there is none" and gives NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Int, Minutes
from tasks.clock import DAY, MISSING, Steps, WallClock, source_days, to_local

StationIndex = slice | Int
CACHE = 2**18  # values


def as_rows(stations: Sequence[int] | Int | None) -> StationIndex:
    """Stations as an index: a slice where they lie side by side, which spares a copy; all of them for None."""
    if stations is None:
        return slice(None)
    rows = np.asarray(stations, dtype=np.int64)
    if len(rows) and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def lag_index(clock: WallClock, minutes: Minutes, weeks: int) -> Steps:
    """Step on `clock` of every weekly lag of any UTC minutes, also of ones beyond its span.

    Returns:
        int32 [week, minute]; -1 where there is none.
    """
    wall = WallMinutes(minutes, clock.timezone)
    return wall.steps_of(source_days(wall.days, weeks, clock.holidays), clock)


class WallMinutes:
    """UTC minutes by local day and time of day, to look up the same time on other days.

    Attributes:
        days: local dates that the minutes touch, without a gap, datetime64[D].
        place: int64 [minute], position of each minute's date in `days`.
    """

    def __init__(self, minutes: Minutes, timezone: str) -> None:
        wall = to_local(minutes, timezone)
        dates = wall.astype("datetime64[D]")
        self.days = np.arange(dates.min(), dates.max() + 1) if len(minutes) else dates
        self.place = (dates - self.days[:1]).astype(np.int64) if len(minutes) else np.zeros(0, np.int64)
        self._since_midnight = (wall - dates).astype(np.int64)

    def steps_of(self, sources: npt.NDArray[np.datetime64], clock: WallClock) -> Steps:
        """Step on `clock` of the same time of day on the dates that serve each day.

        Args:
            sources: datetime64[D] [lag, day], NaT for none.
            clock: whose steps are wanted.

        Returns:
            int32 [lag, minute]; -1 where there is none.
        """
        index = np.full((len(sources), len(self.place)), MISSING, np.int32)
        known = sources[~np.isnat(sources)]
        if not index.size or not len(known):
            return index
        earliest = known.min().astype("datetime64[m]") - np.timedelta64(1, "m")
        stop = (known.max() + np.timedelta64(1, "D")).astype("datetime64[m]")
        step = clock.step_of_wall(np.arange(earliest, stop))
        step[0] = MISSING
        for lag, dates in zip(index, sources, strict=True):
            midnight = (dates.astype("datetime64[m]") - earliest).astype(np.int64)
            midnight[np.isnat(dates)] = -DAY  # before `earliest`: clipped to it, where there is no step
            np.take(step, midnight[self.place] + self._since_midnight, out=lag, mode="clip")
        return index


def window_steps(starts: Int, width: int) -> tuple[Int, Int]:
    """Every step that windows of `width` from `starts` touch, ascending, and where each window begins among them.

    The steps of one window lie side by side.
    """
    ordered = np.unique(starts)
    begins = np.concatenate([ordered[:1], np.maximum(ordered[1:], ordered[:-1] + width)])
    lengths = ordered + width - begins
    ends = np.cumsum(lengths)
    steps = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - lengths), lengths)
    return steps, np.searchsorted(steps, starts)


def breaks(index: Steps) -> Int:
    """Positions at which `index` [step] does not go on from the one before: where runs begin, 0 left out."""
    here, before = index[1:], index[:-1]
    broken = here - before != (here != MISSING)
    broken |= (here == 0) & (before == MISSING)
    return np.flatnonzero(broken) + 1


def runs(index: Steps) -> list[tuple[int, int, int]]:
    """Runs of an index [step]: first position, position after the last, source step of the first."""
    edges = [0, *breaks(index).tolist(), len(index)]
    return [(a, b, int(index[a])) for a, b in pairwise(edges) if a < b]


def gather(values: Float, index: Steps, out: Float, rows: StationIndex = slice(None)) -> Float:
    """Copy `values[target, rows, index]` into `out`, run by run.

    Args:
        values: float32 [target, station, step].
        index: int32 [step], -1 for none.
        out: float32 [target, row, step]; written whole.
        rows: stations wanted.
    """
    _copy(values, runs(index), out, rows)
    return out


def _copy(values: Float, pieces: list[tuple[int, int, int]], out: Float, rows: StationIndex) -> None:
    for a, b, i in pieces:
        out[..., a:b] = np.nan if i == MISSING else values[:, rows, i : i + b - a]


def lag_tensor(values: Float, index: Steps, rows: StationIndex = slice(None), out: Float | None = None) -> Float:
    """All weekly lags of a span of steps, weeks first.

    A few stations at a time, so that their series stay in the processor's cache from week to week.

    Args:
        values: float32 [target, station, step].
        index: int32 [week, step] of the span.
        rows: stations wanted.
        out: array to write, to spare the cost of new memory.

    Returns:
        float32 [week, target, row, step]; NaN where there is none.
    """
    stations = np.arange(values.shape[1])[rows]
    if out is None:
        out = np.empty((len(index), len(values), len(stations), index.shape[1]), np.float32)
    plan = [runs(lags) for lags in index]
    few = max(CACHE // max(index.shape[1], 1), 1)
    for c, a in product(range(len(values)), range(0, len(stations), few)):
        part = as_rows(stations[a : a + few])
        for week, pieces in enumerate(plan):
            _copy(values[c : c + 1], pieces, out[week, c : c + 1, a : a + few], part)
    return out


def lag_windows(values: Float, index: Steps, first: Int, width: int, rows: StationIndex = slice(None)) -> Float:
    """Weekly lags of the windows that begin at the positions `first` of `index` [week, step].

    Returns:
        float32 [week, target, window, row, width]; NaN where there is none.
    """
    out = np.empty((len(index), len(values), len(first), count_rows(values, rows), width), np.float32)
    if not len(first):
        return out
    for week, lags in enumerate(index):
        broken = np.zeros(len(lags), np.int64)
        broken[breaks(lags)] = 1
        run = np.cumsum(broken)
        whole = (run[first] == run[first + width - 1]).tolist()
        for o, (start, begin) in enumerate(zip(lags[first].tolist(), first.tolist(), strict=True)):
            if not whole[o]:
                gather(values, lags[begin : begin + width], out[week, :, o], rows)
            else:
                out[week, :, o] = np.nan if start == MISSING else values[:, rows, start : start + width]
    return out


def windows(values: Float, first: Int, width: int, rows: StationIndex = slice(None)) -> Float:
    """Windows of `width` steps that begin at `first`; steps outside the array are NaN.

    Returns:
        float32 [target, window, row, width].
    """
    steps = values.shape[2]
    out = np.full((len(values), len(first), count_rows(values, rows), width), np.nan, np.float32)
    for o, begin in enumerate(first.tolist()):
        a, b = max(begin, 0), min(begin + width, steps)
        if a < b:
            out[:, o, :, a - begin : b - begin] = values[:, rows, a:b]
    return out


def count_rows(values: Float, rows: StationIndex) -> int:
    """How many stations `rows` picks from [target, station, step]."""
    return len(range(*rows.indices(values.shape[1]))) if isinstance(rows, slice) else len(rows)
