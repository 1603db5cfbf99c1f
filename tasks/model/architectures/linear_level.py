"""A ridge on log levels over windows, on top of profile times level: the rival of forty-odd numbers.

Levels of the station, of its other targets and of the network over a quarter of an hour to a day, the time of day, and
how the same weekday has run correct the base forecast.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from tasks.contracts import Features, FitLog, Forecaster, Range, Space, Split
from tasks.model.architectures import BaseArchitecture
from tasks.model.architectures._linear.fit import LinearConfig, fit_linear
from tasks.model.architectures._linear.forecaster import LinearForecaster


class LinearLevel(BaseArchitecture):
    """See the file's head."""

    name = "linear_level"
    config: LinearConfig
    config_type = LinearConfig
    unseeded = True
    space: ClassVar[Space] = {"half_life_days": Range(5.0, 100.0, log=True), "fairness": Range(0.0, 1.0)}

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Choose the penalties on the validation origins; fit on them and on the training origins before them.

        Raises:
            HistoryError: if there are no training or no validation origins, or no training hour has a count.
        """
        begun = perf_counter()
        fit = fit_linear(features, split, self.config)
        log.notes |= {**fit.notes, "fit_seconds": round(perf_counter() - begun, 1)}
        return fit.fitted

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        return LinearForecaster.load(folder, config)


ARCHITECTURE = LinearLevel
