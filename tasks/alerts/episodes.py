"""Alarms that thresholds would have raised in the past, and what became of them. Pure: rows in, figures out.

An alarm opens when a signal reaches its threshold, goes on while it stays above half of it, and closes when it has been
below that for `CALM_MINUTES`. What it warns of comes in episodes, too: runs of moments at which the signal came true.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import HORIZON_MINUTES, Int
from tasks.metrics import Double

CALM_MINUTES = 30
CLOSE_SHARE = 0.5
"""Of the threshold: an open alarm goes on above it, so that one that wavers around the threshold does not flap."""


@dataclass(frozen=True)
class SignalRows:
    """One signal at the moments at which it was strong or came true, sorted by series and moment.

    Attributes:
        series: number of the (station, target).
        minute: minutes since 1970.
        strength: probability or surprise.
        above: whether it came true.
        station: number of the station.
    """

    series: Int
    minute: Int
    strength: Double
    above: npt.NDArray[np.bool_]
    station: Int

    def take(self, chosen: npt.NDArray[np.bool_] | Int) -> SignalRows:
        """Some of the rows, or all in another order."""
        arrays = {name: values[chosen] for name, values in vars(self).items()}
        return replace(self, **arrays)


@dataclass(frozen=True)
class Episodes:
    """Runs of moments, one row per episode.

    Attributes:
        series, station: numbers.
        first, last: minutes since 1970.
    """

    series: Int
    station: Int
    first: Int
    last: Int


@dataclass(frozen=True)
class Outcome:
    """What a threshold brings.

    Attributes:
        alarms, right, missed: alarms raised; those during which it came true; episodes without an alarm.
        lead_minutes: median time from an alarm that was right to when it had come true; None without one.
    """

    alarms: int
    right: int
    missed: int
    lead_minutes: float | None

    @property
    def precision(self) -> float | None:
        """Share of the alarms that were right."""
        return self.right / self.alarms if self.alarms else None

    @property
    def false(self) -> int:
        """Alarms during which it did not come true."""
        return self.alarms - self.right


def find_alarms(rows: SignalRows, threshold: float) -> Episodes:
    """Alarms that a threshold raises; `first` is when each opens, `last` when the signal was strong last."""
    going = rows.take(rows.strength >= CLOSE_SHARE * threshold)
    run = _runs(going)
    opens = going.strength >= threshold
    opened = np.full(int(run.max(initial=-1)) + 1, -1, np.int64)
    places = np.flatnonzero(opens)[::-1]
    opened[run[places]] = places
    last = np.zeros(len(opened), np.int64)
    last[run] = going.minute
    there = opened >= 0
    at = opened[there]
    return Episodes(going.series[at], going.station[at], going.minute[at], last[there])


def find_truth(rows: SignalRows) -> Episodes:
    """Episodes in which the signal came true."""
    true = rows.take(rows.above)
    run = _runs(true)
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    ends = np.r_[starts[1:], len(run)] - 1 if len(run) else starts
    return Episodes(true.series[starts], true.station[starts], true.minute[starts], true.minute[ends])


def judge(rows: SignalRows, threshold: float, delay: int = HORIZON_MINUTES) -> dict[int, Outcome]:
    """What a threshold would have brought, by number of the station; of all stations under -1.

    An alarm is right if it came true at a moment while it was open, and an episode is missed if no alarm was open at
    any of its moments.

    Args:
        rows: past of the signal.
        threshold: from which an alarm opens.
        delay: minutes from a moment until what it warns of has come true.
    """
    alarms, truth = find_alarms(rows, threshold), find_truth(rows)
    first_true = np.full(len(alarms.first), -1, np.int64)
    found = np.zeros(len(truth.first), bool)
    begins = np.searchsorted(truth.series, alarms.series, side="left")
    ends = np.searchsorted(truth.series, alarms.series, side="right")
    for a in range(len(alarms.first)):
        mine = slice(begins[a], ends[a])
        met = (truth.first[mine] <= alarms.last[a] + CALM_MINUTES) & (truth.last[mine] >= alarms.first[a])
        if met.any():
            found[mine] |= met
            first_true[a] = truth.first[mine][met][0]
    right = first_true >= 0
    lead = first_true + delay - alarms.first
    stations = np.union1d(alarms.station, truth.station).tolist()
    groups = [(-1, np.ones_like(right), np.ones_like(found))]
    groups += [(s, alarms.station == s, truth.station == s) for s in stations]
    return {s: _outcome(right[of], lead[of], found[episodes]) for s, of, episodes in groups}


def _outcome(right: npt.NDArray[np.bool_], lead: Int, found: npt.NDArray[np.bool_]) -> Outcome:
    median = float(np.median(lead[right])) if right.any() else None
    return Outcome(len(right), int(right.sum()), int((~found).sum()), median)


def _runs(rows: SignalRows) -> Int:
    """Number of the run of each row: a new one where the series changes, or after more than `CALM_MINUTES`."""
    new = (np.diff(rows.series) != 0) | (np.diff(rows.minute) > CALM_MINUTES)
    return np.asarray(np.cumsum(np.r_[np.zeros(min(len(rows.minute), 1), bool), new]), np.int64)
