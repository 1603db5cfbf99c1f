"""The two signals of alerts, from arrays of forecasts and counts; the same for the live forecast and for its score.

*limit*: how likely the people of the next hour, or of one of its quarters, go above a limit. *crowding*: how unlikely
the people of the last minutes were, by what was forecast for them before they came.
Axes: C targets, O origins, S stations, H steps, W windows of the hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.arrays import HORIZON_MINUTES
from tasks.count_sums import DEFAULT_FACTOR, Double, chance_above, interval_variance, surprise
from tasks.metrics import Real
from tasks.settings.alerts import AlertSettings

SIGNALS = ("limit", "crowding")
UNUSUAL = 3.0
"""Surprise of an hour from which it was unusually crowded: less than one hour of a thousand is, by the forecast."""


@dataclass(frozen=True)
class Signal:
    """One signal at every target, origin and station, float64 [C, O, S]; NaN where it is not known.

    Attributes:
        forecast: people expected in the window.
        variance: of intervals that err independently; see `count_sums`.
        value: the limit, or the people who were counted.
        actual: people who were counted in the window.
        above: 1 where it came true, 0 where it did not.
    """

    forecast: Double
    variance: Double
    value: Double
    actual: Double
    above: Double

    def strength(self, name: str, factor: float) -> Double:
        """Probability of the limit signal, surprise of the crowding signal.

        Args:
            name: of the signal.
            factor: its spread factor.
        """
        measure = chance_above if name == "limit" else surprise
        return measure(self.value, self.forecast, self.variance * factor**2)


def limit_signal(
    mean: Real, quantiles: Real, limits: Double, truth: Real | None, interval: int, window_minutes: int
) -> Signal:
    """The window of the hour that is likeliest to go above its limit.

    Args:
        mean: [C, O, S, H].
        quantiles: [Q, C, O, S, H].
        limits: [C, O, S, W], people; NaN without a limit.
        truth: [C, O, S, H], NaN where not observed; None where it is to come.
        interval: minutes per step.
        window_minutes: length of a window.
    """
    forecast = _windows(mean, interval, window_minutes)
    variance = _windows(interval_variance(mean, quantiles), interval, window_minutes)
    chance = chance_above(limits, forecast, variance * DEFAULT_FACTOR**2)
    likeliest = np.argmax(np.nan_to_num(chance, nan=-1.0), axis=-1)[..., None]
    actual = np.full_like(limits, np.nan) if truth is None else _windows(truth, interval, window_minutes)
    above = np.where(np.isfinite(actual) & np.isfinite(limits), actual > limits, np.nan)
    happened = np.where(np.isnan(above).any(axis=-1) & ~(above == 1).any(axis=-1), np.nan, (above == 1).any(axis=-1))

    def pick(values: Double) -> Double:
        return np.asarray(np.take_along_axis(values, likeliest, axis=-1)[..., 0])

    return Signal(pick(forecast), pick(variance), pick(limits), pick(actual), happened)


def crowding_signal(
    mean: Real, quantiles: Real, truth: Real, interval: int, window_minutes: int, factor: float = DEFAULT_FACTOR
) -> Signal:
    """People of the first minutes of each hour, by what was forecast for them.

    Args:
        mean: [C, O, S, H].
        quantiles: [Q, C, O, S, H].
        truth: [C, O, S, H], NaN where not observed.
        interval: minutes per step.
        window_minutes: length of the window; at least one step is looked at.
        factor: spread factor of the hour, which decides whether the whole hour was unusual.
    """
    steps = crowding_steps(interval, window_minutes)
    variance = interval_variance(mean, quantiles)
    forecast, spread, actual = (x[..., :steps].sum(axis=-1, dtype=np.float64) for x in (mean, variance, truth))
    hour = (x.sum(axis=-1, dtype=np.float64) for x in (truth, mean, variance))
    whole, expected, spread_of_hour = hour
    unusual = surprise(whole, expected, spread_of_hour * factor**2)
    return Signal(forecast, spread, actual, actual, np.where(np.isfinite(unusual), unusual >= UNUSUAL, np.nan))


def crowding_steps(interval: int, window_minutes: int) -> int:
    """Steps that the crowding signal looks at."""
    return max(window_minutes // interval, 1)


def find_limits(
    usual: Real, stations: Sequence[str], targets: Sequence[str], settings: AlertSettings, interval: int
) -> Double:
    """The limit of every window, float64 [C, O, S, W]; NaN where there is none.

    Args:
        usual: usual people per interval, [C, O, S, H]; NaN where not known.
        stations: names of the axis S.
        targets: names of the axis C.
        settings: limits per station, and in per cent of usual for the others.
        interval: minutes per step.
    """
    own = np.array([[_own(settings.limits, target, name) for name in stations] for target in targets], np.float64)
    share = _windows(usual, interval, settings.window_minutes) * (settings.percent_of_usual / 100)
    relative = np.maximum(share, settings.least_people)
    return np.where(np.isfinite(own)[:, None, :, None], own[:, None, :, None], relative)


def _own(limits: Mapping[str, Mapping[str, int]], target: str, station: str) -> float:
    return float(limits.get(target, {}).get(station, np.nan))


def _windows(values: Real, interval: int, window_minutes: int) -> Double:
    """Sums over the windows of the hour; at least a step long."""
    steps = max(window_minutes // interval, 1)
    count = HORIZON_MINUTES // interval // steps
    shape = (*values.shape[:-1], count, steps)
    return np.asarray(values[..., : count * steps].reshape(shape).sum(axis=-1, dtype=np.float64))
