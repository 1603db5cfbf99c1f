"""Inputs of the ridge: logs of levels over windows, each against the next longer one, and the base that they correct.

A window in which nothing was observed says what the next longer one says, so that a feed that is late, a gap or a new
station needs no rule of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tasks.arrays import Float
from tasks.base_forecast import profile_times_level
from tasks.contracts import Tensors
from tasks.model.architectures._linear.hour import hour_columns
from tasks.model.bins import divisor
from tasks.model.levels import DAY_HOURS, covered_windows, window_sums

WINDOWS = (15, 30, 60, 120, 180, 360, 720, 1440)
"""Minutes before the hour, each with a level of its own."""
LEVEL_MINUTES = 60
"""Window whose level the base has."""
LATE = np.float32(0.6)
"""Share of the log level of longer windows that stands in for that of an hour that has not arrived."""
BIN_MINUTES = 15
"""Minutes of the hour that share one correction."""
PRIOR = np.float32(10)
"""People by which the level of a window is drawn to that of the next longer one."""
RECENCY = np.float32(0.82)
"""Weight of a week over the one after it, in how the same weekday has run."""
WEEKDAY_PRIOR = np.float32(20)
"""People by which that is drawn to the profile."""
WAVES = 4
"""Columns of `Tensors.CALENDAR` that hold the time of day; the first two also change what the levels say."""


@dataclass(frozen=True)
class LinearRows:
    """Rows of all targets, origins and stations.

    Attributes:
        features: float32 [target, origin, station, feature].
        base: float32 [target, origin, station, step], >= 0: the forecast that the ridge multiplies.
        size: steps per bin.
        days: float32 [origin, day], 1 for the weekday of the hour, and for a holiday; the ridge does without.
        hour: float32 [target, origin, station, column], see `hour_columns`; the ridge does without.
    """

    features: Float
    base: Float
    size: int
    days: Float
    hour: Float

    def at(self, stations: slice) -> LinearRows:
        """Those of some stations."""
        features, base, hour = (x[:, :, stations] for x in (self.features, self.base, self.hour))
        return LinearRows(features, base, self.size, self.days, hour)


def linear_rows(tensors: Tensors) -> LinearRows:
    """Rows of tensors of all stations of the network, as each row holds levels of the whole network."""
    own, network = _levels(tensors)
    level = _level_of_base(tensors, own, network)
    columns = [*own, *network, *_others(own), *_yesterday(tensors), *_weekday(tensors), level]
    clock = tensors.calendar[:, 0, :WAVES].T[:, None, :, None]
    short = [level, *own[-1:], *network[-1:]]
    columns += [x * wave for x in short for wave in clock[:2]]
    columns += [*clock, np.ones((1, 1, 1), np.float32)]
    shape = tensors.level.shape
    base = profile_times_level(replace(tensors, level=np.exp(level)))
    out = np.stack([np.broadcast_to(x, shape) for x in columns], axis=-1).astype(np.float32)
    size = divisor(tensors.horizon, max(BIN_MINUTES // tensors.interval, 1))
    return LinearRows(out, base, size, tensors.calendar[:, 0, WAVES:], hour_columns(tensors))


def _levels(tensors: Tensors) -> tuple[list[Float], list[Float]]:
    """Log level of each window over that of the next longer one, the longest last.

    Returns:
        Those of the stations, [C, O, S] each, whose longest window is held against the network's, and then those of
        the network, [C, O, 1] each, whose longest is held against the profile.
    """
    sums = window_sums(tensors, covered_windows(tensors, WINDOWS))
    network = _chain(*_network(*sums, tensors.parts), np.ones((1, 1, 1), np.float32))
    longest = np.exp(network[-1]) if network else np.ones((1, 1, 1), np.float32)
    return _chain(*sums, longest), network


def _level_of_base(tensors: Tensors, own: list[Float], network: list[Float]) -> Float:
    """Log level of the base, [C, O, S]: today's, and that of longer windows as far as the last hour has not arrived.

    Minutes without a profile, as before a metro opens, are none that could arrive.
    """
    today = np.log(tensors.level)
    longer = [x for x, m in zip(own, covered_windows(tensors, WINDOWS), strict=True) if m >= LEVEL_MINUTES]
    if not longer:
        return today
    steps = tensors.recent.shape[-1]
    usual = np.isfinite(tensors.profile[..., :steps])[..., -tensors.horizon :]
    arrived = (usual & np.isfinite(tensors.recent)[..., -tensors.horizon :]).sum(axis=-1, dtype=np.float32)
    expected = usual.sum(axis=-1, dtype=np.float32)
    share = np.divide(arrived, expected, out=np.ones_like(arrived), where=expected > 0)
    level = np.add.reduce([*longer, np.broadcast_to(network[-1], today.shape)])
    return np.asarray(np.where(share < 1, share * today + (1 - share) * LATE * level, today), np.float32)


def _chain(people: Float, expected: Float, towards: Float) -> list[Float]:
    out = []
    for w in reversed(range(people.shape[-1])):
        level = _level(people[..., w], expected[..., w], towards)
        out.append(np.log(level / towards))
        towards = level
    return out[::-1]


def _yesterday(tensors: Tensors) -> list[Float]:
    """Log level of the hour a day before, and of the hour before that one: the network's, the stations' over it."""
    hours, back = tensors.hours, tensors.hours.shape[-1] - (DAY_HOURS - tensors.recent.shape[-1] // tensors.horizon)
    out = []
    for at in (back, back - 1) if back >= 1 else ():
        people, expected = hours[0, ..., at], hours[1, ..., at]
        network = _level(*_network(people, expected, tensors.parts), np.float32(1))
        out += [np.log(network), np.log(_level(people, expected, network) / network)]
    return out


def _weekday(tensors: Tensors) -> list[Float]:
    """How the same weekday has run against the profile, which pools days: log ratio in the hour, and in the one before.

    With few people or weeks it is drawn to 0. From it the ridge learns how far this weekday is a day of its own, such
    as a Friday evening.
    """
    steps, weights = tensors.horizon, RECENCY ** np.arange(len(tensors.lags), dtype=np.float32)
    out = []
    for at in (slice(-steps, None), slice(-2 * steps, -steps)):
        expected = tensors.profile[..., at]
        known, whole = np.isfinite(expected), expected.sum(axis=-1, dtype=np.float32)
        people, usual = np.zeros_like(tensors.level), np.zeros_like(tensors.level)
        for weight, lag in zip(weights, tensors.lags[..., at], strict=True):
            seen = known & np.isfinite(lag)
            if seen.all():
                people += weight * lag.sum(axis=-1, dtype=np.float32)
                usual += weight * whole
                continue
            people += weight * np.where(seen, lag, 0).sum(axis=-1, dtype=np.float32)
            usual += weight * np.where(seen, expected, 0).sum(axis=-1, dtype=np.float32)
        out.append(np.log((people + WEEKDAY_PRIOR) / (usual + WEEKDAY_PRIOR)))
    return out


def _network(people: Float, expected: Float, parts: slice) -> tuple[Float, Float]:
    """Sums over the stations, [C, O, 1, ...]."""
    return people[:, :, parts].sum(axis=2, keepdims=True), expected[:, :, parts].sum(axis=2, keepdims=True)


def _level(people: Float, expected: Float, towards: Float | np.float32) -> Float:
    return np.asarray((people + PRIOR * towards) / (expected + PRIOR), np.float32)


def _others(own: list[Float]) -> list[Float]:
    """Mean of the other targets, [C, O, S] each; nothing where there is one target only."""
    targets = len(own[0]) if own else 1
    return [(x.sum(axis=0, keepdims=True) - x) / (targets - 1) for x in own] if targets > 1 else []
