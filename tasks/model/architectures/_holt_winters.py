"""Additive Holt-Winters with a damped trend, for many series at once, over gaps; statsmodels finds its parameters.

Recursions of R. J. Hyndman and G. Athanasopoulos, "Forecasting: Principles and Practice", section 8.3, in statsmodels'
parametrisation: u = level + damping trend, e = count - u - season[m steps ago], then
level = u + alpha e, trend = damping trend + alpha beta e, season = season + gamma e.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float


@dataclass(frozen=True)
class Smoothing:
    """Parameters of the recursions, each 0 to 1.

    Attributes:
        alpha, beta, gamma: of level, trend and season.
        damping: share of the trend that is left after a step; 0 is no trend.
    """

    alpha: float
    beta: float
    gamma: float
    damping: float

    def values(self) -> dict[str, float]:
        """By name, for a bundle's JSON."""
        return asdict(self)


@dataclass(frozen=True)
class State:
    """What Holt-Winters knows at the start: `level` [...], `season` [step of season, ...]; no trend."""

    level: Float
    season: Float


def initial_state(cycles: Float) -> State:
    """State before the first of some cycles, float32 [cycle, step, ...]; NaN where not observed.

    The level is the first observed cycle's mean, the season the mean deviation of each step from its cycle's mean.
    """
    seen = ~np.isnan(cycles)
    by_cycle = _mean(cycles, seen, 1)
    level = np.zeros(by_cycle.shape[1:], np.float32)
    for mean in by_cycle[::-1]:
        level = np.where(np.isnan(mean), level, mean)
    residual = cycles - by_cycle[:, None]
    return State(level, np.nan_to_num(_mean(residual, ~np.isnan(residual), 0), nan=0.0))


def continue_series(series: Float, state: State, steps: int, how: Smoothing) -> Float:
    """The `steps` after a series, float32 [step, ...] from [step, ...]; a gap leaves level and season as they were."""
    level: Float = np.asarray(state.level, np.float32)
    trend: Float = np.zeros_like(level)
    season, length = state.season.copy(), len(state.season)
    alpha, beta, gamma = (np.float32(x) for x in (how.alpha, how.beta, how.gamma))
    for t, count in enumerate(series):
        at, moved = t % length, np.float32(how.damping) * trend
        error = count - level - moved - season[at]
        error = np.asarray(np.where(np.isnan(error), 0, error), np.float32)
        level = np.asarray(level + moved + alpha * error, np.float32)
        trend = np.asarray(moved + alpha * beta * error, np.float32)
        season[at] += gamma * error
    out, sway = [], np.zeros_like(trend)
    for h in range(steps):
        sway = (sway + trend) * np.float32(how.damping)
        out.append(level + sway + season[(len(series) + h) % length])
    return np.asarray(out, np.float32)


def find_smoothing(series: Float, state: State, damped: bool) -> Smoothing:
    """Parameters that make the squared error of the next step least over one series without gaps, [step]."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    model = ExponentialSmoothing(
        series.astype(np.float64),
        trend="add" if damped else None,
        damped_trend=damped,
        seasonal="add",
        seasonal_periods=len(state.season),
        initialization_method="known",
        initial_level=float(state.level),
        initial_trend=0.0 if damped else None,
        initial_seasonal=state.season.astype(np.float64),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that ends at a bound
        found = model.fit().params
    names = ("smoothing_level", "smoothing_trend", "smoothing_seasonal", "damping_trend")
    return Smoothing(*(float(np.nan_to_num(found[name], nan=0.0)) for name in names))


def _mean(values: Float, seen: npt.NDArray[np.bool_], axis: int) -> Float:
    total, count = np.where(seen, values, np.float32(0)).sum(axis=axis), seen.sum(axis=axis)
    out = np.full(total.shape, np.nan, np.float32)
    np.divide(total, count, out=out, where=count > 0)
    return out
