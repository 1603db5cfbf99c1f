"""Gathering weekly lags: pure functions from an array and step numbers to arrays.

Lag steps come in long runs of consecutive source steps, broken only where the clocks change, at the edges of
holidays and at the ends of the data. Runs are copied as slices. -1 stands for "there is none" and gives NaN.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tasks.clock import MISSING, WallClock, source_days, to_local
from tasks.contracts import Float, Int, Minutes

Rows = slice | Int


def lag_index(clock: WallClock, minutes: Minutes, weeks: int) -> Int:
    """Step on `clock` of every weekly lag of any UTC minutes, also of ones beyond its span.

    The same answer as `WallClock.lag_steps`, for the minutes asked for only.

    Returns:
        int64 [week, minute]; -1 where there is none.
    """
    local = to_local(minutes, clock.timezone)
    days, place = np.unique(local.astype("datetime64[D]"), return_inverse=True)
    minute_of_day = local - days[place]
    wall = source_days(days, weeks, clock.holidays)[:, place] + minute_of_day
    return np.asarray(clock.step_of_wall(wall), dtype=np.int64)


def compact(starts: Int, width: int) -> tuple[Int, Int]:
    """Every step that windows of `width` from `starts` touch, ascending, and where each window begins among them.

    The steps of one window lie side by side.
    """
    ordered = np.unique(starts)
    begins = np.concatenate([ordered[:1], np.maximum(ordered[1:], ordered[:-1] + width)])
    lengths = ordered + width - begins
    ends = np.cumsum(lengths)
    steps = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - lengths), lengths)
    return steps, np.searchsorted(steps, starts)


def breaks(index: Int) -> Int:
    """Positions at which `index` [step] does not go on from the one before: where runs begin, 0 left out."""
    here, before = index[1:], index[:-1]
    follows = np.where(before == MISSING, here == MISSING, here == before + 1)
    return np.flatnonzero(~follows) + 1


def gather(values: Float, index: Int, out: Float, rows: Rows = slice(None)) -> Float:
    """Copy `values[target, rows, index]` into `out`, run by run.

    Args:
        values: float32 [target, station, step].
        index: int64 [step], -1 for none.
        out: float32 [target, row, step]; written whole.
        rows: stations wanted.
    """
    edges = [0, *breaks(index).tolist(), len(index)]
    for a, b in pairwise(edges):
        if a < b:
            i = int(index[a])
            out[..., a:b] = np.nan if i == MISSING else values[:, rows, i : i + b - a]
    return out


def lag_tensor(values: Float, index: Int, rows: Rows = slice(None), out: Float | None = None) -> Float:
    """All weekly lags of a span of steps, weeks first.

    Args:
        values: float32 [target, station, step].
        index: int64 [week, step] of the span.
        rows: stations wanted.
        out: array to write, to spare the cost of new memory.

    Returns:
        float32 [week, target, row, step]; NaN where there is none.
    """
    if out is None:
        out = np.empty((len(index), len(values), count_rows(values, rows), index.shape[1]), np.float32)
    for week, lags in enumerate(index):
        gather(values, lags, out[week], rows)
    return out


def lag_windows(values: Float, index: Int, first: Int, width: int, rows: Rows = slice(None)) -> Float:
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


def windows(values: Float, first: Int, width: int, rows: Rows = slice(None)) -> Float:
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


def count_rows(values: Float, rows: Rows) -> int:
    """How many stations `rows` picks from [target, station, step]."""
    return len(range(*rows.indices(values.shape[1]))) if isinstance(rows, slice) else len(rows)
