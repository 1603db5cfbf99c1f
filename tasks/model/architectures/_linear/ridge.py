"""Poisson ridge: logs of factors on a base, one set of numbers for all stations and small differences per station.

The likelihood is that of the counts with log base as offset, so that means are unbiased where logs of small counts are
not. Penalties are shares of the information that the rows hold, so that one scale fits every network. Numbers of a
station are drawn to those of all (D. V. Lindley and A. F. M. Smith, "Bayes estimates for the linear model", 1972).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float

Double = npt.NDArray[np.float64]

MOST = np.float32(1.5)
"""Log factor on the base, at most."""
STEPS = 3
"""Newton steps; the first takes nearly all of the way."""
NOTHING = 1e-3
"""People a bin below which the base says nothing."""


@dataclass(frozen=True)
class Rows:
    """Rows of a fit.

    Attributes:
        features: float32 [origin, station, feature].
        base: float32 [origin, station, bin].
        truth: float32 [origin, station, bin], NaN where not observed.
        weight: float32 [origin, station].
    """

    features: Float
    base: Float
    truth: Float
    weight: Float

    def bin(self, number: int) -> Rows:
        """The rows of one bin."""
        at = slice(number, number + 1)
        return Rows(self.features, self.base[..., at], self.truth[..., at], self.weight)

    def hour(self) -> Rows:
        """The rows of the whole hour in one bin."""
        base, truth = (x.sum(axis=-1, keepdims=True) for x in (self.base, self.truth))
        return Rows(self.features, base, truth, self.weight)

    def counted(self) -> tuple[Float, Float]:
        """Weighted base and counts of the first bin, [origin, station], both 0 where there is no count."""
        base, truth = self.base[..., 0], self.truth[..., 0]
        seen = np.isfinite(truth) & (base > NOTHING)
        return tuple(np.where(seen, self.weight * x, np.float32(0)) for x in (base, truth))  # type: ignore[return-value]


def factor(features: Float, numbers: Float) -> Float:
    """Factors on the base.

    Args:
        features: float32 [..., feature].
        numbers: float32, broadcast to that.
    """
    logs = (features[..., None, :] @ numbers[..., None])[..., 0, 0] if numbers.ndim > 1 else features @ numbers
    return np.asarray(np.exp(np.clip(logs, -MOST, MOST)), np.float32)


def fit_pooled(rows: Rows, strength: float, start: Float | None = None, steps: int = STEPS) -> Float:
    """Numbers of all stations together, float32 [feature]; none where there is no count.

    Args:
        rows: of one bin.
        strength: of the penalty, as a share of each feature's information.
        start: numbers to begin with, zeros by default.
        steps: of Newton.
    """
    flat = rows.features.reshape(-1, rows.features.shape[-1])
    base, counts = (x.ravel() for x in rows.counted())
    numbers = np.zeros(flat.shape[1]) if start is None else start.astype(np.float64)
    penalty = strength * information(rows)
    for _ in range(steps):
        mean = base * factor(flat, numbers.astype(np.float32))
        curvature = (flat * mean[:, None]).T @ flat
        slope = flat.T @ (counts - mean) - penalty * numbers
        numbers = numbers + np.linalg.solve(curvature + np.diag(penalty), slope)
    return numbers.astype(np.float32)


def information(rows: Rows) -> Double:
    """Information about each number while it is zero, float64 [feature], > 0."""
    base, _ = rows.counted()
    held = base.ravel() @ np.square(rows.features.reshape(-1, rows.features.shape[-1]))
    return np.asarray(np.maximum(held, 1e-6 * held.max(initial=0) + 1e-6), np.float64)


class StationFit:
    """Differences of the stations' numbers from those of all: one Newton step from there, for any strength.

    Args:
        rows: of one bin.
        pooled: numbers of all stations, float32 [feature].
    """

    def __init__(self, rows: Rows, pooled: Float) -> None:
        base, counts = rows.counted()
        mean = base * factor(rows.features, pooled)
        of = np.ascontiguousarray(rows.features.swapaxes(0, 1))
        self.curvature = (of * mean.T[..., None]).swapaxes(1, 2) @ of
        self.slope = (of.swapaxes(1, 2) @ (counts - mean).T[..., None])[..., 0]
        self.pooled, self._held = pooled, information(rows) / max(rows.features.shape[1], 1)

    def numbers(self, strength: float) -> Float:
        """Numbers of the stations, float32 [station, feature].

        Args:
            strength: of the penalty, as a share of the mean station's information; infinite for no difference.
        """
        if not np.isfinite(strength):
            return np.repeat(self.pooled[None], len(self.slope), axis=0)
        penalty = np.diag(strength * self._held)
        moved = np.linalg.solve(self.curvature + penalty, self.slope[..., None].astype(np.float64))[..., 0]
        return np.asarray(self.pooled + moved, np.float32)
