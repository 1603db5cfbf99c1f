"""How today has run against its profile over windows of several lengths, for each station and for the network."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Tensors

DAY_HOURS = 24


def level_features(tensors: Tensors, minutes: tuple[int, ...], level_prior: float, count_prior: float) -> Float:
    """Logs of levels over several windows before the hour, against the level of the tensors.

    Args:
        tensors: of all stations of the network.
        minutes: lengths of the windows; those longer than what the tensors hold are left out.
        level_prior: people of the network's level, added to both sides of a station's.
        count_prior: people added to both sides of yesterday's hour.

    Returns:
        float32 [O, S, F]: for every window the stations' levels [C], drawn to the network's, and the network's [C],
        over `tensors.level`; then, if the trail reaches back to it, how the hour ran a day before, and the hour before
        that one, against the level of the last day: each the stations' [C] and the network's [C].
    """
    people, expected = window_sums(tensors, windows := covered_windows(tensors, minutes))
    network = tensors.parts
    parts = list(_levels(people, expected, level_prior, network) - np.log(np.tile(tensors.level, (2, 1, 1))))
    hours, back = tensors.hours, tensors.hours.shape[-1] - (DAY_HOURS - tensors.recent.shape[-1] // tensors.horizon)
    if DAY_HOURS * 60 in windows and back >= 1:
        day = people[..., -1], expected[..., -1]
        own = _levels(day[0][..., None], day[1][..., None], level_prior, network)
        for at in (back, back - 1):
            parts.extend(_levels(hours[0, ..., at : at + 1], hours[1, ..., at : at + 1], count_prior, network) - own)
    if not parts:
        return np.zeros((*tensors.level.shape[1:], 0), np.float32)
    return np.ascontiguousarray(np.concatenate(parts).transpose(1, 2, 0), dtype=np.float32)


def covered_windows(tensors: Tensors, minutes: tuple[int, ...]) -> list[int]:
    """The windows, ascending, that recent steps and trail cover."""
    recent = tensors.recent.shape[-1] * tensors.interval
    longest = recent + 60 * tensors.hours.shape[-1]
    return sorted(m for m in minutes if tensors.interval <= m <= longest)


def window_sums(tensors: Tensors, windows: list[int]) -> tuple[Float, Float]:
    """People and what was expected in each window, over the steps with both, float32 [C, O, S, W].

    A window that ends within an hour of the trail is rounded up to the whole hour.
    """
    steps = tensors.recent.shape[-1]
    profile = tensors.profile[..., :steps]
    both = ~(np.isnan(tensors.recent) | np.isnan(profile))
    out = []
    for near, far in zip((tensors.recent, profile), tensors.hours, strict=True):
        near = np.where(both, near, np.float32(0))
        sums = [_window(near, far, m, tensors.interval) for m in windows]
        out.append(np.stack(sums, axis=-1) if sums else np.zeros((*tensors.level.shape, 0), np.float32))
    return out[0], out[1]


def _window(near: Float, far: Float, minutes: int, interval: int) -> Float:
    beyond = minutes - near.shape[-1] * interval
    if beyond <= 0:
        return np.asarray(near[..., near.shape[-1] - minutes // interval :].sum(axis=-1))
    return np.asarray(near.sum(axis=-1) + far[..., far.shape[-1] - -(-beyond // 60) :].sum(axis=-1))


def _levels(people: Float, expected: Float, prior: float, parts: slice) -> Float:
    """Logs of the stations' levels, then of the network's, the stations `parts`: float32 [W, 2 C, O, S]."""
    sums = [x[:, :, parts].sum(axis=2, keepdims=True) + np.float32(prior) for x in (people, expected)]
    network = sums[0] / sums[1]
    own = (people + np.float32(prior) * network) / (expected + np.float32(prior))
    both = np.concatenate([np.log(own), np.broadcast_to(np.log(network), own.shape)])
    return np.moveaxis(both, -1, 0)
