"""People of counters that run on: the differences of their readings, interval by interval.

An interval is known where a counter was read at its start and at its end and ran on between. Between the first and the
last reading of a counter every other interval is `NOT_KNOWN`: a difference over several intervals is never spread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.statements import UNKNOWN, Statements
from tasks.settings.sources.rows import CountColumns
from tasks.tables.schemas import NOT_KNOWN

Flags = npt.NDArray[np.bool_]
LONGEST_GAP = 7 * 24 * 60
"""Minutes without a reading after which a counter begins again: nothing is stated of the time between."""
ROLL_OVER = 10
"""A fall is a roll-over where it counts at most this part of all readings that there are."""
_MINUTES = 36
"""Bits that a minute since 1970 takes at the most."""


@dataclass(frozen=True)
class CounterRules:
    """How counters run.

    Attributes:
        grid: minutes of an interval.
        maximum: people whom a device counts in an interval at the most; more is a reset.
        limit: largest reading, after which a counter goes on at 0; None where a fall is always a reset.
        direction: "up", "down" or "either".
    """

    grid: int
    maximum: int
    limit: int | None = None
    direction: str = "up"

    @classmethod
    def of(cls, config: CountColumns, interval: int) -> CounterRules:
        """How the counters of a source run, on a grid of so many minutes."""
        return cls(interval, config.maximum, config.counter_limit, config.counter_direction)


@dataclass(frozen=True)
class Differences:
    """What readings say.

    Attributes:
        statements: per station, interval and device; sorted by station, minute and part.
        blanks: intervals of devices that are not known, by reason.
    """

    statements: Statements
    blanks: Mapping[str, int]


@dataclass(frozen=True)
class _Counts:
    """Intervals of one target: series and minute in one number, people or `NOT_KNOWN`."""

    cells: Int
    values: Int
    blanks: Mapping[str, int]


def take_differences(readings: Statements, withdrawn: Flags, rules: CounterRules) -> Differences:
    """People per interval and device.

    Args:
        readings: one per station, device and minute, in any order.
        withdrawn: readings that were stated once and are no more [row]; a device of which all are counts nobody.
        rules: how counters run.
    """
    series = readings.station.astype(np.int64) * max(len(readings.parts), 1) + readings.part
    order = np.lexsort((readings.minute, series))
    series, minute, real = series[order], readings.minute[order], ~withdrawn[order]
    counts = [
        _count_target(series[valid], minute[valid], values[valid].astype(np.int64), real[valid], rules)
        for values, valid in zip(readings.values[:, order], readings.valid[:, order], strict=True)
    ]
    cells = np.unique(np.concatenate([each.cells for each in counts]))
    values = np.zeros((len(counts), len(cells)), dtype=np.int32)
    valid = np.zeros((len(counts), len(cells)), dtype=bool)
    for place, each in enumerate(counts):
        at = np.searchsorted(cells, each.cells)
        values[place, at], valid[place, at] = each.values, True
    station, part = np.divmod(cells >> _MINUTES, max(len(readings.parts), 1))
    statements = replace(
        readings,
        station=station.astype(np.int32),
        part=part.astype(np.int32),
        minute=cells & ((1 << _MINUTES) - 1),
        available=np.full(len(cells), UNKNOWN),
        values=values,
        valid=valid,
    )
    return Differences(statements.sort_rows(), sum((Counter(each.blanks) for each in counts), Counter()))


def _count_target(series: Int, minute: Int, value: Int, real: Flags, rules: CounterRules) -> _Counts:
    """Intervals of one target.

    Args:
        series: code of station and device, ascending [row].
        minute: UTC minutes since 1970, ascending in each series [row].
        value: readings [row].
        real: those that still stand [row].
        rules: how counters run.
    """
    if not len(series):
        return _Counts(series, series, {})
    begins = np.append(True, (np.diff(series) != 0) | (np.diff(minute) > LONGEST_GAP))
    run, first = np.cumsum(begins) - 1, np.flatnonzero(begins)
    last = np.append(first[1:], len(series)) - 1
    start, end = -(-minute[first] // rules.grid), minute[last] // rules.grid
    many = np.maximum(end - start, 0)
    of_run = np.repeat(np.arange(len(first)), many)
    at = (start[of_run] + np.arange(len(of_run)) - np.repeat(np.cumsum(many) - many, many)) * rules.grid
    people, known, read = _interval_counts(run[real], minute[real], value[real], of_run, at, rules)
    lives = np.logical_or.reduceat(real, first)[of_run]
    reset = int((lives & read & ~known).sum())
    blanks = {"counter_reset": reset, "reading_gap": int((lives & ~known).sum()) - reset}
    values = np.where(known, people, np.where(lives, NOT_KNOWN, 0))
    return _Counts(series[first[of_run]] << _MINUTES | at, values, {code: n for code, n in blanks.items() if n})


def _interval_counts(
    run: Int, minute: Int, value: Int, of_run: Int, at: Int, rules: CounterRules
) -> tuple[Int, Flags, Flags]:
    """People of each interval, whether they are known, and whether it was read at its start and its end."""
    if not len(run):
        never = np.zeros(len(at), dtype=bool)
        return np.zeros(len(at), dtype=np.int64), never, never
    same = np.diff(run) == 0
    people, sound = _steps(np.diff(value), rules)
    total = np.append(0, np.cumsum(np.where(same & sound, people, 0)))
    resets = np.append(0, np.cumsum(same & ~sound))
    keys = run << _MINUTES | minute
    starts, has_start = _places(keys, of_run << _MINUTES | at)
    ends, has_end = _places(keys, of_run << _MINUTES | (at + rules.grid))
    read = has_start & has_end
    counted = total[ends] - total[starts]
    return counted, read & (resets[ends] == resets[starts]) & (counted <= rules.maximum), read


def _places(keys: Int, wanted: Int) -> tuple[Int, Flags]:
    """Position of each wanted key (any where it is not there), and whether it is there."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted


def _steps(step: Int, rules: CounterRules) -> tuple[Int, Flags]:
    """People between each reading and the next, and whether the counter ran on."""
    if rules.direction == "either":
        people = np.abs(step)
        if rules.limit is not None:
            people = np.where(people <= rules.limit, np.minimum(people, rules.limit + 1 - people), people)
        return people, people <= rules.maximum
    people = -step if rules.direction == "down" else step
    if rules.limit is not None:
        over = people + rules.limit + 1
        rolled = (people < 0) & (over >= 0) & (over * ROLL_OVER <= rules.limit + 1)
        people = np.where(rolled, over, people)
    return people, (people >= 0) & (people <= rules.maximum)
