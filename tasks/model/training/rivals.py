"""What a challenger is held against on the held-out days: the champion, and the baselines of the gate."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.arrays import HORIZON_MINUTES, Minutes
from tasks.contracts import Features, FitLog, Forecaster, Progress, Split
from tasks.errors import HistoryError, ModelError
from tasks.grid import Grid, people_per_station
from tasks.metrics import Double
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.training.fit import make_architecture
from tasks.model.training.holdout import Scores, held_out_day, limit_origins, score
from tasks.model.training.judge import CHALLENGER, CHAMPION
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rivals:
    """Champion and baselines, and the held-out days.

    Attributes:
        features, settings: of the training.
        origins: held out, at most as many as are scored.
        champion: None where there is none, or it cannot forecast these days.
        baselines: fitted on the same days as the challenger, by name.
        volume: float64 [station], people per held-out day.
        progress: called while they are scored.
    """

    features: Features
    settings: Settings
    origins: Minutes
    champion: BundledForecaster | None
    baselines: dict[str, Forecaster]
    volume: Double
    progress: Progress | None

    @classmethod
    def of(
        cls,
        features: Features,
        settings: Settings,
        split: Split,
        champion: BundledForecaster | None,
        progress: Progress | None,
    ) -> Rivals:
        """Fit the baselines; a champion that cannot forecast these days is left out with a warning."""
        baselines = _baselines(features, settings, split)
        origins = limit_origins(split.holdout, len(features.grid.stations))
        able = champion if champion is not None and _can_forecast(champion, features, origins) else None
        return cls(features, settings, origins, able, baselines, _volume(features.grid, split), progress)

    @property
    def days(self) -> tuple[str, ...]:
        """First origin of each held-out day, ISO."""
        first = np.unique(held_out_day(self.origins), return_index=True)[1]
        return tuple(f"{o}Z" for o in self.origins[first])

    def score(self, challenger: Forecaster) -> dict[str, Scores]:
        """Scores of the challenger and of all rivals, by name."""
        models = {CHALLENGER: challenger, **self.baselines}
        if self.champion is not None:
            models[CHAMPION] = self.champion
        timezone = self.settings.network.timezone
        return score(self.features, self.origins, models, timezone, self.progress, self.baselines)


def _baselines(features: Features, settings: Settings, split: Split) -> dict[str, Forecaster]:
    """Every baseline of the gate that this history is enough for, by name."""
    fitted = {}
    for name in settings.gate.baselines:
        try:
            fitted[name] = make_architecture(settings, name, None).fit(features, split, settings.retrain.seed, FitLog())
        except HistoryError as error:
            log.warning("the gate does without the baseline %s: %s", name, error)
    return fitted


def _can_forecast(champion: Forecaster, features: Features, origins: Any) -> bool:
    """Whether the champion takes these tensors: the network may have changed since it was trained."""
    try:
        champion.predict(features.tensors(origins[:1]))
    except ModelError as error:
        log.warning("the champion cannot be compared: %s", error)
        return False
    return True


def _volume(grid: Grid, split: Split) -> Double:
    """People per day at each station over the hold-out, all targets, float64 [station]."""
    if not len(split.holdout):
        return np.zeros(len(grid.stations))
    at = grid.index(split.holdout[[0, -1]])
    counts = grid.values[:, :, at[0] : at[1] + HORIZON_MINUTES // grid.interval]
    days = max(counts.shape[-1] * grid.interval / 1440, 1e-9)
    return np.asarray(people_per_station(counts) / days)
