"""Boosted trees on top of `linear_level`: what levels, time of day and weekday say together, where the ridge adds up.

They see what the ridge sees. The validation days decide how far they may correct it, from half of the way on.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from tasks.contracts import Features, FitLog, Forecaster, Range, Space, Split
from tasks.model.architectures import BaseArchitecture
from tasks.model.architectures._boosted.fit import fit_boosted
from tasks.model.architectures._boosted.forecaster import BoostedForecaster
from tasks.model.architectures._boosted.trees import BoostedConfig


class BoostedLevel(BaseArchitecture):
    """See the file's head."""

    name = "boosted_level"
    config: BoostedConfig
    config_type = BoostedConfig
    space: ClassVar[Space] = {
        "trees": Range(20, 200, log=True),
        "leaves": Range(4, 31, log=True),
        "leaf_share": Range(0.003, 0.05, log=True),
    }

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Fit the ridge, then trees on its training origins to weigh them, then trees on the validation origins, too.

        Raises:
            HistoryError: if there are no training or no validation origins, or no training hour has a count.
        """
        begun = perf_counter()
        fit = fit_boosted(features, split, self.config, seed)
        log.notes |= {**fit.notes, "fit_seconds": round(perf_counter() - begun, 1)}
        return fit.fitted

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        return BoostedForecaster.load(folder, config)


ARCHITECTURE = BoostedLevel
