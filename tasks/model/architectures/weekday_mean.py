"""The profile alone: mean of the weekly lags, smoothed over some minutes; recent weeks weigh more."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float
from tasks.base_forecast import hour_profile, recent_mean
from tasks.contracts import Tensors
from tasks.model.architectures._baseline import Baseline


class WeekdayMean(Baseline):
    """Mean of the same minute in earlier weeks; the recent hours' mean where there is none, else 0."""

    name = "weekday_mean"

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        profile = hour_profile(tensors)
        return np.where(np.isnan(profile), recent_mean(tensors), profile)


ARCHITECTURE = WeekdayMean
