"""Held-out hours as people look at them: an hour apart, with truth and the challenger's forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Prediction
from tasks.model.origin_chunks import forecast_origins
from tasks.model.training.holdout import limit_origins
from tasks.model.training.train import Trained

HOUR = np.timedelta64(60, "m")
MOST = 168
"""Origins, an hour apart: a week."""


@dataclass(frozen=True)
class HeldOut:
    """The newest held-out origins, an hour apart.

    Attributes:
        origins: datetime64[m] [O], UTC.
        truth: float32 [C, O, S, H]; NaN where not observed.
        prediction: of the challenger.
    """

    origins: Minutes
    truth: Float
    prediction: Prediction


def held_out_hours(trained: Trained) -> HeldOut | None:
    """The held-out hours of a training; None where nothing was held out."""
    if not len(trained.split.holdout):
        return None
    newest = trained.split.holdout[-1]
    count = int((newest - trained.split.holdout[0]) // HOUR) + 1
    origins = newest - np.arange(min(count, MOST))[::-1] * HOUR
    origins = limit_origins(origins, len(trained.features.grid.stations))
    prediction = forecast_origins(trained.forecaster, trained.features, origins)
    return HeldOut(origins, trained.features.truth(origins), prediction)
