"""The last resort: as it was in the last half hour."""

from __future__ import annotations

from tasks.arrays import Float
from tasks.contracts import Tensors
from tasks.model.architectures._baseline import Baseline
from tasks.model.base_forecast import recent_mean

MINUTES = 30


class LastKnown(Baseline):
    """Mean of the last half hour of observed minutes, all hour long; 0 where nothing was observed."""

    name = "last_known"

    @staticmethod
    def mean(tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step], >= 0."""
        return recent_mean(tensors, steps=max(MINUTES // tensors.interval, 1))


ARCHITECTURE = LastKnown
