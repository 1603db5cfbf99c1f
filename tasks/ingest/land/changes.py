"""A key that says something new: only what changed is written, and what it says no more becomes zero."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.statements import UNKNOWN, Statements, concatenate

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Standing:
    """What was said last, by key ascending; first and last moments of availability, in microseconds."""

    keys: Int
    values: npt.NDArray[np.int32]
    valid: Flags
    first: Int
    last: Int

    def at(self, keys: Int) -> tuple[Int, Flags]:
        """Position of each key (any where it is not there), and whether it is there."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return place, self.keys[place] == keys


def changes(new: Statements, base: Statements, derived: Flags, now: int) -> Statements:
    """Rows that must be written so that the fold says what `new` says.

    Args:
        new: complete statements, availability filled in.
        base: what was said before about these minutes and parts, in order of availability and receipt.
        derived: which of `new` have an availability that the source did not give.
        now: microseconds; when a correction counts as known that would otherwise stay behind what it corrects.
    """
    if not len(base):
        return new
    whole = concatenate(base, new)
    keys = _keys(whole)
    before, after = keys[: len(base)], keys[len(base) :]
    now_said = _untold(new, after, _standing(base, before), derived)
    moments = np.unique(whole.available)
    exact = keys * len(moments) + np.searchsorted(moments, whole.available)
    given = _untold(new, exact[len(base) :], _standing(base, exact[: len(base)]), ~derived)
    same, early, behind = now_said
    keep = np.where(derived, ~same | early, ~given[0])
    late = derived & ~same & behind
    if not late.any():
        return new.take(keep)
    place, _ = _standing(base, before).at(after[late])
    again = np.maximum(now, _standing(base, before).last[place])
    return concatenate(new.take(keep), replace(new.take(late), available=again))


def silenced(new: Statements, base: Statements) -> Statements:
    """Zeros for what `base` counted people at and `new` does not mention; availability unknown."""
    whole = concatenate(base, new)
    keys = _keys(whole)
    standing = _standing(base, keys[: len(base)])
    gone = ~np.isin(standing.keys, keys[len(base) :]) & (standing.valid & (standing.values != 0)).any(axis=0)
    _, first = np.unique(keys[: len(base)], return_index=True)
    rows = base.take(first[gone])
    return replace(
        rows,
        values=np.zeros_like(rows.values),
        valid=standing.valid[:, gone],
        available=np.full(len(rows), UNKNOWN),
    )


def _untold(new: Statements, keys: Int, standing: _Standing, rows: Flags) -> tuple[Flags, Flags, Flags]:
    """Of each new row: whether it was said already, is known earlier than before, or comes behind what was said."""
    if not rows.any() or not len(standing.keys):
        return tuple(np.full(len(new), v) for v in (False, True, False))  # type: ignore[return-value]
    place, there = standing.at(keys)
    equal = standing.valid[:, place] & (standing.values[:, place] == new.values)
    same = there & (equal | ~new.valid).all(axis=0)
    early = ~there | (new.available < standing.first[place])
    return same, early, there & (new.available < standing.last[place])


def _keys(rows: Statements) -> Int:
    """One number to each (station, minute, part)."""
    minute = rows.minute - rows.minute.min() if len(rows) else rows.minute
    span = int(minute.max()) + 1 if len(rows) else 1
    return (rows.station.astype(np.int64) * max(len(rows.parts), 1) + rows.part) * span + minute


def _standing(base: Statements, keys: Int) -> _Standing:
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]) if len(ordered) else np.zeros(0, dtype=bool))
    if not len(starts):
        nothing = np.zeros(0, dtype=np.int64)
        return _Standing(nothing, base.values, base.valid, nothing, nothing)
    valid = base.valid[:, order]
    newest = np.maximum.reduceat(np.where(valid, np.arange(len(order)), -1), starts, axis=1)
    values = np.take_along_axis(base.values[:, order], np.maximum(newest, 0), axis=1)
    available = base.available[order]
    return _Standing(
        ordered[starts],
        np.where(newest >= 0, values, 0),
        newest >= 0,
        np.minimum.reduceat(available, starts),
        np.maximum.reduceat(available, starts),
    )
