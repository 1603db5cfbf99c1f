"""Sums of counts: how far the people of several intervals may lie from their forecast, and how likely a limit is.

A forecast has quantiles per interval, and none of a sum. The variance of a sum is that of intervals which err
independently, times the square of a *spread factor*: errors of one hour are alike, and quantiles may be too wide. The
factor differs by network and window (docs/scores.md), so it is learnt from the last weeks' scores. A count of that mean
and variance is taken as negative binomial: summed exactly where there are few people, else by its square root, which is
nearly normal (F. J. Anscombe, Biometrika 35, 1948).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tasks.arrays import QUANTILES
from tasks.metrics import Real

Double = npt.NDArray[np.float64]

DEFAULT_FACTOR = 1.3
"""Spread factor where none is learnt yet: between those of the networks that were measured."""
FEWEST = 1e-3
EXACT = 40.0
"""People below which probabilities are summed exactly."""
_LOW, _HIGH = QUANTILES.index(0.05), QUANTILES.index(0.95)
_WIDTH = 2 * NormalDist().inv_cdf(0.95)
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def interval_variance(mean: Real, quantiles: Real) -> Double:
    """Variance of the count of each interval, from the width of its 90 % interval; at least that of chance.

    Args:
        mean: [...], expected people per interval.
        quantiles: [Q, ...] at `QUANTILES`.
    """
    people = np.maximum(mean, FEWEST).astype(np.float64)
    width = np.sqrt(np.maximum(quantiles[_HIGH], 0) + 1.0) - np.sqrt(np.maximum(quantiles[_LOW], 0.0))
    return np.asarray(np.maximum(4 * people * (width / _WIDTH) ** 2, people))


def standard_error(actual: Double, mean: Double, variance: Double) -> Double:
    """Error of a count in standard deviations of its square root; near a normal distribution from a few people on."""
    people = np.maximum(mean, FEWEST)
    phi = np.maximum(variance / people, 1.0)
    return np.asarray(2 * (np.sqrt(np.maximum(actual, 0) + phi / 4) - np.sqrt(people + phi / 4)) / np.sqrt(phi))


def chance_above(limit: Double, mean: Double, variance: Double) -> Double:
    """Probability that a count of that mean and variance is above a limit; NaN where one of them is.

    Args:
        limit: people; a count equal to it is not above.
        mean: same shape.
        variance: same shape; less than the mean counts as the mean (Poisson).
    """
    whole = np.floor(limit)
    answer = 0.5 * _erfc(standard_error(whole + 0.5, mean, variance) / math.sqrt(2)) if limit.size else whole
    few = np.isfinite(limit) & (np.maximum(mean, limit) < EXACT)
    phi = np.maximum(variance / np.maximum(mean, FEWEST), 1.0)
    answer[few] = _sum_tail(whole[few], np.maximum(mean, FEWEST)[few], phi[few])
    return np.where(np.isnan(limit + mean + variance), np.nan, np.where(limit < 0, 1.0, answer))


def band_of_sum(mean: Double, variance: Double) -> tuple[Double, Double]:
    """Whole numbers of people, from and to, between which a count of that mean and variance lies nine times of ten.

    NaN where one of them is; less variance than the mean counts as the mean (Poisson).
    """
    people = np.maximum(mean, FEWEST)
    phi = np.maximum(variance / people, 1.0)
    middle, reach = np.sqrt(people + phi / 4), _WIDTH / 4 * np.sqrt(phi)
    low, high = (np.ceil(np.maximum(np.maximum(middle + z, 0) ** 2 - phi / 4 - 0.5, 0)) for z in (-reach, reach))
    return low, high


def surprise(actual: Double, mean: Double, variance: Double) -> Double:
    """How unlikely so many people or more were: minus the decimal logarithm of the probability; 2 is one in a hundred.

    At most 12; NaN where the count is.
    """
    return np.asarray(-np.log10(np.maximum(chance_above(actual - 1, mean, variance), 1e-12)))


def _sum_tail(last: Double, mean: Double, phi: Double) -> Double:
    """The tail of the negative binomial (Poisson at phi 1) above whole numbers, summed count by count."""
    excess = np.where(phi - 1 > 1e-9, phi - 1, 0)
    mass = np.exp(-mean * np.where(excess > 0, np.log1p(excess) / np.where(excess > 0, excess, 1), 1))
    below = np.zeros_like(mean)
    for count in range(int(last.max(initial=-1)) + 1):
        below += np.where(count <= last, mass, 0)
        mass = mass * (mean + count * excess) / ((count + 1) * (1 + excess))
    return np.clip(1 - below, 0, 1)
