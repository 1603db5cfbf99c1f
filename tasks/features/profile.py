"""What a minute is expected to bring: the smoothed profile of earlier days, and the level of the day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Int, Minutes
from tasks.clock import MISSING, Steps, WallClock, other_days
from tasks.features.lags import StationIndex, WallMinutes, as_rows, count_rows, gather, runs
from tasks.large_arrays import pieces
from tasks.settings.tree import FeatureSettings

BLOCK = 256
CHUNK = 2**18
SERIES = 2048
"""Series of which a profile by time is made at once, so that a chunk of them is some hundred steps long."""
EXACT = 2**24
"""Whole numbers below it are exact in float32."""
FEW_STATIONS = 32
"""Stations whose smoothed series of a few origins' lags stay in the processor's cache."""


class Smoothed:
    """Centred moving means of a grid's series over the observed steps, computed on first use.

    A mean needs half of its window observed (steps beyond the grid count as not observed), else it is NaN. Counts
    are whole numbers, so their sums are exact and the blocks make no difference.

    Args:
        values: float32 [target, station, step], whole numbers or NaN.
        half: steps on either side of the centre.
    """

    def __init__(self, values: Float, half: int) -> None:
        self._values, self._half = values, half
        self._means = np.empty(values.shape, np.float32) if half else values
        self._made = np.full(-(-values.shape[2] // BLOCK), not half)

    def over(self, index: Steps) -> Float:
        """The means, float32 [target, station, step], right at the steps of `index` (-1 is none)."""
        wanted = np.zeros_like(self._made)
        wanted[index[index >= 0] // BLOCK] = True
        for block in np.flatnonzero(wanted & ~self._made).tolist():
            a, b = block * BLOCK, min((block + 1) * BLOCK, self._values.shape[2])
            self._means[..., a:b] = moving_mean(self._values, a, b, self._half)
            self._made[block] = True
        return self._means


def moving_mean(values: Float, start: int, stop: int, half: int) -> Float:
    """See `Smoothed`; float32 [target, station, stop - start], in the order of memory that `values` has."""
    a, b = max(start - half, 0), min(stop + half, values.shape[2])
    width, steps = 2 * half + 1, stop - start
    padded = np.full_like(values, np.nan, shape=(*values.shape[:2], steps + width - 1), subok=False)
    padded[..., a - start + half : b - start + half] = values[..., a:b]
    seen = ~np.isnan(padded)
    if seen.all():
        return np.asarray(_sums(_exact(padded, width), width, steps) / np.float32(width), np.float32)
    people = _sums(_exact(np.where(seen, padded, np.float32(0)), width), width, steps)
    count = _sums(seen.astype(np.float32), width, steps)
    means = np.divide(people, count, out=np.full_like(people, np.nan), where=2 * count >= width)
    return np.asarray(means, dtype=np.float32)


def _exact(counts: Float, width: int) -> npt.NDArray[np.floating]:
    """The counts with enough digits that sums of `width` of them are exact; so is a mean, to its last bit."""
    return counts if counts.max(initial=0) * width < EXACT else counts.astype(np.float64)


def _sums(values: npt.NDArray[np.floating], width: int, steps: int) -> npt.NDArray[np.floating]:
    """Sums of the `width` values from each of the first `steps` on, by doubling."""
    total, done, power, span = np.zeros_like(values, shape=(*values.shape[:-1], steps)), 0, values, 1
    while span <= width:
        if width & span:
            total += power[..., done : done + steps]
            done += span
        if 2 * span <= width:
            power = power[..., :-span] + power[..., span:]
        span *= 2
    return total


class ProfileLags(NamedTuple):
    """Earlier steps from which each step's profile is made.

    Attributes:
        source: int32 [lag, step], -1 for none.
        weight: float32 [lag, step].
    """

    source: Steps
    weight: Float

    def chunks(self, size: int) -> Iterator[LagChunk]:
        """So many steps at a time."""
        for at in pieces(self.source.shape[1], size):
            yield LagChunk(at, self.source[:, at], self.weight[:, at])


class LagChunk(NamedTuple):
    """Lags of some successive steps: `at` among all of them, and as in `ProfileLags`."""

    at: slice
    source: Steps
    weight: Float


def profile_lags(clock: WallClock, minutes: Minutes, settings: FeatureSettings, weeks: Steps) -> ProfileLags:
    """The weekly lags of these minutes, and the same minute on other days of the same kind, which weigh less.

    Week k weighs `recency ** (k - 1)`, another day of the same kind `other_days` times what its age in weeks gives.
    With 14 weeks of history the weekly lags hold most of the weight; with three the other days steady them.

    Args:
        clock: of the grid.
        minutes: UTC.
        settings: weights and reach.
        weeks: the weekly lags, int32 [week, minute].
    """
    by_week = np.float32(settings.recency) ** np.arange(len(weeks), dtype=np.float32)
    weight = np.repeat(by_week[:, None], weeks.shape[1], axis=1)
    if not settings.other_days:
        return ProfileLags(weeks, weight)
    wall = WallMinutes(minutes, clock.timezone)
    others = other_days(wall.days, settings.reach_of_other_days, clock.holidays, settings.weekend)
    age = (wall.days - others) / np.timedelta64(7, "D")
    by_day = settings.other_days * settings.recency ** np.nan_to_num(age - 1 / 7)
    source = np.concatenate([weeks, wall.steps_of(others, clock)])
    return ProfileLags(source, np.concatenate([weight, by_day.astype(np.float32)[:, wall.place]]))


def pooled_profile(smoothed: Smoothed, lags: ProfileLags, rows: StationIndex = slice(None)) -> Float:
    """Weighted mean of the smoothed lags; NaN where none of them has a value.

    Args:
        smoothed: the series.
        lags: of the steps wanted.
        rows: stations wanted.

    Returns:
        float32 [target, row, step].
    """
    means = smoothed.over(lags.source)
    shape = len(means), count_rows(means, rows), lags.source.shape[1]
    out = np.empty(shape, np.float32)

    def copy(steps: Steps, lag: Float) -> None:
        gather(means, steps, lag, rows)

    for part in lags.chunks(max(BLOCK, CHUNK // max(shape[0] * shape[1], 1))):
        out[..., part.at] = _weighted_mean(part, copy, np.empty((*shape[:2], part.source.shape[1]), np.float32))
    return out


def profile_by_time(values: Float, half: int, lags: ProfileLags, rows: StationIndex = slice(None)) -> Float:
    """The same from counts that lie by time, smoothed where they are needed: there is no second copy of all series.

    Args:
        values: float32 [target, station, step], in memory or in a file step by step.
        half: of `Smoothed`.
        lags: of the steps wanted.
        rows: stations wanted.

    Returns:
        float32 [target, row, step].
    """
    stations, few = np.arange(values.shape[1])[rows], max(SERIES // len(values), 1)
    out = np.empty((len(values), len(stations), lags.source.shape[1]), np.float32)
    for part in lags.chunks(CHUNK // SERIES):
        for some in pieces(len(stations), few):
            at = stations[some]
            lag = np.empty_like(values, shape=(len(values), len(at), part.source.shape[1]), subok=False)
            copy = partial(_copy_means, values, as_rows(at), half)
            out[:, some, part.at] = _weighted_mean(part, copy, lag)
    return out


def _copy_means(values: Float, rows: StationIndex, half: int, steps: Steps, out: Float) -> None:
    """Write the moving means of some stations at some steps, run by run; NaN where there is no step."""
    for a, b, begin in runs(steps):
        before = min(half, begin)
        counts = values[:, rows, begin - before : begin + b - a + half] if begin != MISSING else None
        out[..., a:b] = np.nan if counts is None else moving_mean(counts, before, before + b - a, half)


def profile_in_parts(values: Float, half: int, lags: ProfileLags, rows: StationIndex = slice(None)) -> Float:
    """The same from the counts, a few stations at a time, so that no second copy of all series is in memory.

    Args:
        values: float32 [target, station, step].
        half: of `Smoothed`.
        lags: of the steps wanted.
        rows: stations wanted.

    Returns:
        float32 [target, row, step].
    """
    stations = np.arange(values.shape[1])[rows]
    out = np.empty((len(values), len(stations), lags.source.shape[1]), np.float32)
    for first in range(0, len(stations), FEW_STATIONS):
        part = stations[first : first + FEW_STATIONS]
        out[:, first : first + FEW_STATIONS] = pooled_profile(Smoothed(values[:, as_rows(part)], half), lags)
    return out


def half_window(settings: FeatureSettings, interval: int) -> int:
    """Steps on either side of one that its smoothed count takes in."""
    return settings.smooth_minutes // (2 * interval)


def _weighted_mean(lags: LagChunk, copy: Callable[[Steps, Float], None], lag: Float) -> Float:
    """Weighted mean of the lags; `copy` writes the means at some steps into an array such as `lag`."""
    total, weights = np.zeros_like(lag), np.zeros_like(lag)
    for steps, weight in zip(lags.source, lags.weight, strict=True):
        if (steps == MISSING).all():
            continue
        copy(steps, lag)
        seen = ~np.isnan(lag)
        lag *= weight
        if seen.all():
            weights += weight
            total += lag
            continue
        weights += seen * weight
        np.add(total, lag, out=total, where=seen)
    return np.divide(total, weights, out=np.full_like(total, np.nan), where=weights > 0)


def damped_level(observed: Float, expected: Float, prior: float) -> Float:
    """How the recent steps ran against their profile: (observed + prior) / (expected + prior).

    Sums go over the last axis, over the steps where both are there, one after the other, so that a row does not
    depend on the rows beside it; 1 where there is none.

    Args:
        observed: float32 [..., step], counts.
        expected: float32 [..., step], profile.
        prior: people added to both.
    """
    both = ~(np.isnan(observed) | np.isnan(expected))
    sums = [_running_sum(np.where(both, x, 0)) for x in (observed, expected)]
    return np.asarray((sums[0] + prior) / (sums[1] + prior), dtype=np.float32)


def hourly(values: Float, first: Int, width: int) -> Float:
    """Sums of the `width` steps from every `first`, each added up in the same order at every position.

    Args:
        values: float32 [target, station, step].
        first: positions, int64 [window, hour].
        width: steps per sum.

    Returns:
        float32 [target, window, station, hour].
    """
    if first.size * width <= values.shape[-1]:
        return np.ascontiguousarray(np.moveaxis(_pairwise_sum(_parts(values, first, width)), 1, 2))
    total, done, power, span = np.zeros_like(values), 0, values.copy(), 1
    while span <= width:
        if width & span:
            total[..., : values.shape[-1] - done] += power[..., done:]
            done += span
        power[..., : values.shape[-1] - span] += power[..., span:]
        span *= 2
    return np.ascontiguousarray(np.moveaxis(total[..., first], 1, 2))


def _parts(values: Float, first: Int, width: int) -> Float:
    """The steps of every sum, float32 [target, station, window, hour, width]; no copy where hours lie in a row."""
    if len(first) == 1 and first.size and (np.diff(first[0]) == width).all():
        row = values[..., first[0, 0] : first[0, -1] + width]
        return row.reshape(*row.shape[:-1], *first.shape, width)
    return values[..., first[..., None] + np.arange(width)]


def _pairwise_sum(values: Float) -> Float:
    """Sums over the last axis in the order of `hourly`: neighbours in pairs, the pairs in pairs and so on."""
    total, done, span, width = np.zeros(values.shape[:-1], np.float32), 0, 1, values.shape[-1]
    while span <= width:
        if width & span:
            part = values[..., done : done + span]
            while part.shape[-1] > 1:
                part = part[..., ::2] + part[..., 1::2]
            total += part[..., 0]
            done += span
        span *= 2
    return total


def _running_sum(values: Float) -> npt.NDArray[np.float64]:
    if not values.shape[-1]:
        return np.zeros(values.shape[:-1])
    return np.asarray(np.add.accumulate(values, axis=-1, dtype=np.float64)[..., -1])
