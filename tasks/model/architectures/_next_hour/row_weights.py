"""How much each training row counts: stations by their people, days by their age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Split
from tasks.model.architectures._next_hour.samples import Samples
from tasks.model.networks.fit import FitRows


def station_weights(samples: Samples, stations: int, fairness: float, total: bool = False) -> Float:
    """Weight of each station, float32 [station]: its mean training count to the power of -fairness, one on average.

    Likelihood weighs a station by its people; without this the largest alone would shape the network. Where the last
    one is the total of all others, it counts as much as they do on average.
    """
    seen = samples.truth >= 0
    people = np.bincount(samples.place, np.where(seen, samples.truth, 0).sum(axis=(1, 2)), stations)
    steps = np.bincount(samples.place, seen.sum(axis=(1, 2)), stations)
    mean = people / np.maximum(steps, 1)
    weight = (mean + 0.01) ** -fairness
    if total and mean[-1]:
        weight[-1] = np.mean(weight[:-1] * mean[:-1]) / mean[-1]
    return np.asarray(weight / weight[samples.place].mean(), np.float32)


@dataclass(frozen=True)
class Age:
    """Weight of a row by its age: half after every `half_life` days before the end of a split; 0 is for ever."""

    split: Split
    half_life: float

    def weight(self, origins: Minutes) -> Float:
        """Weight of every origin, float32."""
        if not self.half_life:
            return np.ones(len(origins), np.float32)
        days = (self.split.validation[-1] - origins) / np.timedelta64(1440, "m")
        return np.asarray(0.5 ** (days / self.half_life), np.float32)


def weighted_rows(samples: Samples, weights: Float, age: Age | None = None) -> FitRows:
    """Rows of a fit, each weighing as its station does, and by its age if one is given."""
    weight = weights[samples.place] * (age.weight(samples.origin) if age else np.float32(1))
    return FitRows(samples.windows.inputs(), samples.truth[:, None], weight)


def shared_dispersion(samples: Samples) -> Float:
    """Variance of the factor that the steps of an hour share beside their base, by the method of moments, [target].

    Source: N. E. Breslow, "Extra-Poisson variation in log-linear models", 1984, for the hours' sums.
    """
    seen = samples.truth >= 0
    count, mean = (np.where(seen, x, 0).sum(axis=-1, dtype=np.float64) for x in (samples.truth, samples.windows.base))
    excess = ((count - mean) ** 2 - mean).sum(axis=0)
    return np.asarray(np.maximum(excess, 0) / np.maximum((mean**2).sum(axis=0), 1e-9), np.float32)
