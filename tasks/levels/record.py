"""The largest hour of every station in the minutes that a forecast has loaded."""

from __future__ import annotations

import numpy as np

from tasks.arrays import HORIZON_MINUTES, Float
from tasks.contracts import Grid

QUARTER = 15
DAY_MINUTES = 1440


def largest_hours(grid: Grid) -> Float:
    """Most people in an hour that begins at a quarter, float32 [C, S]; NaN where nothing was observed.

    Minutes that were not observed count as nobody, so that an hour with a gap sets no record that was none. A day at a
    time; days that were not loaded are skipped.
    """
    hop = QUARTER // grid.interval if QUARTER % grid.interval == 0 else 1
    window, day = HORIZON_MINUTES // (hop * grid.interval), DAY_MINUTES // grid.interval
    record = np.full(grid.values.shape[:2], np.nan, np.float32)
    for start in range(0, grid.steps, day):
        block = grid.values[:, :, start : start + day + (window - 1) * hop]
        bins = block.shape[2] // hop
        if bins < window or np.isnan(block[..., ::hop]).all():
            continue
        people = _sum_bins(block[..., : bins * hop], hop)
        hours = sum(people[..., i : bins - window + 1 + i] for i in range(window))
        seen = ~np.isnan(block[..., ::hop]).all(axis=-1)
        record = np.where(seen, np.fmax(record, np.max(hours, axis=-1)), record)
    return record


def _sum_bins(values: Float, hop: int) -> Float:
    """Sums of `hop` steps each; NaN counts as nobody."""
    filled = np.where(np.isnan(values), np.float32(0), values)
    return np.asarray(filled.reshape(*values.shape[:2], -1, hop) @ np.ones(hop, np.float32))
