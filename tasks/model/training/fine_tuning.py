"""Which nights go on from the weights of the model before, and which architectures can."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from tasks.clock import service_dates
from tasks.contracts import Forecaster
from tasks.settings.tree import RetrainSettings


@runtime_checkable
class FineTuning(Protocol):
    """An architecture whose fit may go on from `start`, where its layout fits."""

    start: Forecaster | None


def is_warm(retrain: RetrainSettings, as_of: np.datetime64, timezone: str) -> bool:
    """Whether the fit of that moment starts from the weights of the one before; `alternate` says so every other day."""
    day = service_dates(np.array([as_of], dtype="datetime64[m]"), timezone)[0].astype("datetime64[D]")
    return retrain.mode == "fine_tune" or (retrain.mode == "alternate" and int(day.astype(np.int64)) % 2 == 1)
