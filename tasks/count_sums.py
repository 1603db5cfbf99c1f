"""Sums of counts: how far the people of several intervals may lie from their forecast, and how likely a limit is.

A forecast has quantiles per interval, and none of a sum. The variance of a sum lies between two bounds: that of
intervals that err independently, the sum of their variances; and that of intervals that err together, the square of the
sum of their standard deviations. `CORRELATION` says where, and was measured (docs/scores.md). A count of that mean and
variance is taken as negative binomial, whose square root is nearly normal (F. J. Anscombe, Biometrika 35, 1948).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tasks.arrays import QUANTILES
from tasks.metrics import Real

Double = npt.NDArray[np.float64]

CORRELATION = 0.2
"""Of the errors of two intervals of one hour."""
FEWEST = 1e-3
_LOW, _HIGH = QUANTILES.index(0.05), QUANTILES.index(0.95)
_WIDTH = 2 * NormalDist().inv_cdf(0.95)
_EXACT = 40.0
"""People below which probabilities are summed exactly."""


def interval_variance(mean: Real, quantiles: Real) -> Double:
    """Variance of the count of each interval, from the width of its 90 % interval; at least Poisson's.

    Args:
        mean: [...], expected people per interval.
        quantiles: [Q, ...] at `QUANTILES`.
    """
    width = np.sqrt(np.maximum(quantiles[_HIGH] + 1.0, 0)) - np.sqrt(np.maximum(quantiles[_LOW], 0.0))
    spread = 2 * np.sqrt(np.maximum(mean, FEWEST)) * width / _WIDTH
    return np.asarray(np.maximum(spread**2, np.maximum(mean, FEWEST)), np.float64)


def sum_variance(variance: Double, correlation: float = CORRELATION) -> Double:
    """Variance of the sum over the last axis."""
    together = np.sqrt(variance).sum(axis=-1) ** 2
    alone = variance.sum(axis=-1)
    return np.asarray((1 - correlation) * alone + correlation * together)


def chance_above(limit: Double, mean: Double, variance: Double) -> Double:
    """Probability that a count of that mean and variance is above a limit; NaN where one of them is.

    Args:
        limit: people; counts equal to it are not above.
        mean: > 0, broadcast to it.
        variance: likewise.
    """
    shape = np.broadcast_shapes(np.shape(limit), np.shape(mean), np.shape(variance))
    arrays = (np.broadcast_to(np.asarray(each, np.float64), shape).ravel() for each in (limit, mean, variance))
    limit, mean, variance = arrays
    mean = np.maximum(mean, FEWEST)
    phi = np.maximum(variance / mean, 1.0)
    z = 2 * (np.sqrt(np.maximum(np.floor(limit) + 0.5 + phi / 4, 0)) - np.sqrt(mean + phi / 4)) / np.sqrt(phi)
    answer = 0.5 * _erfc(z / math.sqrt(2))
    few = np.isfinite(limit) & (np.maximum(mean, limit) < _EXACT)
    answer[few] = _above_exactly(limit[few], mean[few], phi[few])
    answer = np.where(limit < 0, 1.0, answer)
    return np.where(np.isnan(limit) | np.isnan(mean) | np.isnan(variance), np.nan, answer).reshape(shape)


def _above_exactly(limit: Double, mean: Double, phi: Double) -> Double:
    """The tail of the negative binomial (Poisson at phi 1), summed count by count."""
    excess = phi - 1
    mass = np.exp(-mean * np.where(excess > 1e-9, np.log1p(excess) / np.where(excess > 1e-9, excess, 1), 1))
    below, last = np.zeros_like(mean), np.floor(limit)
    for count in range(int(last.max(initial=-1)) + 1):
        below += np.where(count <= last, mass, 0)
        mass = mass * (mean + count * excess) / ((count + 1) * (1 + excess))
    return np.clip(1 - below, 0, 1)


_erfc = np.vectorize(math.erfc, otypes=[np.float64])
