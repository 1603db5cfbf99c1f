"""The passenger-flow article's recipe: four LSTM cells forecast the next minute from the last one.

The first 67 % of the origins train, the rest validate; min-max by station; seed 7 (`[retrain] seed`), batches of 1. The
hour is forecast minute by minute, each from the forecast before. It notes the article's picture: a series with the fit
of its training and of its validation part, and the root mean squared error of both in people. Trained with keras.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tasks.contracts import Features, FitLog, Split
from tasks.model.architectures._recursive.recipe import RecursiveConfig, RecursiveForecaster, RecursiveLstm
from tasks.model.architectures._recursive.recursion import point_by_point, sliding_windows
from tasks.model.architectures._recursive.shown import Shown, error
from tasks.model.plots.series import SeriesFit

SHOWN_DAYS = 3
"""Length of the picture: two days of training, one of validation."""


class LookbackConfig(RecursiveConfig):
    """Table `[models.lookback_lstm]`; the defaults are the article's, but for the number of windows."""

    cells: tuple[int, ...] = Field((4,), min_length=1, description="Cells of each LSTM layer.")
    window: int = Field(1, ge=1, description="Look-back: minutes (steps of the interval) that are looked back on.")
    epochs: int = Field(100, ge=1, le=10_000, description="Passes over the training windows, at most.")
    batch: int = Field(1, ge=1, description="Windows a step; larger is faster.")
    validation_share: float = Field(0.33, gt=0, lt=1, description="The last share of the origins before the hold-out.")
    max_samples: int = Field(200, ge=1, description="Windows of training and validation together, at most.")


class LookbackLstm(RecursiveLstm):
    """See the file's head."""

    name = "lookback_lstm"
    config_type = LookbackConfig

    def show(self, forecaster: RecursiveForecaster, features: Features, split: Split, log: FitLog) -> None:
        """Note the series at the busiest station around the end of its training part, with both fits and errors."""
        origins = np.concatenate([split.train, split.validation])
        border = origins[len(origins) - max(round(len(origins) * self.config.validation_share), 1)]
        fit = step_by_step(forecaster, features, border, origins[-1])
        log.notes |= {
            "series_fit": fit,
            "rmse_training": error(fit.training, fit.counts),
            "rmse_validation": error(fit.validation, fit.counts),
        }


def step_by_step(
    forecaster: RecursiveForecaster, features: Features, border: np.datetime64, end: np.datetime64
) -> SeriesFit:
    """The first target of the busiest station before and after `border`, each step from the true ones before it.

    Args:
        forecaster: fitted.
        features: whose grid is shown.
        border: first minute of the validation part.
        end: nothing at or after it is looked at.
    """
    grid, day = features.grid, 1440 // features.grid.interval
    stop = min(int(grid.index(end)), int(grid.index(border)) + day)
    start = max(stop - SHOWN_DAYS * day, 0)
    shown = Shown.of(forecaster, features, start, stop)
    gap = sliding_windows(shown.gaps[:-1, None], forecaster.window).any(axis=(1, 2))
    answer = shown.people(point_by_point(forecaster.next_steps(), shown.known, forecaster.window))
    fitted = np.concatenate([np.full(forecaster.window, np.nan), np.where(gap, np.nan, answer)])
    early = shown.minutes < border
    training, validation = (np.where(part, fitted, np.nan) for part in (early, ~early))
    return SeriesFit(shown.minutes, shown.counts, training, validation, shown.station)


ARCHITECTURE = LookbackLstm
