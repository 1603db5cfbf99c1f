"""What a station's share of the network says of an hour that its own weeks hold too few people to tell."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Tensors

SHARE_PRIOR = np.float32(10)
"""People whom the weeks would have brought at which a station's own weeks and its share count alike."""
BY_CHANCE = np.float32(3)
"""People whom the weeks would have brought, from which on an hour without any was closed or not observed."""


def drawn_to_share(people: Float, tensors: Tensors) -> Float:
    """The profile's people of the hour, drawn to the station's share of the network's.

    The weekly lags of a quiet station are a handful of people: zero at most hours of the week, and too many at those at
    which someone happened to come. All its hours of the last day together tell how large it is beside the network, and
    the network how busy the hour is: the prior of a gamma-Poisson mean, whose weight is in people (D. V. Lindley and
    A. F. M. Smith, "Bayes estimates for the linear model", 1972, for the principle).

    Args:
        people: float32 [C, O, S], the profile's.
        tensors: of all stations of the network.

    Returns:
        float32 [C, O, S]; `people` itself where a station is the whole network.
    """
    weeks = _weeks(tensors)
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


def _weeks(tensors: Tensors) -> Float:
    """Weeks with a count in the hour, [C, O, S]."""
    return np.asarray(np.isfinite(tensors.lags[..., -tensors.horizon :]).any(axis=-1).sum(axis=0), np.float32)


def _over(part: Float, whole: Float) -> Float:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
