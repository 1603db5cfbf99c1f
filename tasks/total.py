"""The network's total as one more series: the sum of its stations, where all of them that are open were observed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Grid
from tasks.errors import ConfigError

OPEN_MINUTES = 23 * 60
"""A station is open at a minute if it was observed at it or within so many minutes before it: the shortest day."""


def with_total(grid: Grid, name: str | None) -> Grid:
    """The grid with the sum of its stations as its last one; the grid itself where there is no name.

    A minute of the total is observed if a station was and every open station was; see `total_of`.

    Raises:
        ConfigError: if a station has that name.
    """
    if name is None or not grid.stations:
        return grid
    if name in grid.stations:
        raise ConfigError(
            f"[network] total = {name!r} is the name of a station that was ingested: give the total another name"
        )
    values = np.concatenate([grid.values, total_of(grid.values, grid.interval)[:, None]], axis=1)
    return replace(grid, values=values, stations=(*grid.stations, name), total=name)


def total_of(values: Float, interval: int) -> Float:
    """Sum over the stations, float32 [target, minute]; NaN where an open station was not observed, or none was.

    A station is open while it was observed within `OPEN_MINUTES`, so that one that closed stands in the way for a day,
    one that opens counts from its first minute, and a minute's total depends on nothing after it. Each target has
    stations of its own: a gate that counts entries only does not hold up the exits.

    Args:
        values: float32 [target, station, minute], NaN where not observed.
        interval: minutes a step.
    """
    steps = np.arange(values.shape[2])
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
    """Make the last station the total of all others anew, in place."""
    values[:, -1] = total_of(values[:, :-1], interval)
