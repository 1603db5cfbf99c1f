"""What the baselines share: a mean that needs no fit, and quantiles around it that a fit makes wider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from tasks.contracts import Features, FitLog, Float, Forecaster, Grid, Prediction, Split, Tensors
from tasks.errors import HistoryError, ModelError
from tasks.model.architectures import ModelConfig, Range, Space
from tasks.model.quantiles import count_quantiles, dispersion

CHUNK = 32


class BaselineConfig(ModelConfig):
    """What every baseline has."""

    fit_origins: int = Field(400, ge=1, description="Training origins from which the spread is learnt, at most.")
    dispersion_prior: float = Field(50.0, gt=0, description="People that pull the spread towards Poisson.")


Mean = Callable[[Tensors], Float]


@dataclass
class BaselineForecaster:
    """A mean and, by target and station, its over-dispersion; 1 (Poisson) where none was learnt."""

    name: str
    mean: Mean
    phi: dict[str, dict[str, float]] = field(default_factory=dict)

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin."""
        mean = self.mean(tensors)
        known = [[self.phi.get(t, {}).get(s, 1.0) for s in tensors.stations] for t in tensors.targets]
        phi = np.array(known, np.float32).reshape(len(tensors.targets), 1, len(tensors.stations), 1)
        return Prediction(mean, count_quantiles(mean, phi))

    def export(self, folder: Path) -> dict[str, Any]:
        """Nothing goes into the folder: the config is all."""
        return {"phi": self.phi}


class Baseline:
    """An architecture around `mean`, which subclasses give."""

    name: str = ""
    unseeded = True
    config_type: type[ModelConfig] = BaselineConfig
    space: ClassVar[Space] = {"fit_origins": Range(50, 1000), "dispersion_prior": Range(1.0, 1000.0, log=True)}

    def __init__(self, config: BaselineConfig | None = None) -> None:
        self.config = config or BaselineConfig()

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        raise NotImplementedError

    def unfitted(self) -> Forecaster:
        """The forecaster before any fit: counts spread as Poisson's do."""
        return BaselineForecaster(self.name, self.mean)

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Learn the over-dispersion on evenly chosen training origins.

        Raises:
            HistoryError: if there is no training origin.
        """
        if not len(split.train):
            raise HistoryError(f"{self.name}: no training origins: ingest more history, or train on fewer days")
        chosen = split.train[:: -(-len(split.train) // self.config.fit_origins)]
        parts = [chosen[a : a + CHUNK] for a in range(0, len(chosen), CHUNK)]
        mean = np.concatenate([self.mean(features.tensors(part)) for part in parts], axis=1)
        phi = dispersion(features.truth(chosen), mean, self.config.dispersion_prior)
        log.notes["dispersion_median"] = float(np.median(phi)) if phi.size else 1.0
        return BaselineForecaster(self.name, self.mean, _by_name(phi, features.grid))

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export` returned `config`.

        Raises:
            ModelError: if the config holds no over-dispersions.
        """
        phi = config.get("phi")
        if not isinstance(phi, dict):
            raise ModelError(f"{cls.name}: the bundle in {folder} has no phi: retrain it")
        return BaselineForecaster(cls.name, cls.mean, phi)


def recent_mean(tensors: Tensors, steps: int | None = None) -> Float:
    """Mean of the last observed recent steps (all by default) as an hour; 0 where nothing was observed.

    Returns:
        float32 [target, origin, station, step].
    """
    recent = tensors.recent
    seen = ~np.isnan(recent)
    if steps is not None:
        seen &= np.cumsum(seen[..., ::-1], axis=-1)[..., ::-1] <= steps
    total = np.where(seen, recent, 0).sum(axis=-1, keepdims=True, dtype=np.float64)
    mean = total / np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    return np.repeat(mean.astype(np.float32), tensors.horizon, axis=-1)


def hour_profile(tensors: Tensors) -> Float:
    """Profile of the hour, float32 [target, origin, station, step]; NaN where no week has a value."""
    return tensors.profile[..., -tensors.horizon :]


def _by_name(phi: Float, grid: Grid) -> dict[str, dict[str, float]]:
    rows = zip(grid.targets, phi.tolist(), strict=True)
    return {target: dict(zip(grid.stations, row, strict=True)) for target, row in rows}
