"""The profile at today's level: the forecast to beat."""

from __future__ import annotations

import numpy as np

from tasks.contracts import Float, Tensors
from tasks.model.architectures._baseline import Baseline, hour_profile, recent_mean

SHAPE_PRIOR = np.float32(2)
"""People an hour at which the minutes of the hour are half as the profile has them, half alike."""


class WeekdayLevel(Baseline):
    """Profile times level; the recent hours' mean where there is no profile, else 0.

    The sum of the hour is the profile's. How it spreads over the minutes is drawn to even where few people tell: the
    profile of a quiet station is zero in most minutes and spikes in some by chance.
    """

    name = "weekday_level"

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        profile = hour_profile(tensors)
        seen = ~np.isnan(profile)
        people = np.cumsum(np.where(seen, profile, 0), axis=-1, dtype=np.float64)[..., -1:].astype(np.float32)
        even = people / np.maximum(seen.sum(axis=-1, keepdims=True), 1).astype(np.float32)
        trust = people / (people + SHAPE_PRIOR)
        expected = (trust * profile + (1 - trust) * even) * tensors.level[..., None]
        return np.where(np.isnan(expected), recent_mean(tensors), expected)
