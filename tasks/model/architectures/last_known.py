"""The last resort: as it was when the station was last observed."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float
from tasks.base_forecast import recent_mean
from tasks.contracts import Tensors
from tasks.model.architectures._baseline import Baseline

MINUTES = 30


class LastKnown(Baseline):
    """Mean of the last half hour of observed minutes, all hour long; else that of the newest weekly lag.

    A silent station is not an empty one: where nothing was observed in the recent minutes, the newest earlier week
    that has this hour, or the time before it, answers. 0 where no week has any of it.
    """

    name = "last_known"

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        recent = recent_mean(tensors, steps=max(MINUTES // tensors.interval, 1))
        silent = np.isnan(tensors.recent).all(axis=-1, keepdims=True)
        return np.where(silent, _newest_week(tensors), recent)


def _newest_week(tensors: Tensors) -> Float:
    """Mean of the hour in the newest week that has any of it, else of its whole lag window; [C, O, S, 1]."""
    out = np.zeros((*tensors.level.shape, 1), np.float32)
    found = np.zeros(out.shape, bool)
    for width in (tensors.horizon, tensors.lags.shape[-1]):
        for week in tensors.lags:
            window = week[..., -width:]
            seen = np.isfinite(window)
            people = np.where(seen, window, 0).sum(axis=-1, keepdims=True, dtype=np.float64)
            known = seen.any(axis=-1, keepdims=True) & ~found
            out[known] = (people / np.maximum(seen.sum(axis=-1, keepdims=True), 1))[known]
            found |= known
    return out


ARCHITECTURE = LastKnown
