"""What the baselines share: a mean that needs no fit, and quantiles around it that a fit makes wider."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from tasks.arrays import Float
from tasks.contracts import Features, FitLog, Forecaster, Prediction, Range, Space, Split, Tensors
from tasks.errors import HistoryError
from tasks.model.architectures import BaseArchitecture, ModelConfig
from tasks.model.uncertainty.spread import Mean, Spread, learn_spread, pick_evenly, read_spread, with_quantiles


class BaselineConfig(ModelConfig):
    """What every baseline has."""

    fit_origins: int = Field(400, ge=1, description="Training origins from which the spread is learnt, at most.")
    dispersion_prior: float = Field(50.0, gt=0, description="People that pull the spread towards Poisson.")


@dataclass
class BaselineForecaster:
    """A mean and the spread around it."""

    name: str
    mean: Mean
    phi: Spread = field(default_factory=dict)

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin."""
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def export(self, folder: Path) -> dict[str, Any]:
        """Nothing goes into the folder: the config is all."""
        return {"phi": self.phi}


class Baseline(BaseArchitecture):
    """An architecture around `mean`, which subclasses give."""

    config: BaselineConfig
    config_type = BaselineConfig
    unseeded = True
    space: ClassVar[Space] = {"fit_origins": Range(50, 1000), "dispersion_prior": Range(1.0, 1000.0, log=True)}

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        raise NotImplementedError

    def initial_forecaster(self) -> Forecaster:
        """The forecaster before any fit: counts spread as Poisson's do."""
        return BaselineForecaster(self.name, self.mean)

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Learn the over-dispersion on evenly chosen training origins.

        Raises:
            HistoryError: if there is no training origin.
        """
        if not len(split.train):
            raise HistoryError(f"{self.name}: no training origins: ingest more history, or train on fewer days")
        phi = learn_spread(
            self.mean, features, pick_evenly(split.train, self.config.fit_origins), self.config.dispersion_prior
        )
        log.notes["dispersion_median"] = float(np.median([x for row in phi.values() for x in row.values()] or [1.0]))
        return BaselineForecaster(self.name, self.mean, phi)

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export` returned `config`.

        Raises:
            ModelError: if the config holds no over-dispersions.
        """
        return BaselineForecaster(cls.name, cls.mean, read_spread(config, f"{cls.name}: the bundle in {folder}"))
