"""Counters taken for counts: readings that only grow, such as the total of a turnstile since it was installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.count_rows import CountRows
from tasks.ingest.rows.rows_in import InputColumns

READINGS = 8
"""Fewest different readings of a series that tell."""
ALONE = 24
"""Readings that tell of a counter whatever the other series are."""
FROM_HIGH, FROM_ZERO = 50, 150
"""Average rises below the lowest reading, or below the average one where a counter began near zero."""
RESET = 10
"""Readings per fall that a counter may have, for it is reset at times."""


def check_counters(file: InputColumns, columns: Mapping[str, tuple[str, ...]], rows: CountRows, order: Int) -> None:
    """Whether counts are those of their intervals, not the readings of counters.

    Args:
        file: where they are from.
        columns: our name -> the file's.
        rows: of the file.
        order: positions of those that count; each station and part forms a series for as long as its times go up.

    Raises:
        FileProblem: if series of a target only grow, by steps far smaller than their readings: one that is long,
            or those that hold half of the readings.
    """
    search = CounterSearch()
    search.add(rows, order, rows.station, rows.part)
    search.check(file.origin, columns, rows.stations)


# A series by its key (of the station and part): how many readings, rises and falls; the sum of all rises; sum and
# minimum of the readings; the first, the highest and the last one, and the minutes since 1970 of those.
_COLUMNS = ("key", "readings", "rises", "falls", "climb", "total", "low", "first", "first_minute", "top", "top_minute")
_SERIES = np.dtype([(name, np.int64) for name in (*_COLUMNS, "last", "last_minute")])
_Series = npt.NDArray[Any]
_NONE = np.zeros(0, dtype=_SERIES)


def _append_next(series: _Series, by: _Series) -> _Series:
    """Each of some series with the readings of another after its own."""
    whole, step = series.copy(), by["first"] - series["last"]
    for name in ("readings", "rises", "falls", "climb", "total"):
        whole[name] += by[name]
    whole["rises"] += step > 0
    whole["falls"] += step < 0
    whole["climb"] += np.maximum(step, 0)
    whole["low"] = np.minimum(series["low"], by["low"])
    higher = by["top"] > series["top"]
    for name in ("top", "top_minute"):
        whole[name] = np.where(higher, by[name], series[name])
    for name in ("last", "last_minute"):
        whole[name] = by[name]
    return whole


@dataclass
class _Found:
    """What the series of one target tell that have ended.

    Attributes:
        open: those that may go on, ascending by key.
        readings, of_counters: readings of series that tell, and of those of them that are counters.
        alone: whether one of these is long.
        worst: the longest of these, one or none.
    """

    open: _Series = field(default_factory=_NONE.copy)
    readings: int = 0
    of_counters: int = 0
    alone: bool = False
    worst: _Series = field(default_factory=_NONE.copy)

    def end(self, series: _Series) -> None:
        """Check series that do not go on."""
        pace = series["climb"] / np.maximum(series["rises"], 1)  # a slow ramp rises by one at a time
        average = series["total"] / np.maximum(series["readings"], 1)
        tells = series["rises"] + series["falls"] >= READINGS - 1
        high = (series["low"] > FROM_HIGH * pace) | (average > FROM_ZERO * pace)
        counters = series[tells & high & (RESET * series["falls"] <= series["readings"])]
        self.readings += int(series["readings"][tells].sum())
        self.of_counters += int(counters["readings"].sum())
        self.alone |= bool((counters["rises"] >= ALONE).any())
        candidates = np.concatenate([self.worst, counters])
        self.worst = candidates[candidates["rises"].argmax() :][:1] if len(candidates) else candidates

    def add(self, series: _Series) -> None:
        """Add series in their order; the first of a key goes on with the open one, if it begins after its end."""
        keys, heads = np.unique(series["key"], return_index=True)
        place = np.searchsorted(self.open["key"], keys)
        known = np.isin(keys, self.open["key"])
        before, kept = self.open[place[known]], np.ones(len(self.open), dtype=bool)
        kept[place[known]] = False
        later = series["first_minute"][heads[known]] > before["last_minute"]
        self.end(before[~later])
        series[heads[known][later]] = _append_next(before[later], series[heads[known][later]])
        ends = np.zeros(len(series), dtype=bool)
        ends[len(series) - 1 - np.unique(series["key"][::-1], return_index=True)[1]] = True
        self.end(series[~ends])
        still = np.concatenate([self.open[kept], series[ends]])
        self.open = still[np.argsort(still["key"], kind="stable")]


class CounterSearch:
    """The search for counters in rows that come piece by piece."""

    def __init__(self) -> None:
        self._found: dict[str, _Found] = {}

    def add(
        self,
        rows: CountRows,
        order: Int,
        station: npt.NDArray[np.int32],
        part: npt.NDArray[np.int32],
        near: bool = False,
    ) -> None:
        """Add some rows.

        Args:
            rows: a piece.
            order: positions of those that count.
            station: number of the name of every row, the same in each piece.
            part: likewise.
            near: whether a series ends where a row of another station and part comes, since the rows are in the
                order of the file.
        """
        if len(rows.parts) > 1:
            order = order[np.lexsort((part[order], station[order]))]
        every = rows.at(order)
        runs_of_all = _starts(station[every], part[every], rows.minute[every])
        for target, counted in rows.counts.items():
            all_given = bool(counted.given.all())
            at = every if all_given else order[counted.given[order]]
            minute = rows.minute[at]
            if not len(minute):
                continue
            starts = runs_of_all if all_given else _starts(station[at], part[at], minute)
            keys = station[at][starts].astype(np.int64) << 32 | part[at][starts]
            found = self._found.setdefault(target, _Found())
            if near:
                other = found.open["key"] != keys[0]
                found.end(found.open[other])
                found.open = found.open[~other]
            found.add(_series(starts, keys, minute, counted.values[at]))

    def check(self, origin: str, columns: Mapping[str, tuple[str, ...]], stations: Sequence[str]) -> None:
        """Whether there are counters, after the last piece; `stations` are names by number.

        Raises:
            FileProblem: as `check_counters` does.
        """
        for target, found in self._found.items():
            found.end(found.open)
            found.open = _NONE.copy()
            if not len(found.worst) or not (found.alone or 2 * found.of_counters >= found.readings):
                continue
            one = found.worst[0]
            column, station = columns[target][0], stations[one["key"] >> 32]
            begin, highest = (
                f"{one[name]:,} at {one[f'{name}_minute'].astype('datetime64[m]')}Z" for name in ("first", "top")
            )
            raise FileProblem(
                "cumulative",
                f"{origin}: column {column!r} only grows at station {station!r}, from {begin} to {highest}: "
                "it is the reading of a counter: cumulative = true takes the differences of its readings; "
                "where a station has several counters, device = [...] names the columns that tell them apart",
            )


def _starts(station: npt.NDArray[np.int32], part: npt.NDArray[np.int32], minute: Int) -> Int:
    """Where series begin: rows of one station and part that follow one another as long as their times go up."""
    begins = np.ones(len(minute), dtype=bool)
    begins[1:] = minute[1:] <= minute[:-1]
    for codes in (station, part):
        begins[1:] |= codes[1:] != codes[:-1]
    return np.flatnonzero(begins)


def _series(starts: Int, keys: Int, minute: Int, values: npt.NDArray[np.integer]) -> _Series:
    """Series of readings, of which one begins at each of `starts`, and their keys."""
    step = np.empty_like(values)  # counts and readings are never so large that a difference does not fit
    np.subtract(values[1:], values[:-1], out=step[1:])
    step[starts] = 0
    ends = np.append(starts[1:], len(minute)) - 1
    top_at = ends.copy()
    readings = ends - starts + 1
    rises, falls = (_sum_runs(which, starts) for which in (step > 0, step < 0))
    for run in np.flatnonzero(RESET * falls <= readings).tolist():
        top_at[run] = starts[run] + values[starts[run] : ends[run] + 1].argmax()
    series = np.zeros(len(starts), dtype=_SERIES)
    series["key"], series["readings"], series["rises"], series["falls"] = keys, readings, rises, falls
    series["climb"] = _sum_runs(np.maximum(step, 0, out=step), starts)
    series["total"] = _sum_runs(values, starts)
    series["low"] = np.minimum.reduceat(values, starts)
    for name, at in (("first", starts), ("top", top_at), ("last", ends)):
        series[name], series[f"{name}_minute"] = values[at], minute[at]
    return series


def _sum_runs(values: npt.NDArray[Any], starts: Int) -> Int:
    """Sum of each run; of runs of one length, as those of whole days are, in half the time."""
    length, rest = divmod(len(values), max(len(starts), 1))
    if not rest and np.array_equal(starts, np.arange(len(starts)) * length):
        return np.asarray(values.reshape(len(starts), length).sum(axis=1, dtype=np.int64))
    return np.asarray(np.add.reduceat(values, starts, dtype=np.int64))
