"""The base forecast: the profile of the hour times today's level, which networks and trees correct.

Where few people came, the hour is shrunk to the station's share of the network and its minutes to even.
"""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Tensors

SHAPE_PRIOR = np.float32(2)
"""People an hour at which the minutes of the hour are half as the profile has them, half alike."""
SHARE_PRIOR = np.float32(10)
"""People whom the weeks would have brought at which a station's own weeks and its share count alike."""
BY_CHANCE = np.float32(3)
"""People whom the weeks would have brought, from which on an hour without any was closed or not observed."""


def shrink_to_share(people: Float, tensors: Tensors) -> Float:
    """The profile's people of the hour, drawn to the station's share of the network's.

    The weekly lags of a quiet station are few people: zero at most hours of the week, and too many at those at
    which someone happened to come. All its hours of the last day together show how large it is beside the network, and
    the network how busy the hour is: the prior of a gamma-Poisson mean, whose weight is in people (D. V. Lindley and
    A. F. M. Smith, "Bayes estimates for the linear model", 1972, for the principle).

    Args:
        people: float32 [C, O, S], the profile's.
        tensors: of all stations of the network.

    Returns:
        float32 [C, O, S]; `people` itself where a station is the whole network.
    """
    weeks = counted_weeks(tensors)
    share = _share(people, weeks, tensors) * people[:, :, tensors.parts].sum(axis=2, keepdims=True)
    brought = share * weeks
    own = brought / (brought + SHARE_PRIOR)
    return np.asarray(own * people + (1 - own) * share, np.float32)


def _share(people: Float, weeks: Float, tensors: Tensors) -> Float:
    """People of a station over those of the network, expected of the hour and of the day before: [C, O, S].

    Hours without anyone count where that may be chance; else they were closed, or the trail does not have them.
    """
    recent = np.nan_to_num(tensors.profile[..., : -tensors.horizon], nan=0.0).sum(axis=-1)
    hours = np.concatenate([tensors.hours[1], recent[..., None], people[..., None]], axis=-1)
    network = hours[:, :, tensors.parts].sum(axis=2, keepdims=True)
    total, there = hours.sum(axis=-1), hours > 0
    largest = _over(total, (network * there).sum(axis=-1))
    there |= (weeks * largest)[..., None] * network < BY_CHANCE
    return _over(total, (network * there).sum(axis=-1))


def counted_weeks(tensors: Tensors) -> Float:
    """Weeks with a count in the hour, [C, O, S]."""
    return np.asarray(np.isfinite(tensors.lags[..., -tensors.horizon :]).any(axis=-1).sum(axis=0), np.float32)


def _over(part: Float, whole: Float) -> Float:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def recent_mean(tensors: Tensors, steps: int | None = None) -> Float:
    """Mean of the last observed recent steps (all by default) as an hour; 0 where nothing was observed.

    Returns:
        float32 [target, origin, station, step].
    """
    recent = tensors.recent
    seen = ~np.isnan(recent)
    if steps is not None:
        seen &= np.cumsum(seen[..., ::-1], axis=-1)[..., ::-1] <= steps
    total = np.where(seen, recent, 0).sum(axis=-1, keepdims=True, dtype=np.float64)
    mean = total / np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    return np.repeat(mean.astype(np.float32), tensors.horizon, axis=-1)


def hour_profile(tensors: Tensors) -> Float:
    """Profile of the hour, float32 [target, origin, station, step]; NaN where no week has a value."""
    return tensors.profile[..., -tensors.horizon :]


def usual_people(tensors: Tensors) -> Float:
    """The base forecast of an ordinary day: the shrunk profile, at level 1.

    Returns:
        float32 [target, origin, station, step], expected counts, >= 0; NaN where there is no profile.
    """
    return _shrunk_profile(tensors, np.ones_like(tensors.level))


def profile_times_level(tensors: Tensors) -> Float:
    """Profile times level; the recent hours' mean where there is no profile, else 0.

    Where there are few people, the hour is shrunk to the station's share of the network and its minutes to even: the
    profile of a quiet station is zero in most minutes and spikes in some by chance.

    Returns:
        float32 [target, origin, station, step], expected counts, >= 0.
    """
    expected = _shrunk_profile(tensors, tensors.level)
    return np.where(np.isnan(expected), recent_mean(tensors), expected)


def _shrunk_profile(tensors: Tensors, level: Float) -> Float:
    """Hour and minutes of the profile after shrinking, times a level [C, O, S]; NaN where there is no profile."""
    profile = hour_profile(tensors)
    seen = ~np.isnan(profile)
    people = np.cumsum(np.where(seen, profile, 0), axis=-1, dtype=np.float64)[..., -1].astype(np.float32)
    steps = np.maximum(seen.sum(axis=-1), 1).astype(np.float32)
    hour = shrink_to_share(people, tensors) * level
    shape = (profile + (SHAPE_PRIOR / steps)[..., None]) / (people + SHAPE_PRIOR)[..., None]
    return np.asarray(hour[..., None] * shape, np.float32)
