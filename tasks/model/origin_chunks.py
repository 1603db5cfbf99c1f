"""Iterate origins in bounded batches, so that the tensors of many origins are never in memory at once."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Minutes
from tasks.contracts import Features, Forecaster, Prediction
from tasks.total import coherent

CHUNK_VALUES = 6_000_000
"""Lag values in memory at once while rows are made."""


def chunks(origins: Minutes, features: Features, weeks: int = 15) -> list[Minutes]:
    """Consecutive origins in batches whose lag tensors hold at most `CHUNK_VALUES` values."""
    grid = features.grid
    steps = 3 * 60 // grid.interval
    size = max(CHUNK_VALUES // max(weeks * len(grid.targets) * len(grid.stations) * steps, 1), 1)
    return [origins[a : a + size] for a in range(0, len(origins), size)]


def forecast_origins(forecaster: Forecaster, features: Features, origins: Minutes) -> Prediction:
    """Coherent forecasts of all stations at some origins, batch by batch."""
    tensors = (features.tensors(part) for part in chunks(origins, features))
    parts = [coherent(forecaster.predict(part), part) for part in tensors]
    mean = np.concatenate([part.mean for part in parts], axis=1)
    return Prediction(mean, np.concatenate([part.quantiles for part in parts], axis=2))
