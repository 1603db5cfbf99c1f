"""Diff a restated input against what its key stated before; statements that were removed become zeros."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.statements import UNKNOWN, Statements, concatenate
from tasks.tables.schemas import NOT_KNOWN

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Latest:
    """Latest statement per cell, a cell being one (station, minute, part).

    Attributes:
        cells: numbers of the cells, ascending [cell].
        values: latest count [target, cell].
        valid: whether a count was ever stated [target, cell].
        first, last: first and last availability, microseconds [cell].
    """

    cells: Int
    values: npt.NDArray[np.integer]
    valid: Flags
    first: Int
    last: Int

    def find(self, cells: Int) -> tuple[Int, Flags]:
        """Position of each cell (any where it is not there), and whether it is there."""
        if not len(self.cells):
            return np.zeros(len(cells), dtype=np.int64), np.zeros(len(cells), dtype=bool)
        position = np.minimum(np.searchsorted(self.cells, cells), len(self.cells) - 1)
        return position, self.cells[position] == cells


@dataclass(frozen=True)
class _Comparison:
    """New rows against the latest statements of their cells [row].

    Attributes:
        same: the counts were stated before.
        earlier: they are known earlier than any statement before, or there is none.
        behind: they are known before the last statement, and would lose against it.
    """

    same: Flags
    earlier: Flags
    behind: Flags


def changes(new: Statements, base: Statements, derived: Flags, now: int) -> Statements:
    """Rows that must be written so that the fold states what `new` states.

    Args:
        new: complete statements, availability filled in.
        base: earlier statements about these minutes and parts, in order of availability and receipt.
        derived: which of `new` have an availability that the source did not give.
        now: microseconds; when a correction counts as known that would otherwise lose against what it corrects.
    """
    if not len(base):
        return new
    both = concatenate(base, new)
    cells, rows = _cells(both), len(base)
    latest = _latest(base, cells[:rows])
    compared = _compare(new, cells[rows:], latest, derived)
    # Where the source states when a row was known, a row is new unless it was stated as known at that very moment.
    moments = np.unique(both.available)
    exact = cells * len(moments) + np.searchsorted(moments, both.available)
    repeated = _compare(new, exact[rows:], _latest(base, exact[:rows]), ~derived).same
    keep = np.where(derived, ~compared.same | compared.earlier, ~repeated)
    behind = derived & ~compared.same & compared.behind
    if not behind.any():
        return new.take(keep)
    # A correction may not sort before what it corrects, or the fold would ignore it.
    position, _ = latest.find(cells[rows:][behind])
    corrected = replace(new.take(behind), available=np.maximum(now, latest.last[position]))
    return concatenate(new.take(keep), corrected)


def zero_removed_rows(new: Statements, base: Statements) -> Statements:
    """Zeros for cells in which `base` counted people and that `new` does not state; availability unknown."""
    cells = _cells(concatenate(base, new))
    latest = _latest(base, cells[: len(base)])
    removed = ~np.isin(latest.cells, cells[len(base) :]) & (latest.valid & (latest.values != 0)).any(axis=0)
    _, first = np.unique(cells[: len(base)], return_index=True)
    rows = base.take(first[removed])
    return replace(
        rows,
        values=np.zeros_like(rows.values),
        valid=latest.valid[:, removed],
        available=np.full(len(rows), UNKNOWN),
    )


def blank_all_rows(base: Statements) -> Statements:
    """Each cell of `base` as not known; availability unknown."""
    _, first = np.unique(_cells(base), return_index=True)
    rows = base.take(first)
    unknown, valid = np.full_like(rows.values, NOT_KNOWN), np.ones_like(rows.valid)
    return replace(rows, values=unknown, valid=valid, available=np.full(len(rows), UNKNOWN))


def _compare(new: Statements, cells: Int, latest: _Latest, wanted: Flags) -> _Comparison:
    """Compare new rows with the latest statements of their cells, unless no row is wanted."""
    if not wanted.any() or not len(latest.cells):
        no, yes = np.zeros(len(new), dtype=bool), np.ones(len(new), dtype=bool)
        return _Comparison(no, yes, no)
    position, found = latest.find(cells)
    equal = latest.valid[:, position] & (latest.values[:, position] == new.values)
    return _Comparison(
        same=found & (equal | ~new.valid).all(axis=0),
        earlier=~found | (new.available < latest.first[position]),
        behind=found & (new.available < latest.last[position]),
    )


def _cells(rows: Statements) -> Int:
    """One number per (station, minute, part)."""
    minute = rows.minute - rows.minute.min() if len(rows) else rows.minute
    minutes = int(minute.max()) + 1 if len(rows) else 1
    return (rows.station.astype(np.int64) * max(len(rows.parts), 1) + rows.part) * minutes + minute


def _latest(base: Statements, cells: Int) -> _Latest:
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]) if len(ordered) else np.zeros(0, dtype=bool))
    if not len(starts):
        nothing = np.zeros(0, dtype=np.int64)
        return _Latest(nothing, base.values, base.valid, nothing, nothing)
    valid = base.valid[:, order]
    newest = np.maximum.reduceat(np.where(valid, np.arange(len(order)), -1), starts, axis=1)
    values = np.take_along_axis(base.values[:, order], np.maximum(newest, 0), axis=1)
    available = base.available[order]
    return _Latest(
        ordered[starts],
        np.where(newest >= 0, values, 0),
        newest >= 0,
        np.minimum.reduceat(available, starts),
        np.maximum.reduceat(available, starts),
    )
