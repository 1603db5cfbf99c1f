"""Control chart of the live error: whether it left the limits that its own recent past sets. Pure.

The chart is an exponentially weighted moving average (Roberts 1959) of the hourly error, over the same average of what
the reference period leads one to expect in those hours. The ratio is near 1 while all is as usual and 2 where the error
has doubled; hours with few people weigh little in it. The limits come from the spread of that ratio in the reference
period itself, so that they hold for errors that are alike from one hour to the next, as on a rainy day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays import Int
from tasks.metrics import Double
from tasks.settings.control import ControlSettings

DAY_HOURS = 24
GUARD_HOURS = 2 * DAY_HOURS
"""The newest hours, which are judged and are no part of the reference."""
LEAST_HOURS = 100
"""Fewer observed hours of reference set no limits."""
RETURN = 0.5
"""Share of the limit, as a logarithm, below which an error that left it is in control again."""
SPREAD_OF_MAD = 1.4826
"""Standard deviation over the median absolute deviation, of a normal distribution."""


@dataclass(frozen=True)
class Control:
    """Where an error stands.

    Attributes:
        ratio: the moving average of the error over that of what was expected, centred on the reference; 1 is usual.
        limit: ratio above which the error is out of control.
        out: whether it is out of control: it went above the limit and has not come back far enough since.
        hours: observed hours of the reference.
    """

    ratio: float
    limit: float
    out: bool
    hours: int


def find_control(error: Double, scale: Double, hour_of_day: Int, settings: ControlSettings) -> Control | None:
    """State of the chart at the last hour.

    Args:
        error: summed absolute error per hour, float64 [H], consecutive hours up to now; NaN where none was observed.
        scale: what the error grows with, such as the summed square roots of the forecasts, float64 [H]; NaN likewise.
        hour_of_day: local, [H]; what is expected of the scale is learnt per hour of the day.
        settings: weight of the newest hour, width of the limits.

    Returns:
        None while the reference is too short, or nothing was observed in the hours that are judged.
    """
    seen = np.isfinite(error) & np.isfinite(scale)
    reference = seen.copy()
    reference[max(len(seen) - GUARD_HOURS, 0) :] = False
    hours = int(reference.sum())
    if hours < LEAST_HOURS or not seen[-GUARD_HOURS:].any() or not error[reference].sum() > 0:
        return None
    expected = expected_error(error, scale, hour_of_day, reference)
    logs = log_ratio(error, expected, seen, settings.weight)
    settled = reference & (np.arange(len(seen)) >= 3 / settings.weight)
    center = float(np.median(logs[settled]))
    spread = SPREAD_OF_MAD * float(np.median(np.abs(logs[settled] - center)))
    limit = max(settings.width * spread, float(np.log(settings.least_ratio)))
    above, out = logs - center, False
    for value in above[-GUARD_HOURS:]:
        out = bool(value > limit or (out and value > RETURN * limit))
    return Control(float(np.exp(above[-1])), float(np.exp(limit)), out, hours)


def expected_error(error: Double, scale: Double, hour_of_day: Int, reference: np.ndarray) -> Double:  # type: ignore[type-arg]
    """Error expected per hour, [H]: the reference's error per scale in the same hour of the day, times the scale.

    An hour of the day with little scale in the reference leans towards that of all hours.
    """
    place = hour_of_day[reference]
    errors = np.bincount(place, error[reference], DAY_HOURS)
    scales = np.bincount(place, scale[reference], DAY_HOURS)
    usual = errors.sum() / max(scales.sum(), 1e-9)
    answer: Double = ((errors + usual) / (scales + 1))[hour_of_day] * scale
    return answer


def log_ratio(error: Double, expected: Double, seen: np.ndarray, weight: float) -> Double:  # type: ignore[type-arg]
    """Logarithm of the moving average of the error over that of what was expected, [H]; hours not seen repeat it."""
    answer, top, bottom = np.zeros(len(error)), 0.0, 0.0
    for i in np.flatnonzero(seen):
        top = (1 - weight) * top + weight * error[i]
        bottom = (1 - weight) * bottom + weight * expected[i]
        answer[i:] = np.log(max(top, 1e-9) / max(bottom, 1e-9))
    return answer
