"""The profile at today's level: the forecast to beat."""

from __future__ import annotations

import numpy as np

from tasks.contracts import Float, Tensors
from tasks.model.architectures._baseline import Baseline, hour_profile, recent_mean


class WeekdayLevel(Baseline):
    """Profile times level; the recent hours' mean where there is no profile, else 0."""

    name = "weekday_level"

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        expected = hour_profile(tensors) * tensors.level[..., None]
        return np.where(np.isnan(expected), recent_mean(tensors), expected)
