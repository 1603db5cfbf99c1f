"""Quantiles of counts around a mean: negative binomial with variance `phi * mean`.

Below `EXACT` people per interval the distribution function is summed, which at a mean of a few people gives whole
numbers a pinball loss far under that of any bell curve. Above it the square root is normal with variance `phi / 4`
(F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35, 1948).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tasks.arrays import QUANTILES, Float

EXACT = 32.0
HIGHEST = np.float32(1e7)
"""People an interval above which no forecast goes."""
Double = npt.NDArray[np.float64]


def count_quantiles(mean: Float, phi: float | Float = 1.0) -> Float:
    """Quantiles at `QUANTILES` of counts with that mean and variance `phi * mean`.

    Args:
        mean: float32, any shape, >= 0.
        phi: over-dispersion, broadcast to the mean; less than 1 counts as 1 (Poisson).

    Returns:
        float32 [quantile, ...mean], whole numbers, >= 0, non-decreasing along the first axis.
    """
    flat = np.maximum(mean.astype(np.float64).ravel(), 0)
    spread = np.maximum(np.broadcast_to(np.asarray(phi, np.float64), mean.shape).ravel(), 1)
    out = np.empty((len(QUANTILES), flat.size), np.float32)
    few = flat < EXACT
    out[:, few] = _sum_distribution(flat[few], spread[few])
    out[:, ~few] = _square_root(flat[~few], spread[~few])
    return out.reshape(len(QUANTILES), *mean.shape)


class DispersionSums:
    """Over-dispersion of counts around their forecasts, shrunk towards 1: squared error over people.

    Summed origin after origin, so that the forecasts of many need not be in memory at once.
    """

    def __init__(self) -> None:
        self._squares: Double | float = 0.0
        self._people: Double | float = 0.0

    def add(self, truth: Float, mean: Float) -> None:
        """Take in some origins.

        Args:
            truth: float32 [target, origin, station, step], NaN where not observed.
            mean: float32 of that shape.
        """
        for counted, expected in zip(truth.swapaxes(0, 1), mean.swapaxes(0, 1), strict=True):
            seen = ~np.isnan(counted)
            squares = np.where(seen, np.square(counted - expected, dtype=np.float64), 0)
            self._squares = self._squares + squares.sum(axis=-1)
            self._people = self._people + np.where(seen, expected, 0).sum(axis=-1, dtype=np.float64)

    def dispersion(self, prior: float = 50.0) -> Float:
        """Of all that was taken in, float32 [target, station], >= 1; `prior` people of a Poisson kind are added."""
        return np.asarray(np.maximum((self._squares + prior) / (self._people + prior), 1), dtype=np.float32)


def _sum_distribution(mean: Double, phi: Double) -> Double:
    """The least count whose distribution function reaches each quantile: sums until all have reached the last."""
    levels = np.array(QUANTILES)[:, None]
    out = np.zeros((len(QUANTILES), mean.size))
    left, count = np.arange(mean.size), 0
    excess = phi - 1
    mass = np.exp(-mean * np.where(excess > 0, np.log1p(excess) / np.where(excess > 0, excess, 1), 1))
    reached = mass.copy()
    while left.size:
        below = reached < levels
        out[:, left] += below
        on = below[-1]
        left, mean, excess, mass, reached = left[on], mean[on], excess[on], mass[on], reached[on]
        mass *= (mean + count * excess) / ((count + 1) * (1 + excess))
        reached += mass
        count += 1
    return out


def _square_root(mean: Double, phi: Double) -> Double:
    z = np.array([NormalDist().inv_cdf(q) for q in QUANTILES])[:, None]
    return np.ceil(np.maximum(np.maximum(np.sqrt(mean) + z / 2 * np.sqrt(phi), 0) ** 2 - 0.5, 0))
