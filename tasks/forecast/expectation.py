"""What a station's own history and the last observed hour let one expect of the hour ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float
from tasks.contracts import Tensors

PRIOR = np.float32(10)
"""People an hour added to either side of a ratio, so that quiet hours do not decide it."""
ROBUST_WEEKS = 3
"""Weeks with counts from which on the largest is left out, as a count that nobody should trust may stand in one."""


@dataclass(frozen=True)
class Expectation:
    """People per hour and station, float32 [C, O, S].

    Attributes:
        usual: of the profile; 0 where there is none.
        today: of the last observed hour, times what the profile expects to change since, where there is one;
            NaN where none was observed.
        largest: the largest hour of the history, the outermost week left out; generous with less than three weeks.
        largest_interval: the same of one interval.
        steps: intervals of an hour.
    """

    usual: Float
    today: Float
    largest: Float
    largest_interval: Float
    steps: int


def expect(tensors: Tensors) -> Expectation:
    """What history and today let one expect; from the third week on a single absurd count does not change it."""
    steps = tensors.horizon
    usual = np.nan_to_num(tensors.profile[..., -steps:], nan=0.0).sum(axis=-1)
    hours, intervals, observed = (
        np.stack(part) for part in zip(*(_outline(w, steps) for w in tensors.lags), strict=True)
    )
    surge = _median_hour(tensors)
    largest = np.maximum(_second_largest(hours), _second_largest(np.moveaxis(tensors.hours[0], -1, 0)))
    seen_at_all = [np.fmax.reduce(x, axis=-1, initial=1) for x in (tensors.profile, tensors.recent)]
    anything = np.maximum.reduce([intervals.max(axis=0), *seen_at_all])
    known = observed.sum(axis=0) >= ROBUST_WEEKS
    return Expectation(
        usual=usual,
        today=_today(tensors, usual),
        largest=np.where(known, np.maximum(largest, surge), anything * np.float32(steps)),
        largest_interval=np.where(known, np.maximum(_second_largest(intervals), surge / np.float32(steps)), anything),
        steps=steps,
    )


def _outline(week: Float, steps: int) -> tuple[Float, Float, npt.NDArray[np.bool_]]:
    """Largest hour that ends where the window or an hour before it does, largest interval, and whether there is any."""
    seen = np.isfinite(week)
    people = np.where(seen, week, np.float32(0))
    whole = week.shape[-1] // steps * steps
    hours = people[..., -whole:].reshape(*week.shape[:-1], -1, steps).sum(axis=-1)
    return hours.max(axis=-1), people.max(axis=-1), np.asarray(seen.any(axis=-1))


def _today(tensors: Tensors, usual: Float) -> Float:
    """See `Expectation.today`; of all recent intervals where the last hour or the profile has too few."""
    before = tensors.recent.shape[-1]
    observed, expected = tensors.recent, np.nan_to_num(tensors.profile[..., :before], nan=0.0)
    seen = np.isfinite(observed)
    last = seen & (np.arange(before) >= before - tensors.horizon)
    unknown = np.isnan(tensors.profile[..., before:]).all(axis=-1)
    enough = (2 * last.sum(axis=-1) >= tensors.horizon) & ~unknown
    counted = np.where(enough[..., None], last, seen)
    share = counted.sum(axis=-1) / np.float32(tensors.horizon)
    sums = [np.where(counted, each, 0).sum(axis=-1) for each in (observed, expected)]
    people, profile = (np.divide(x, share, out=np.full_like(usual, np.nan), where=share > 0) for x in sums)
    change = (usual + PRIOR) / (profile + PRIOR)
    return np.asarray(people * np.where(unknown, np.float32(1), change), np.float32)


def _second_largest(values: Float) -> Float:
    """Over the first axis; the largest where there are fewer than `ROBUST_WEEKS` with anybody."""
    if len(values) < 2:
        return np.asarray(values.max(axis=0, initial=0), np.float32)
    top = np.partition(values, len(values) - 2, axis=0)[-2:]
    few = (values > 0).sum(axis=0) < ROBUST_WEEKS
    return np.asarray(np.where(few, top[1], top[0]), np.float32)


def _median_hour(tensors: Tensors) -> Float:
    """The median interval of the last hour that was observed, as an hour; 0 where nothing was observed."""
    recent = tensors.recent[..., -tensors.horizon :]
    unseen = ~np.isfinite(recent)
    ordered = np.sort(np.where(unseen, np.float32(np.inf), recent), axis=-1)
    middle = np.maximum((recent.shape[-1] - unseen.sum(axis=-1) - 1) // 2, 0)[..., None]
    median = np.take_along_axis(ordered, middle, axis=-1)[..., 0]
    return np.where(np.isfinite(median), median, np.float32(0)) * np.float32(tensors.horizon)
