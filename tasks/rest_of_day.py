"""The rest of the day: the profile times a level that fades with the hours ahead, and how far truth may lie from it."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Double = npt.NDArray[np.float64]

FADE_HOURS = 4.0
"""Hours after which 1 / e of today's level, as a logarithm, is left."""
NEAR_SPREAD, FAR_SPREAD = 0.15, 0.35
"""Standard deviation of truth over forecast in the next hour and late in the day, beside that of chance."""
BAND = NormalDist().inv_cdf(0.95)


def fade(factor: Double, hours: Double) -> Double:
    """The factor of today's level some hours ahead: it goes towards 1."""
    return np.asarray(factor ** np.exp(-hours / FADE_HOURS))


def band(people: Double, hours: Double) -> tuple[Double, Double]:
    """Whole numbers of people, from and to, between which truth lies nine times of ten.

    Counts vary by chance and because the level of the day is not what it was thought to be.

    Args:
        people: forecast, any shape.
        hours: hours ahead, broadcast to it.
    """
    spread = FAR_SPREAD + (NEAR_SPREAD - FAR_SPREAD) * np.exp(-hours / FADE_HOURS)
    over = 1 + people * spread**2
    edges = (np.maximum(np.sqrt(people) + z / 2 * np.sqrt(over), 0) ** 2 - 0.5 for z in (-BAND, BAND))
    low, high = (np.ceil(np.maximum(edge, 0)) for edge in edges)
    return low, high
