"""What the recursive networks show of themselves: a series at the busiest station, and their forecasts of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Minutes
from tasks.contracts import Features
from tasks.metrics import rmse
from tasks.model.architectures._recursive.recipe import RecursiveForecaster
from tasks.model.plots.plots import Values


@dataclass(frozen=True)
class Shown:
    """The first target at the busiest station, as counted and as the network reads it.

    Attributes:
        minutes: UTC, datetime64[m] [T].
        counts: people per interval, [T]; NaN where not observed.
        known: float32 [T, channel], scaled; 0 where not observed.
        gaps: bool [T], whether a channel was not observed.
        low, span: of the scale, in people.
        station: whose it is.
    """

    minutes: Minutes
    counts: Values
    known: Float
    gaps: npt.NDArray[np.bool_]
    low: float
    span: float
    station: str

    @classmethod
    def of(cls, forecaster: RecursiveForecaster, features: Features, start: int, stop: int) -> Shown:
        """Steps `start` to before `stop` of the features' grid."""
        grid = features.grid
        counts = grid.values[:, :, start:stop]
        busiest = int(np.argmax(np.nansum(counts[0, grid.parts], axis=-1)))
        pairs = [forecaster.scales.get(t, {}).get(grid.stations[busiest], (0.0, 1.0)) for t in grid.targets]
        low, high = np.array(pairs, np.float32).T
        span = np.maximum(high - low, 1)
        scaled = (counts[:, busiest].T - low) / span
        gaps = np.isnan(scaled)
        known = np.where(gaps, np.float32(0), scaled).astype(np.float32)
        minutes, station = grid.minutes[start:stop], grid.stations[busiest]
        return cls(minutes, counts[0, busiest], known, gaps.any(axis=1), float(low[0]), float(span[0]), station)

    def people(self, answer: Float) -> Values:
        """The first target of a network's answer [..., channel], in people."""
        return np.asarray(answer[..., 0] * self.span + self.low, np.float64)


def error(answer: Values, counts: Values) -> float:
    """Root mean squared error in people, over the steps that are forecast."""
    there = np.isfinite(answer)
    return rmse(answer[there], counts[there])
