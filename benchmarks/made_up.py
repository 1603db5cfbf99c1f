"""A made-up network for the benchmarks of training: counts with a day, a week, and days at levels of their own."""

from __future__ import annotations

import numpy as np

from tasks.grid import Grid

DAY = 1440
START = np.datetime64("2024-01-01T06:00", "m")


def city(stations: int, weeks: int, seed: int = 1) -> Grid:
    """Counts of entries and exits, [2, stations, minutes], from Monday's midnight in Chicago on."""
    rng = np.random.default_rng(seed)
    days = 7 * weeks
    turn = 2 * np.pi * np.arange(DAY) / DAY
    shape = np.maximum(0.02, 1 - np.cos(turn) - 0.8 * np.cos(2 * turn)).astype(np.float32)
    values = np.empty((2, stations, days * DAY), np.float32)
    level = rng.lognormal(0, 0.2, days) * np.where(np.arange(days) % 7 < 5, 1, 0.5)
    for station, size in enumerate(rng.lognormal(0, 1, stations)):
        for target in range(2):
            rate = (size * level[:, None] * np.roll(shape, 60 * target)).ravel()
            values[target, station] = rng.poisson(rate)
    return Grid(values, START, 1, tuple(f"S{i:03d}" for i in range(stations)), ("entries", "exits"))
