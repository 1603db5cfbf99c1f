"""The network's total before an origin, as it stood there."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float, Int
from tasks.features.availability import Availability, unavailable_cells
from tasks.features.lags import windows
from tasks.grid import Grid
from tasks.total import OPEN_MINUTES, total_of


def total_then(grid: Grid, known: Availability, at: Int, width: int) -> Float:
    """The total of the steps before origins as it stood there, float32 [target, origin, width].

    Args:
        grid: with a total.
        known: when its counts were known.
        at: origins, in steps.
        width: steps before them.
    """
    day = OPEN_MINUTES // grid.interval
    out = windows(grid.values[:, -1:], at - width, width)[:, :, 0]
    station, origin, place = unavailable_cells(known, at, width + day)
    for o in np.unique(origin):
        begin, mine = at[o] - width - day, origin == o
        counts = windows(grid.values[:, :-1], np.array([begin]), width + day)[:, 0]
        who, step = station[mine], begin + place[mine]
        counts[:, who, place[mine]] = known.values_at(who, step, np.full(len(who), at[o])).T
        out[:, o] = total_of(counts, grid.interval)[:, day:]
    return out
