"""How long a deviation from usual lasts in a network, and how far days lie apart, learnt from its own past weeks.

In one network rain empties the whole day, in another a late train is forgotten in an hour. So the share of a level that
is left some hours later is measured on the same weekday of the weeks before: how the hours around this time of day ran
against the weeks before them, and how the later hours of the same days did. The slope of the second on the first,
by hours between them, is fitted by an exponential; once for the network and once for the stations beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from tasks.arrays import Float
from tasks.rest_of_day import Decay, Double

PRIOR = 10.0
"""People added to what came and to what was usual, so that few people say little of a day."""
PRIOR_HOURS = 0.1
"""Mean hours of the day that are added likewise, so that the hour at which doors open says little of noon."""
OLDER_WEEKS = 2
"""Weeks before a day without which nothing is usual for it."""
DOUBT_DAYS = 2.0
"""Days of history at which half of what they show is believed."""
AROUND_HOURS = 1
"""Hours of the day on either side of the present one from which is learnt."""
SPREAD_PRIOR = 1000.0
"""Squares of people at which a station's own spread and that of all stations count alike."""
UNKNOWN_SPREAD = 0.35
FADE_HOURS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 48, 1e6)
DECAYS = tuple(Decay(share / 20, hours) for share, hours in product(range(21), FADE_HOURS))


@dataclass(frozen=True)
class Persistence:
    """What past weeks say of the hours to come.

    Attributes:
        network, station: how the level of the network fades, and that of a station beside it.
        network_prior: people that draw the level of the network to 1, [C, 1, 1]; `station_prior`: of a station,
            [C, S, 1].
        network_spread: standard deviation of a day's network over its usual; `station_spread`: of stations, [C, S].
    """

    network: Decay
    station: Decay
    network_prior: Double
    station_prior: Double
    network_spread: float
    station_spread: Double

    def level(self, people: Double, usual: Double, hours: Double) -> Double:
        """Factor of the usual some hours after an hour.

        Args:
            people: of that hour, [C, S]; NaN counts as nobody.
            usual: likewise.
            hours: [B].

        Returns:
            [C, S, B].
        """
        people, usual = np.nan_to_num(people)[..., None], np.nan_to_num(usual)[..., None]
        network = _level(people.sum(axis=1, keepdims=True), usual.sum(axis=1, keepdims=True), self.network_prior)
        station = _level(people, usual * network, self.station_prior)
        return np.asarray(network ** self.network.after(hours) * station ** self.station.after(hours))

    def spread(self, hours: Double) -> Double:
        """Standard deviation of truth over forecast beside that of chance, so many hours ahead, [C, S, B]."""
        network = self.network_spread**2 * (1 - self.network.after(hours) ** 2)
        station = self.station_spread[..., None] ** 2 * (1 - self.station.after(hours) ** 2)
        return np.asarray(np.sqrt(network + station))


def learn_persistence(weeks: Float, per_hour: int, now: int, recency: float) -> Persistence:
    """What the same weekday of past weeks says of the hours after this one.

    Args:
        weeks: people per bin of the day one week before, two weeks before and so on, [K, C, S, B]; NaN for none.
        per_hour: bins of an hour.
        now: the present hour of the day.
        recency: weight of a week over the one after it, in what is usual.
    """
    bins = weeks[..., : weeks.shape[-1] // per_hour * per_hour].astype(np.float64)
    hours = bins.reshape(*bins.shape[:-1], -1, per_hour).sum(axis=-1)
    usual = expect_from_older(hours, recency)
    both = np.isfinite(usual) & np.isfinite(hours)
    days = int(both.any(axis=(1, 2, 3)).sum())
    counts, usual = np.where(both, hours, 0), np.where(both, usual, 0)
    whole, whole_usual = counts.sum(axis=2), usual.sum(axis=2)
    network_prior, station_prior = (PRIOR + PRIOR_HOURS * _mean_hour(x) for x in (whole_usual, usual))
    network = np.log(_level(whole, whole_usual, network_prior))
    station = np.log(_level(counts, usual * np.exp(network)[:, :, None], station_prior))
    belief = days / (days + DOUBT_DAYS)
    wider = np.sqrt(1 + 1 / days) if days else 1.0
    network_spread, station_spread = _spreads(bins, whole_usual, network, per_hour, recency)
    return Persistence(
        _fit_decay(network, whole_usual, now, belief),
        _fit_decay(station, usual, now, belief),
        network_prior[:, None],
        station_prior,
        (network_spread if days else UNKNOWN_SPREAD) * wider,
        (station_spread if days else np.full(station_spread.shape, UNKNOWN_SPREAD)) * wider,
    )


def expect_from_older(values: Double, recency: float) -> Double:
    """What was usual for each week by the weeks before it, shape as `values` [K, ...]; NaN with fewer than two."""
    usual = np.full(values.shape, np.nan)
    total, weight, seen = (np.zeros(values.shape[1:]) for _ in range(3))
    for week in reversed(range(len(values))):
        np.divide(total, weight, out=usual[week], where=seen >= OLDER_WEEKS)
        there = np.isfinite(values[week])
        total = total * recency + np.where(there, values[week], 0)
        weight, seen = weight * recency + there, seen + there
    return usual


def _mean_hour(usual: Double) -> Double:
    """Mean over the hours and days with anybody, [C, 1] of [K, C, H] or [C, S, 1] of [K, C, S, H]."""
    hours = np.maximum((usual > 0).sum(axis=(0, -1)), 1)
    return np.asarray((usual.sum(axis=(0, -1)) / hours)[..., None])


def _level(people: Double, usual: Double, prior: Double) -> Double:
    """How an hour ran, drawn to 1 by some people; 1 where nobody is usual."""
    return np.asarray(np.where(usual > 0, (people + prior) / (usual + prior), 1))


def _fit_decay(level: Double, weight: Double, now: int, belief: float) -> Decay:
    """The exponential nearest to the slopes of later levels on those around the present hour, [..., H]."""
    hours = level.shape[-1]
    slopes, weights = np.zeros((2, max(hours - 1, 0)))
    for ahead in range(1, hours):
        first = np.arange(max(now - AROUND_HOURS, 0), min(now + AROUND_HOURS + 1, hours - ahead))
        before, after, people = level[..., first], level[..., first + ahead], weight[..., first + ahead]
        weights[ahead - 1] = (people * before**2).sum()
        slopes[ahead - 1] = (people * before * after).sum() / max(weights[ahead - 1], 1e-9)
    ahead_hours = np.arange(1, hours, dtype=np.float64)
    errors = [(weights * (slopes - decay.after(ahead_hours)) ** 2).sum() for decay in DECAYS]
    best = DECAYS[int(np.argmin(errors))]
    return Decay(best.share * belief, best.hours)


def _spreads(bins: Double, usual: Double, level: Double, per_hour: int, recency: float) -> tuple[float, Double]:
    """Standard deviations over what was expected: of the network per hour, of stations per bin beside it, [C, S]."""
    network = np.sqrt((usual * np.expm1(level) ** 2).sum() / max(usual.sum(), 1e-9))
    expected = expect_from_older(bins, recency) * np.repeat(np.exp(level), per_hour, axis=-1)[:, :, None]
    both = np.isfinite(expected) & np.isfinite(bins)
    excess = np.where(both, (bins - expected) ** 2 - expected, 0).sum(axis=(0, 3))
    squares = np.where(both, expected**2, 0).sum(axis=(0, 3))
    of_all = max(excess.sum() / max(squares.sum(), 1e-9), 0.0)
    own = (excess + SPREAD_PRIOR * of_all) / (squares + SPREAD_PRIOR)
    return float(network), np.sqrt(np.maximum(own, 0))
