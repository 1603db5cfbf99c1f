"""The profile at today's level: the forecast to beat."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Tensors
from tasks.model.architectures._baseline import Baseline, hour_profile, recent_mean
from tasks.model.share import drawn_to_share

SHAPE_PRIOR = np.float32(2)
"""People an hour at which the minutes of the hour are half as the profile has them, half alike."""


class WeekdayLevel(Baseline):
    """Profile times level; the recent hours' mean where there is no profile, else 0.

    Where few people tell, the hour is drawn to the station's share of the network, see `share`, and its minutes to
    even: the profile of a quiet station is zero in most minutes and spikes in some by chance.
    """

    name = "weekday_level"

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        profile = hour_profile(tensors)
        seen = ~np.isnan(profile)
        people = np.cumsum(np.where(seen, profile, 0), axis=-1, dtype=np.float64)[..., -1].astype(np.float32)
        steps = np.maximum(seen.sum(axis=-1), 1).astype(np.float32)
        hour = drawn_to_share(people, tensors) * tensors.level
        shape = (profile + (SHAPE_PRIOR / steps)[..., None]) / (people + SHAPE_PRIOR)[..., None]
        expected = hour[..., None] * shape
        return np.where(np.isnan(expected), recent_mean(tensors), expected)
