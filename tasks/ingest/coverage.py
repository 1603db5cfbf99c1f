"""Events into counts: one a station and interval, zero where an event source was listening and heard nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.clock import day_bounds, service_dates
from tasks.contracts import Int
from tasks.ingest.pieces import statement_schema
from tasks.ingest.rows import MICROSECONDS
from tasks.tables import name_array, time_array

MAX_CELLS = 500_000_000
_ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Ends:
    """Where and when people were counted for one target, arrays of equal length.

    Attributes:
        station: codes, int32.
        minute: UTC minutes since 1970, on the grid.
        people: how many.
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

    def clipped(self, start: int | None, end: int | None) -> Cover:
        """The part of it within some bounds."""
        return Cover(
            self.start if start is None else max(self.start, start), self.end if end is None else min(self.end, end)
        )


def daily_counts(
    ends: Mapping[str, Ends],
    stations: Sequence[str],
    cover: Cover,
    interval: int,
    timezone: str,
    targets: Sequence[str],
) -> Iterator[pa.Table]:
    """Observations of each service day, ascending; outside the cover only where somebody was counted.

    Args:
        ends: by target; targets that are not in it are not stated.
        stations: names of the codes; all of them are stated throughout the cover.
        cover: where silence is zero.
        interval: minutes a step.
        timezone: the network's.
        targets: columns of the table.
    """
    sorted_ends = {target: those.by_time() for target, those in ends.items()}
    edges = [int(m) for those in sorted_ends.values() for m in those.minute[[0, -1]] if len(those.minute)]
    edges += [cover.start, cover.end - interval] if cover.end > cover.start else []
    if not edges:
        return
    span = np.array([min(edges), max(edges)], dtype="datetime64[m]")
    first, last = service_dates(span, timezone)
    for day in np.arange(first, last + _ONE_DAY, dtype="datetime64[D]"):
        low, high = (int(t.astype(np.int64)) for t in day_bounds(day, timezone))
        table = _one_day(sorted_ends, stations, cover, low, high, interval, targets)
        if table.num_rows:
            yield table


def _one_day(
    ends: Mapping[str, Ends],
    stations: Sequence[str],
    cover: Cover,
    low: int,
    high: int,
    interval: int,
    targets: Sequence[str],
) -> pa.Table:
    steps = (high - low) // interval
    minute = low + np.arange(steps) * interval
    listening = np.tile((minute >= cover.start) & (minute < cover.end), len(stations))
    counts = {
        target: _counted(those.between(low, high), low, steps, interval, stations) for target, those in ends.items()
    }
    stated = {target: listening | (count > 0) for target, count in counts.items()}
    rows = np.flatnonzero(np.logical_or.reduce([*stated.values()]))
    nothing = np.zeros(len(rows), dtype=np.int32)
    columns = [
        name_array((rows // steps).astype(np.int32), stations),
        time_array((minute[rows % steps] * MICROSECONDS).astype("datetime64[us]")),
        name_array(nothing, [""]),
        name_array(nothing, [""]),
        pa.nulls(len(rows), statement_schema(targets).field("available_at").type),
    ]
    for target in targets:
        if target in counts:
            columns.append(pa.array(counts[target][rows].astype(np.int32), mask=~stated[target][rows]))
        else:
            columns.append(pa.nulls(len(rows), pa.int32()))
    return pa.Table.from_arrays(columns, schema=statement_schema(targets))


def _counted(those: Ends, low: int, steps: int, interval: int, stations: Sequence[str]) -> Int:
    """People of a day, [station x step] flat."""
    cell = those.station.astype(np.int64) * steps + (those.minute - low) // interval
    return np.bincount(cell, weights=those.people, minlength=len(stations) * steps).astype(np.int64)
