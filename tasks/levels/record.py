"""The largest hour of every station in the minutes that a forecast has loaded."""

from __future__ import annotations

import numpy as np

from tasks.arrays import HORIZON_MINUTES, Float
from tasks.contracts import Grid

QUARTER = 15
DAY_MINUTES = 1440
STATIONS_AT_ONCE = 64
"""Stations whose counts of some days stay in the processor's cache."""
FEW_STATIONS = 16


def largest_hours(grid: Grid) -> Float:
    """Most people in an hour that begins at a quarter, float32 [C, S]; NaN where nobody was counted.

    Minutes that were not observed count as nobody, so that an hour with a gap sets no record that was none. Days that
    were not loaded are skipped.
    """
    hop = QUARTER // grid.interval if QUARTER % grid.interval == 0 else 1
    window = HORIZON_MINUTES // (hop * grid.interval)
    record, ones = np.zeros(grid.values.shape[:2], np.float32), np.ones(hop, np.float32)
    for first, stop in loaded_spans(grid):
        bins = (stop - first) // hop
        for start in range(0, len(grid.stations) if bins >= window else 0, STATIONS_AT_ONCE):
            rows = slice(start, start + STATIONS_AT_ONCE)
            values = grid.values[:, rows, first : first + bins * hop]
            people = values.reshape(*values.shape[:2], bins, hop) @ ones
            if np.isnan(people).any():  # fmax makes NaN 0, and takes thrice the time of the sums
                people = np.fmax(values, np.float32(0)).reshape(*values.shape[:2], bins, hop) @ ones
            hours = sum(people[..., i : bins - window + 1 + i] for i in range(window))
            record[:, rows] = np.maximum(record[:, rows], np.max(hours, axis=-1))
    return np.where(record > 0, record, np.float32(np.nan))


def loaded_spans(grid: Grid) -> list[tuple[int, int]]:
    """First step, and step after the last, of each run of days from the grid's start that were loaded.

    Whole service days are loaded for all stations at once, so some stations at every full hour show which.
    """
    hour = max(HORIZON_MINUTES // grid.interval, 1)
    some = grid.values[:, :: max(len(grid.stations) // FEW_STATIONS, 1), ::hour]
    hourly = np.asarray(np.isfinite(some).any(axis=(0, 1)))
    day = DAY_MINUTES // grid.interval
    days = [hourly[first : first + day // hour].any() for first in range(0, len(hourly), day // hour)]
    edges = np.flatnonzero(np.diff(np.array([False, *days, False], dtype=np.int8)))
    return [(int(a) * day, min(int(b) * day, grid.steps)) for a, b in edges.reshape(-1, 2)]
