"""Plausibility checks of an answer. Each names the stations that fail it; one about the whole names all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import QUANTILES, Float
from tasks.contracts import Prediction, Tensors
from tasks.forecast.expectation import Expectation
from tasks.settings.guard import GuardSettings

Stations = npt.NDArray[np.bool_]
"""Whether each station fails, [S]."""

NEGATIVE_SLACK = 1e-3
"""Rounding below zero that is clipped and not rejected, people."""
FEW_IN_HOUR, FEW_IN_INTERVAL, FEW_IN_JUMP = 60.0, 10.0, 30.0
"""People whom any station may be forecast, whatever its history."""
CHANCE = 3.0
"""Standard deviations of a Poisson count by which the network may fall short of its least."""
INTERVAL_FACTOR = 20.0
"""One interval may be so many times the largest of the history."""
CROSSED, CROSSED_PEOPLE, CROSSED_PART = 0.1, 0.5, 0.05
"""Share of crossing quantiles that is a fault; they cross where they do by so many people, or this part of the mean."""
BUSY, BUSY_STATIONS = 1.0, 5
"""People per interval from which on a band has a width to judge, and how many such stations it takes."""
NARROWEST, WIDEST, SPREAD = 0.3, 5.0, 0.3
"""Least width of the 90 % band against Poisson counts, and largest against counts that vary by `SPREAD` at peaks."""
BAND_90 = 3.29
"""Width of a normal 90 % band in standard deviations."""


@dataclass(frozen=True)
class Verdict:
    """What one check found of the answer of one rung.

    Attributes:
        name: of the check.
        rung: of the ladder; "input" where it is about the data.
        passed: whether it found nothing.
        detail: in a few words, for people.
    """

    name: str
    rung: str
    passed: bool
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the summary of an issue has it."""
        return asdict(self)


@dataclass(frozen=True)
class Answered:
    """An answer and what it is held against.

    Attributes:
        prediction: finite, as the rung gave it.
        tensors: from which it was made.
        expected: of the same tensors.
        limits: `[guard]`.
    """

    prediction: Prediction
    tensors: Tensors
    expected: Expectation
    limits: GuardSettings

    @cached_property
    def hours(self) -> Float:
        """Mean people of the hour, over the intervals that have a profile where any has, [C, O, S]."""
        profile = np.isfinite(self.tensors.profile[..., -self.tensors.horizon :])
        counted = profile | ~profile.any(axis=-1, keepdims=True)
        return np.asarray(np.where(counted, self.prediction.mean, 0).sum(axis=-1), np.float32)

    @cached_property
    def bounds(self) -> tuple[Float, Float]:
        """The lower and the higher of the usual hour and of the last hour's, [C, O, S]."""
        today = np.where(np.isnan(self.expected.today), self.expected.usual, self.expected.today)
        return np.minimum(today, self.expected.usual), np.maximum(today, self.expected.usual)


def run_checks(
    rung: str, prediction: Prediction, tensors: Tensors, expected: Expectation, limits: GuardSettings
) -> tuple[list[Verdict], Stations]:
    """Every check on an answer.

    Returns:
        One verdict per check, and the stations that fail any; all of them where the answer as a whole does.
    """
    everywhere = np.ones(len(tensors.stations), bool)
    shape = (len(tensors.targets), len(tensors.origins), len(tensors.stations), tensors.horizon)
    if prediction.mean.shape != shape or prediction.quantiles.shape != (len(QUANTILES), *shape):
        wrong = f"shapes {prediction.mean.shape} and {prediction.quantiles.shape} for a mean of {shape}"
        return [Verdict("shape", rung, False, wrong)], everywhere
    finite = np.isfinite(prediction.mean) & np.isfinite(prediction.quantiles).all(axis=0)
    failing: Stations = np.asarray(~finite.all(axis=(0, 1, 3)))
    verdicts = [Verdict("shape", rung, True), _verdict("finite", rung, failing, tensors, "answered not finite")]
    known = Prediction(
        *(np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0) for x in (prediction.mean, prediction.quantiles))
    )
    answered = Answered(known, tensors, expected, limits)
    for name, check, what in STATION_CHECKS:
        found = check(answered)
        verdicts.append(_verdict(name, rung, found, tensors, what))
        failing = failing | found
    for name, judge in WHOLE_CHECKS:
        fault = judge(answered, ~failing)
        verdicts.append(Verdict(name, rung, fault is None, fault or ""))
        failing = failing if fault is None else everywhere
    return verdicts, failing


def _negative(answered: Answered) -> Stations:
    lowest = np.minimum(answered.prediction.mean, answered.prediction.quantiles.min(axis=0))
    return _any_minute(lowest < -NEGATIVE_SLACK)


def _above_ceiling(answered: Answered) -> Stations:
    mean, expected = answered.prediction.mean, answered.expected
    highest = np.maximum(mean, answered.prediction.quantiles.max(axis=0))
    hour = mean.sum(axis=-1) > answered.limits.largest_hour * expected.largest + FEW_IN_HOUR
    interval = highest > (INTERVAL_FACTOR * expected.largest_interval + FEW_IN_INTERVAL)[..., None]
    return _any_minute(interval | hour[..., None])


def highest_interval(expected: Expectation, limits: GuardSettings) -> Float:
    """People that one interval may have so that neither it nor its hour is above the ceiling, [C, O, S]."""
    hour = limits.largest_hour * expected.largest + FEW_IN_HOUR
    interval = INTERVAL_FACTOR * expected.largest_interval + FEW_IN_INTERVAL
    return np.asarray(np.minimum(hour / expected.steps, interval), np.float32)


def _jumps(answered: Answered) -> Stations:
    low, high = answered.bounds
    hours, factor = answered.hours, answered.limits.jump
    fault = (hours > factor * high + FEW_IN_JUMP) | (hours < low / factor - FEW_IN_JUMP)
    return np.asarray(fault.any(axis=(0, 1)))


def _network(answered: Answered, judged: Stations) -> str | None:
    """The sum of the stations of which anything is known."""
    expected = answered.expected
    counted = judged & (np.arange(len(judged)) < answered.tensors.parts.stop)
    known = counted & ((expected.usual > 0) | np.isfinite(expected.today))
    low, high, people = (np.where(known, x, 0).sum(axis=-1) for x in (*answered.bounds, answered.hours))
    factor = answered.limits.network
    least = low / factor
    fault = (people > factor * high + FEW_IN_HOUR) | (people < least - CHANCE * np.sqrt(least) - 1)
    if not fault.any():
        return None
    at = tuple(np.argwhere(fault)[0])
    return (
        f"{people[at]:.0f} {answered.tensors.targets[at[0]]} in all, between {low[at]:.0f} and {high[at]:.0f} expected"
    )


def _quantile_order(answered: Answered, judged: Stations) -> str | None:
    quantiles, mean = answered.prediction.quantiles, answered.prediction.mean
    fall = -np.diff(quantiles, axis=0).min(axis=0)
    share = float((fall > np.maximum(CROSSED_PEOPLE, CROSSED_PART * mean)).mean())
    return None if share <= CROSSED else f"quantiles cross in {share:.0%} of the intervals"


def _band(answered: Answered, judged: Stations) -> str | None:
    """The median busy station's 90 % band, and where its mean lies."""
    mean, quantiles = answered.prediction.mean, np.sort(answered.prediction.quantiles, axis=0)
    busy = (mean.mean(axis=-1) >= BUSY) & judged
    if busy.sum() < BUSY_STATIONS:
        return None
    people, low, high = (x[busy] for x in (mean, quantiles[0], quantiles[-1]))
    average, width = people.mean(axis=-1), (high - low).mean(axis=-1)
    busiest = np.maximum(_busiest_interval(answered.tensors)[busy], average)
    narrow = float(np.median(width / np.sqrt(average)) / BAND_90)
    wide = float(np.median(width / np.sqrt(average + SPREAD**2 * average * busiest)) / BAND_90)
    if narrow < NARROWEST or wide > WIDEST:
        return f"the 90 % band is {narrow:.2g} times as wide as that of Poisson counts"
    outside = float(((people < low - 1) | (people > high + 1)).mean())
    return f"the mean lies outside the 90 % band in {outside:.0%} of the intervals" if outside > 0.5 else None


def _busiest_interval(tensors: Tensors) -> Float:
    """The largest mean interval that the profile expects of an hour of the day, [C, O, S].

    Simple models have one spread per station, variance over mean: learnt in the busiest hours, wide in quiet ones.
    """
    hours = tensors.profile.shape[-1] // tensors.horizon * tensors.horizon
    near = np.nan_to_num(tensors.profile[..., -hours:], nan=0.0).reshape(*tensors.level.shape, -1, tensors.horizon)
    trail = tensors.hours[1].max(axis=-1, initial=0)
    return np.asarray(np.maximum(near.sum(axis=-1).max(axis=-1), trail) / np.float32(tensors.horizon), np.float32)


StationCheck = Callable[[Answered], Stations]
WholeCheck = Callable[[Answered, Stations], str | None]
STATION_CHECKS: tuple[tuple[str, StationCheck, str], ...] = (
    ("not_negative", _negative, "answered negative"),
    ("ceiling", _above_ceiling, "answered far more than their history ever had"),
    ("jump", _jumps, "answered far from both the usual and the last observed hour"),
)
"""Name, check, and what stations do that fail it."""
WHOLE_CHECKS: tuple[tuple[str, WholeCheck], ...] = (
    ("network_sum", _network),
    ("quantile_order", _quantile_order),
    ("band", _band),
)
"""Name, and check that says what is wrong with the answer, over the stations that passed all others."""

CHECKS = (
    *("answered", "shape", "finite"),
    *(name for name, _, _ in STATION_CHECKS),
    *(name for name, _ in WHOLE_CHECKS),
    "staleness",
)
"""Names that verdicts have; `answered` is of a rung that gives no answer, `staleness` of the input."""


def _any_minute(bad: npt.NDArray[np.bool_]) -> Stations:
    return np.asarray(bad.any(axis=(0, 1, 3)))


def _verdict(name: str, rung: str, failing: Stations, tensors: Tensors, what: str) -> Verdict:
    return Verdict(name, rung, not failing.any(), name_stations(failing, tensors, what) if failing.any() else "")


def name_stations(failing: Stations, tensors: Tensors, what: str) -> str:
    """How many stations fail, and the first of them."""
    touched = np.flatnonzero(failing)
    return f"{len(touched)} of {len(tensors.stations)} stations (first {tensors.stations[touched[0]]}) {what}"
