"""Origins by the handful: what is made of many of them never lies in memory whole."""

from __future__ import annotations

from tasks.contracts import Features, Minutes

CHUNK_VALUES = 6_000_000
"""Lag values in memory at once while rows are made."""


def chunks(origins: Minutes, features: Features, weeks: int = 15) -> list[Minutes]:
    """Origins in runs whose tensors stay small."""
    grid = features.grid
    steps = 3 * 60 // grid.interval
    size = max(CHUNK_VALUES // max(weeks * len(grid.targets) * len(grid.stations) * steps, 1), 1)
    return [origins[a : a + size] for a in range(0, len(origins), size)]
