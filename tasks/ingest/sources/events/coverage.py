"""Events into counts: one per station and interval; zero where a source covered the interval and saw no event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.clock import day_bounds, service_dates
from tasks.tables.schemas import NOT_KNOWN

MAX_CELLS = 500_000_000
_ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Ends:
    """Where and when people were counted for one target, arrays of equal length.

    Attributes:
        station: codes, int32.
        minute: UTC minutes since 1970, on the grid.
        people: how many; `NOT_KNOWN` where that is withheld.
    """

    station: npt.NDArray[np.int32]
    minute: Int
    people: Int

    def by_time(self) -> Ends:
        """Ascending by minute."""
        order = np.argsort(self.minute, kind="stable")
        return Ends(self.station[order], self.minute[order], self.people[order])

    def between(self, start: int, end: int) -> Ends:
        """Those of a span; they are ascending by minute."""
        a, b = np.searchsorted(self.minute, [start, end])
        return Ends(self.station[a:b], self.minute[a:b], self.people[a:b])


@dataclass(frozen=True)
class Cover:
    """Minutes since 1970, UTC, end exclusive, in which silence means zero."""

    start: int
    end: int

    def clip(self, start: int | None, end: int | None) -> Cover:
        """The part of it within some bounds."""
        return Cover(
            self.start if start is None else max(self.start, start), self.end if end is None else min(self.end, end)
        )


@dataclass(frozen=True)
class DayCounts:
    """Counts of one service day, arrays of equal length, by station and minute.

    Attributes:
        station: codes.
        minute: UTC minutes since 1970.
        counts: people by target, and which of them are stated.
    """

    station: npt.NDArray[np.int32]
    minute: Int
    counts: Mapping[str, tuple[Int, npt.NDArray[np.bool_]]]


def daily_counts(
    ends: Mapping[str, Ends], stations: int, cover: Cover, interval: int, timezone: str
) -> Iterator[DayCounts]:
    """Counts of each service day, ascending; outside the cover only where somebody was counted.

    Args:
        ends: by target.
        stations: how many codes there are; all of them are stated throughout the cover.
        cover: where silence is zero.
        interval: minutes a step.
        timezone: the network's.
    """
    ordered = {target: those.by_time() for target, those in ends.items()}
    edges = [int(m) for those in ordered.values() for m in (*those.minute[:1], *those.minute[-1:])]
    edges += [cover.start, cover.end - interval] if cover.end > cover.start else []
    if not edges:
        return
    first, last = service_dates(np.array([min(edges), max(edges)], dtype="datetime64[m]"), timezone)
    for day in np.arange(first, last + _ONE_DAY, dtype="datetime64[D]"):
        low, high = (int(t.astype(np.int64)) for t in day_bounds(day, timezone))
        counts = _one_day(ordered, stations, cover, np.arange(low, high, interval))
        if len(counts.minute):
            yield counts


def _one_day(ends: Mapping[str, Ends], stations: int, cover: Cover, minute: Int) -> DayCounts:
    steps, interval = len(minute), int(minute[1] - minute[0])
    listening = np.tile((minute >= cover.start) & (minute < cover.end), stations)
    counts = {}
    for target, those in ends.items():
        here = those.between(int(minute[0]), int(minute[-1]) + interval)
        cell = here.station.astype(np.int64) * steps + (here.minute - minute[0]) // interval
        known = np.maximum(here.people, 0)
        counts[target] = np.bincount(cell, weights=known, minlength=stations * steps).astype(np.int64)
        withheld = np.unique(cell[here.people == NOT_KNOWN])  # beside others it adds nothing, alone it is no zero
        counts[target][withheld[counts[target][withheld] == 0]] = NOT_KNOWN
    stated = {target: listening | (count != 0) for target, count in counts.items()}
    rows = np.flatnonzero(np.logical_or.reduce([*stated.values()]))
    return DayCounts(
        (rows // steps).astype(np.int32),
        minute[rows % steps],
        {target: (counts[target][rows], stated[target][rows]) for target in counts},
    )
