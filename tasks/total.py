"""The network's total as one more series: the sum of its open stations, in the minute table and in every forecast.

A forecast of the total knows the network's day better than the noisy sum of many stations does; the sum knows what
single stations do. Their mean is better than either (E. Hollyman, F. Petropoulos, M. Tipping, "Understanding forecast
reconciliation", EJOR 2021), needs nothing learnt, and leaves nothing negative where stations take their share by size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Int
from tasks.contracts import Prediction, Tensors
from tasks.errors import ConfigError
from tasks.grid import Grid
from tasks.large_arrays import PIECE, pieces

Bools = npt.NDArray[np.bool_]

OPEN_MINUTES = 23 * 60
"""A station is open at a minute if it was observed at it or within so many minutes before it: the shortest day."""
DIRECT = 0.5
"""Weight of the total's own forecast beside the sum of the stations', where all of its last hour was observed."""
DAYS_AT_ONCE = 4
"""Days by the minute of which a total is made at once; each such part reads the day before it, too."""
MOST = 2.0
"""A station's forecast changes by a factor of at most so much."""
FEW = 1e-6
"""People per interval below which nothing is scaled."""


def check_total(stations: Sequence[str], name: str | None) -> None:
    """Refuse a name of the total that a station has.

    Raises:
        ConfigError: if one has.
    """
    if name is not None and name in stations:
        raise ConfigError(
            f"[network] total = {name!r} is the name of a station that was ingested: give the total another name"
        )


def with_total(grid: Grid, name: str | None) -> Grid:
    """The grid with the sum of its stations as its last one; the grid itself where there is no name.

    A minute of the total is observed if a station was and every open station was; see `total_of`.

    Raises:
        ConfigError: if a station has that name.
    """
    if name is None or not grid.stations:
        return grid
    check_total(grid.stations, name)
    values = np.concatenate([grid.values, total_of(grid.values, grid.interval, grid.held_steps)[:, None]], axis=1)
    return replace(grid, values=values, stations=(*grid.stations, name), total=name)


def total_of(values: Float, interval: int, steps: Int | None = None) -> Float:
    """Sum over the stations, float32 [target, minute]; NaN where an open station was not observed, or none was.

    A station is open while it was observed within `OPEN_MINUTES`, so that one that closed stands in the way for a day,
    one that opens counts from its first minute, and a minute's total depends on nothing after it. Each target has
    stations of its own: a gate that counts entries only does not hold up the exits.

    Args:
        values: float32 [target, station, minute], NaN where not observed.
        interval: minutes per step.
        steps: of each minute, ascending; one after the other without.

    >>> total_of(np.array([[[1, 2, np.nan], [3, 4, 5]]]), interval=1)
    array([[ 4.,  6., nan]], dtype=float32)
    """
    steps = np.arange(values.shape[2]) if steps is None else steps
    total, some, held_up = np.zeros((len(values), len(steps))), *np.zeros((2, len(values), len(steps)), bool)
    for station in range(values.shape[1]):
        counts = values[:, station]
        seen = ~np.isnan(counts)
        last = np.maximum.accumulate(np.where(seen, steps, -OPEN_MINUTES), axis=-1)
        held_up |= ~seen & (steps - last < OPEN_MINUTES // interval)
        some |= seen
        total += np.where(seen, counts, 0)
    return np.where(some & ~held_up, total, np.nan).astype(np.float32)


def sum_up(values: Float, interval: int) -> None:
    """Make the last station the total of all others again, in place, some days at a time."""
    day = OPEN_MINUTES // interval
    for part in pieces(values.shape[2], DAYS_AT_ONCE * PIECE):
        before = max(part.start - day, 0)
        counts = np.ascontiguousarray(values[:, :-1, before : part.stop])
        values[:, -1, part] = total_of(counts, interval)[:, part.start - before :]


def coherent(prediction: Prediction, tensors: Tensors) -> Prediction:
    """The prediction with means that add up to the total's, where the tensors have one; itself where not.

    Stations are scaled by one factor per interval, quantiles along with their means; whole numbers stay whole. Those
    that closed are no part of the total, in its counts as in its forecast, and stay as they are; see `open_stations`.

    Args:
        prediction: of all stations of the network and of their total, which comes last.
        tensors: from which it was made.
    """
    if tensors.total is None:
        return prediction
    among = open_stations(tensors)[..., None]
    below = np.where(among, prediction.mean[:, :, :-1], 0).sum(axis=2, dtype=np.float64)
    own = prediction.mean[:, :, -1].astype(np.float64)
    wanted = below + DIRECT * observed_share(tensors)[..., None] * (own - below)
    factor = np.divide(wanted, below, out=np.ones_like(below), where=below > FEW).clip(1 / MOST, MOST)
    by_station = np.where(among, factor[:, :, None], 1.0)
    mean, quantiles = prediction.mean.copy(), prediction.quantiles.copy()
    mean[:, :, :-1] *= by_station.astype(np.float32)
    mean[:, :, -1] = np.where(among, mean[:, :, :-1], 0).sum(axis=2, dtype=np.float64)
    ratio = np.divide(mean[:, :, -1], own, out=np.ones_like(own), where=own > FEW)
    quantiles[:, :, :, :-1] = scale_quantiles(quantiles[:, :, :, :-1], by_station)
    quantiles[:, :, :, -1] = scale_quantiles(quantiles[:, :, :, -1], ratio)
    return replace(prediction, mean=mean, quantiles=quantiles)


def open_stations(tensors: Tensors) -> Bools:
    """Which stations make up the total of the hour ahead, bool [target, origin, station] without the total.

    A station closed if it was silent for `OPEN_MINUTES` up to a time of day at which it used to be observed. Before the
    first hour of a service day nobody is: a station that rests at weekends opens again. Where no station would be
    left, as where the whole feed is late, or the tensors do not reach back so far, all of them make it up.
    """
    steps, hours = tensors.recent.shape[-1], tensors.hours
    back = max(-(-(OPEN_MINUTES - steps * tensors.interval) // 60), 0)
    if hours.shape[-1] < back:
        return np.ones_like(tensors.level[:, :, :-1], bool)
    usual = np.isfinite(tensors.profile[..., :steps]).any(axis=-1)
    seen = np.isfinite(tensors.recent).any(axis=-1) | (hours[..., hours.shape[-1] - back :] > 0).any(axis=(0, -1))
    found = np.asarray(seen | ~usual)[:, :, :-1]
    return np.asarray(found | ~found.any(axis=2, keepdims=True))


def observed_share(tensors: Tensors) -> Float:
    """Share of the last hour before each origin in which the total was observed, float32 [target, origin]."""
    last = tensors.recent[:, :, -1, -tensors.horizon :]
    return np.asarray(np.isfinite(last).mean(axis=-1), np.float32)


def scale_quantiles(quantiles: Float, factor: np.ndarray) -> Float:  # type: ignore[type-arg]
    """Quantiles of counts whose mean changes by a factor: whole numbers, each as far from one as it was before.

    Args:
        quantiles: float32 [quantile, ...], non-decreasing.
        factor: broadcast to [...].
    """
    whole = np.round(quantiles)
    return np.asarray(np.maximum(np.sort(np.round(whole * factor) + (quantiles - whole), axis=0), 0), np.float32)
