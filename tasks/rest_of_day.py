"""How far truth lies from a forecast, and how long today's level lasts, some hours ahead."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Double = npt.NDArray[np.float64]

HOUR_SPREAD = 0.19
"""Standard deviation of truth over forecast in the next hour of a station, beside that of chance."""
BAND = NormalDist().inv_cdf(0.95)


def band(people: Double, spread: float | Double = HOUR_SPREAD) -> tuple[Double, Double]:
    """Whole numbers of people, from and to, between which truth lies nine times of ten.

    Counts vary by chance and because the day is not what it was thought to be. The square root of such counts is close
    to normal (F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", 1948).

    Args:
        people: forecast, any shape.
        spread: standard deviation of truth over forecast beside that of chance, broadcast to it.
    """
    over = 1 + people * np.square(spread)
    edges = (np.maximum(np.sqrt(people) + z / 2 * np.sqrt(over), 0) ** 2 - 0.5 for z in (-BAND, BAND))
    low, high = (np.ceil(np.maximum(edge, 0)) for edge in edges)
    return low, high


@dataclass(frozen=True)
class Decay:
    """What is left of a deviation from usual some hours later, as a share of its logarithm: share * exp(-h / hours)."""

    share: float
    hours: float

    def after(self, hours: Double) -> Double:
        """The share after so many hours, between 0 and 1."""
        return np.asarray(self.share * np.exp(-hours / self.hours))
