"""Choose the threshold of each signal from past weeks, so that as many alarms are raised as people want. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.alerts.episodes import Outcome, SignalRows, find_alarms, judge
from tasks.arrays import HORIZON_MINUTES

GRIDS = {
    "limit": tuple(round(1 / (1 + float(np.exp(-x))), 4) for x in np.arange(-2.2, 4.01, 0.2)),
    "crowding": tuple(round(float(x), 2) for x in np.arange(2, 11.01, 0.25)),
}
"""Thresholds that are tried: probabilities from 10 % on, and surprises from one in a hundred on."""
DEFAULTS = {"limit": 0.7, "crowding": 4.0}
"""Thresholds before there are scores to choose from."""
LEAST_DAYS = 7
LEEWAY = 0.25
"""A threshold is kept while its rate of alarms lies within this share of the wanted one."""


@dataclass(frozen=True)
class Choice:
    """The threshold of one signal.

    Attributes:
        threshold: from which an alarm opens.
        factor: spread factor, see `count_sums`.
        reason: why it is this one, a sentence.
        outcomes: what it would have brought in the past weeks, by number of the station, of all under -1; empty where
            there are too few days.
    """

    threshold: float
    factor: float
    reason: str
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def choose(
    name: str,
    rows: SignalRows,
    station_weeks: float,
    days: int,
    wanted: float,
    factor: float,
    present: float | None,
    delay: int = HORIZON_MINUTES,
) -> Choice:
    """The threshold of a signal.

    Args:
        name: of the signal.
        rows: its past, strengths by `factor`.
        station_weeks: stations times weeks of that past.
        days: how many days that is.
        wanted: alarms per station and week.
        factor: spread factor.
        present: the threshold in force, kept where its rate is near the wanted one.
        delay: see `episodes.judge`.
    """
    if days < LEAST_DAYS:
        threshold = DEFAULTS[name] if present is None else present
        return Choice(threshold, factor, f"{days} of {LEAST_DAYS} days of scores: the threshold is {threshold:g}")
    if present is not None:
        rate = _rate(rows, present, station_weeks)
        if abs(rate - wanted) <= LEEWAY * wanted:
            reason = f"{present:g} is kept: it raises {rate:.3g} alarms per station and week, and {wanted:g} are wanted"
            return Choice(present, factor, reason, judge(rows, present, delay))
    threshold = _lowest(rows, GRIDS[name], station_weeks, wanted)
    rate = _rate(rows, threshold, station_weeks)
    edge = {GRIDS[name][0]: ", the lowest that is tried", GRIDS[name][-1]: ", the highest that is tried"}
    reason = (
        f"{threshold:g}{edge.get(threshold, '')}: it would have raised {rate:.3g} alarms per station and week in "
        f"{days} days, and {wanted:g} are wanted"
    )
    return Choice(threshold, factor, reason, judge(rows, threshold, delay))


def _lowest(rows: SignalRows, grid: Sequence[float], station_weeks: float, wanted: float) -> float:
    """The lowest threshold whose rate is not above the wanted one, by halving; the highest where none is."""
    low, high = 0, len(grid) - 1
    while low < high:
        middle = (low + high) // 2
        if _rate(rows, grid[middle], station_weeks) <= wanted:
            high = middle
        else:
            low = middle + 1
    return grid[low]


def _rate(rows: SignalRows, threshold: float, station_weeks: float) -> float:
    return len(find_alarms(rows, threshold).first) / max(station_weeks, 1e-9)
