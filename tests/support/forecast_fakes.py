"""Small real objects for the stages that take features and forecasters as arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.arrays import QUANTILES, Float, Minutes
from tasks.channels import Channel
from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.errors import ModelError
from tasks.grid import Grid

WEEK = 10080
RECENT = 30


def random_grid(
    start: str, days: int, stations: int = 3, targets: int = 2, interval: int = 1, seed: int = 1, rate: float = 3.0
) -> Grid:
    """Poisson counts with a day's shape, stations "s0", "s1" …"""
    rng = np.random.default_rng(seed)
    steps = days * 1440 // interval
    day = 1 + np.sin(np.arange(steps) * interval * 2 * np.pi / 1440)
    size = rng.uniform(0.5, 2, (targets, stations, 1)) * rate * interval
    values = rng.poisson(size * day).astype(np.float32)
    names = ("entries", "exits", "transfers")[:targets]
    return Grid(values, np.datetime64(start, "m"), interval, tuple(f"s{i}" for i in range(stations)), names)


@dataclass
class FakeFeatures:
    """Tensors by plain loops, lags by elapsed time; remembers the origins it was asked for."""

    grid: Grid
    weeks: int = 2
    asked: list[Minutes] = field(default_factory=list)
    extra: tuple[Channel, ...] = ()

    def _read(self, origin: np.datetime64, first: int, last: int, before: int | None = None) -> Float:
        """Steps first..last-1 around an origin; NaN off the grid, and from step `before` on."""
        out = np.full((*self.grid.values.shape[:2], last - first), np.nan, dtype=np.float32)
        at = int(self.grid.index(origin))
        for i, step in enumerate(range(at + first, at + last)):
            if 0 <= step < self.grid.steps and (before is None or step < at + before):
                out[:, :, i] = self.grid.values[:, :, step]
        return out

    def tensors(self, origins: Minutes, stations: Sequence[int] | None = None) -> Tensors:
        assert stations is None
        self.asked.append(origins.copy())
        horizon, week = 60 // self.grid.interval, WEEK // self.grid.interval
        spans = [
            [self._read(o, -RECENT - k * week, horizon - k * week, 0) for o in origins]
            for k in range(1, self.weeks + 1)
        ]
        lags = np.stack([np.stack(week_lags, axis=1) for week_lags in spans])
        return Tensors(
            origins=origins,
            lags=lags,
            recent=np.stack([self._read(o, -RECENT, 0) for o in origins], axis=1),
            profile=lags[0],
            level=np.ones(lags.shape[1:4], dtype=np.float32),
            calendar=np.zeros((len(origins), horizon, len(Tensors.CALENDAR)), dtype=np.float32),
            stations=self.grid.stations,
            targets=self.grid.targets,
            interval=self.grid.interval,
        )

    def truth(self, origins: Minutes) -> Float:
        return np.stack([self._read(o, 0, 60 // self.grid.interval) for o in origins], axis=1)


@dataclass
class FakeForecaster:
    """Answers last week's counts, changed as told; remembers the tensors it saw."""

    name: str = "fake"
    change: Callable[[Prediction], Prediction] = lambda prediction: prediction
    seen: list[Tensors] = field(default_factory=list)

    def predict(self, tensors: Tensors) -> Prediction:
        self.seen.append(tensors)
        mean = np.nan_to_num(tensors.lags[0][..., -tensors.horizon :], nan=1.0)
        spread = np.array([(q - 0.5) * 4 for q in QUANTILES], dtype=np.float32)
        quantiles = np.maximum(mean[None] + spread[:, None, None, None, None], 0)
        return self.change(Prediction(mean, quantiles))

    def export(self, folder: Path) -> dict[str, Any]:
        raise NotImplementedError


def missing(reason: str = "it was never fitted") -> Callable[[], Forecaster]:
    """A loader of a model that is not there."""

    def load() -> Forecaster:
        raise ModelError(reason)

    return load
