"""Which of two hours is meant where the clocks went back: by the order of rows, or the other end of a trip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tasks.clock import to_local, to_utc
from tasks.ingest.rows.parse_times import Moments

Times = npt.NDArray[np.datetime64]
_NEARLY = 0.99


def settle_hour(moments: Moments, zone: str, other: Moments | None = None) -> Moments:
    """Times with the hour settled that the clocks showed twice, where something tells; else as they are, marked.

    Where rows are in order of time, the times of that hour begin again once; those behind are of the second. An end of
    a trip that would come before its start is of the second, too.

    Args:
        moments: of each row, those of the hour as its first occurrence.
        zone: whose clocks they are.
        other: the other end of each row, settled; None where rows have one alone.
    """
    if not moments.repeated.any():
        return moments
    rows = np.flatnonzero(moments.repeated)
    late = _begun_again(moments, rows)
    settled = late >= 0
    if other is not None and _comes_first(other, moments):
        late = np.where(settled, late, moments.utc[rows] < other.utc[rows])
        settled |= late == 1
    second, repeated, utc = rows[late == 1], moments.repeated.copy(), moments.utc.copy()
    utc[second] = _second(utc[second], zone)
    repeated[rows[settled]] = False
    return replace(moments, utc=utc, repeated=repeated)


def _begun_again(moments: Moments, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Of rows of such hours 1 where they are of the second one, 0 of the first, -1 where their order does not tell."""
    late = np.full(len(rows), -1, dtype=np.int64)
    once = moments.utc[~moments.repeated & ~np.isnat(moments.utc)]
    if (np.diff(once) < np.timedelta64(0, "s")).any():
        return late
    days = moments.utc[rows].astype("datetime64[D]")
    for day in np.unique(days):
        there = np.flatnonzero(days == day)
        again = np.flatnonzero(np.diff(moments.utc[rows[there]]) < np.timedelta64(0, "s"))
        if len(again) == 1:
            late[there] = np.arange(len(there)) > again[0]
    return late


def _comes_first(one: Moments, other: Moments) -> bool:
    """Whether one end of trips is their start, by the times that the clocks showed once."""
    known = ~(one.repeated | other.repeated | one.unknown | other.unknown)
    return bool(known.any()) and float((one.utc[known] <= other.utc[known]).mean()) >= _NEARLY


def _second(first: Times, zone: str) -> Times:
    """The same times of the clock in the hour behind."""
    wall = to_local(first, zone).astype("datetime64[s]") + (first - first.astype("datetime64[m]"))
    return to_utc(wall, zone, 1)
