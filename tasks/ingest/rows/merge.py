"""Several rows of one station, interval and part: the last one counts, or they add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rows.count_rows import Counted, CountRows
from tasks.ingest.rows.parse_values import LARGEST
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.statements import UNKNOWN
from tasks.tables import schemas

_CELLS_PER_ROW = 8
_MINUTES = 1 << 36
"""More than there are in any calendar."""
_NO_TIME = ("bad_time", "nonexistent_local_time", "repeated_local_time")
"""Reasons of rows whose interval is not known."""


@dataclass(frozen=True)
class Merged:
    """What lands of some rows.

    Attributes:
        rows: of the file, or new ones where several became one.
        kept: positions in `rows` of what lands, by station, minute and part.
        accepted: how many rows of the file are in it.
        contested: positions in the file of rows that another row about the same replaced by other counts.
        winners: the row that replaced each of them.
    """

    rows: CountRows
    kept: Int
    accepted: int
    contested: Int
    winners: Int


def last_of_each(rows: CountRows, rejections: Rejections, interval: int) -> Merged:
    """Of several rows about one station, minute, part and availability the last one in the file.

    A target that counts some of the rows only takes the last of its own.
    """
    if rows.has_filter:
        return _last_per_target(rows, rejections)
    good = np.flatnonzero(rejections.good)
    nothing = good[:0]
    keys: list[npt.NDArray[np.integer]] = [rows.available, rows.part, rows.minute, rows.station]
    if len(good) < len(rows.minute):
        keys = [array[good] for array in keys]
    if schemas.ascending(keys[::-1], strictly=True):
        return Merged(rows, good, len(good), nothing, nothing)
    distinct = _by_cell(rows, good, interval)
    if distinct is not None:
        return Merged(rows, distinct, len(distinct), nothing, nothing)
    order = good[np.lexsort(keys)]
    columns = [array for each in rows.counts.values() for array in (each.values, each.given)]
    same_key = _like_the_one_before(order, _keys(rows))
    again = same_key & _like_the_one_before(order, columns)
    lost = winners = nothing
    if same_key.any():
        rejections.reject_rows(order[again], "duplicate_row")
        order = order[~again]
        replaced = np.append(_like_the_one_before(order, _keys(rows))[1:], False)
        lost, winners = order[replaced], order[np.flatnonzero(replaced) + 1]
        rejections.reject_rows(lost, "superseded_in_file")
        order = order[~replaced]
    return Merged(rows, order, len(order), lost, winners)


def _last_per_target(rows: CountRows, rejections: Rejections) -> Merged:
    """One row per station, minute, part and availability; each target's count is that of its last row."""
    order, starts = _groups(rows, rejections, [rows.available, rows.part, rows.minute, rows.station])
    group = np.cumsum(_heads(len(order), starts)) - 1
    used, differs = np.zeros(len(order), dtype=bool), np.zeros(len(order), dtype=bool)
    winner, counts, place = np.arange(len(order)), {}, np.arange(len(order))
    for target, each in rows.counts.items():
        asked = np.ones(len(order), dtype=bool) if each.asked is None else each.asked[order]
        values, given = each.values[order], each.given[order]
        newest = np.maximum.reduceat(np.where(asked, place, -1), starts) if len(starts) else starts
        there = newest >= 0
        counts[target] = Counted(np.where(there, values[newest], 0), there & given[newest])
        mine = newest[group]
        used[newest[there]] = True
        other = asked & ((values != values[mine]) | (given != given[mine]))
        differs |= other
        winner = np.where(other, mine, winner)
    rejections.reject_rows(order[~used & ~differs], "duplicate_row")
    rejections.reject_rows(order[~used & differs], "superseded_in_file")
    lost = np.flatnonzero(~used & differs)
    return Merged(
        _take(rows, order[starts], counts), np.arange(len(starts)), int(used.sum()), order[lost], order[winner[lost]]
    )


def sum_of_each(rows: CountRows, rejections: Rejections, maximum: int) -> Merged:
    """One row per station, minute and part: the sum of all that give a count, known when the last of them is.

    Sums above `maximum` and below zero are rejected with their rows. A sum of which a part is rejected is not known,
    see `_whole_intervals`.
    """
    rows = _whole_intervals(rows, rejections)
    order, starts = _groups(rows, rejections, [rows.part, rows.minute, rows.station])
    group, nothing = np.cumsum(_heads(len(order), starts)) - 1, order[:0]
    sums = {
        target: np.add.reduceat(np.where(each.given, each.values, 0)[order].astype(np.int64), starts)
        for target, each in rows.counts.items()
        if len(starts)
    }
    absurd = np.any([total > min(maximum, LARGEST) for total in sums.values()], axis=0) if sums else starts == -1
    below = np.any([total < 0 for total in sums.values()], axis=0) if sums else absurd
    if absurd.any() or below.any():
        rejections.reject_rows(order[absurd[group]], "absurd")
        rejections.reject_rows(order[(below & ~absurd)[group]], "negative_sum")
        return sum_of_each(rows, rejections, maximum)
    counts = {
        target: Counted(total.astype(np.int32), np.logical_or.reduceat(rows.counts[target].given[order], starts))
        for target, total in sums.items()
    }
    known = rows.available[order]
    if len(starts):
        known = np.where(np.minimum.reduceat(known, starts) == UNKNOWN, UNKNOWN, np.maximum.reduceat(known, starts))
    merged = replace(_take(rows, order[starts], counts), available=known)
    return Merged(merged, np.arange(len(starts)), len(order), nothing, nothing)


def _whole_intervals(rows: CountRows, rejections: Rejections) -> CountRows:
    """The rows, blank in each target and interval of a station of which a rejected row counts something, too.

    Else the sum of the others would pass for all. Rows that are left without a count are rejected.
    """
    placed = (rows.station >= 0) & ~np.any([rejections.has(reason) for reason in _NO_TIME], axis=0)
    rejected = (rejections.codes >= 0) & placed
    if not rejected.any():
        return rows
    interval = rows.station.astype(np.int64) * _MINUTES + rows.minute
    unread, counts = rejections.has("not_utf8"), {}
    for target, each in rows.counts.items():
        stated = each.given | unread if each.wrong is None else each.given | each.wrong | unread
        counts[target] = replace(each, given=each.given & ~np.isin(interval, interval[rejected & stated]))
    rejections.reject(~np.any([each.given for each in counts.values()], axis=0), "part_rejected")
    return replace(rows, counts=counts)


def _groups(rows: CountRows, rejections: Rejections, keys: list[npt.NDArray[Any]]) -> tuple[Int, Int]:
    """Good rows by some keys, the last one first, in the order of the file among equals; where each group begins."""
    good = np.flatnonzero(rejections.good)
    order = good[np.lexsort([key[good] for key in keys])]
    return order, np.flatnonzero(~_like_the_one_before(order, keys))


def _heads(count: int, starts: Int) -> npt.NDArray[np.bool_]:
    heads = np.zeros(count, dtype=bool)
    heads[starts] = True
    return heads


def _take(rows: CountRows, at: Int, counts: dict[str, Counted]) -> CountRows:
    """A row per group, of the keys of the rows `at`."""
    return replace(
        rows,
        station=rows.station[at],
        part=rows.part[at],
        minute=rows.minute[at],
        available=rows.available[at],
        counts=counts,
    )


def _keys(rows: CountRows) -> list[npt.NDArray[Any]]:
    return [rows.station, rows.minute, rows.part, rows.available]


def _by_cell(rows: CountRows, good: Int, interval: int) -> Int | None:
    """The good rows by station, minute and part, without sorting: each is put into the cell of its own.

    None where two rows have one cell, or where too few of the cells would be filled.
    """
    if not len(good):
        return good
    step = rows.minute[good] // interval
    first, parts = int(step.min()), len(rows.parts)
    span = int(step.max()) - first + 1
    cells = len(rows.stations) * span * parts
    if cells > _CELLS_PER_ROW * len(good):
        return None
    row_of = np.full(cells, -1, dtype=np.int64)
    row_of[(rows.station[good].astype(np.int64) * span + (step - first)) * parts + rows.part[good]] = good
    filled = row_of[row_of >= 0]
    return filled if len(filled) == len(good) else None


def _like_the_one_before(order: Int, columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    same = np.ones(len(order), dtype=bool)
    same[:1] = False
    for column in columns:
        ordered = column[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    return same
