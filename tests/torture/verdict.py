"""What a data root holds, and how two of them differ."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
from support.ingest_bench import Bench

Cells = dict[tuple[str, datetime], tuple[int | None, ...]]


@dataclass(frozen=True)
class Held:
    """Minute files, minutes as they were known at some moments, and rejects by source, file, line, reason and text.

    The minutes cell by cell are there where they are wanted, or where the files are not those expected.
    """

    files: dict[str, str]
    truth: Cells | None
    known: list[str]
    rejects: Counter[tuple[object, ...]]


@dataclass
class Difference:
    """People, cells and rejects that are missing, or there too often; other differences in words."""

    lost: int = 0
    doubled: int = 0
    notes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.notes)


def held(bench: Bench, moments: Sequence[np.datetime64], wanted: Held | None = None) -> Held:
    """Look at a data root."""
    files = {name: hashlib.sha256(data).hexdigest() for name, data in bench.minute_files().items()}
    known = [_digest(bench.minute_table(moment)) for moment in moments]
    same = wanted is not None and wanted.files == files
    return Held(files, None if same else bench.truth(), known, Counter(_rejects(bench)))


def _digest(table: pa.Table) -> str:
    """Of the rows of a minute table, however its names are coded."""
    digest = hashlib.sha256()
    for column in table.columns:
        plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column.cast(pa.int64())
        digest.update(repr(plain.to_pylist()).encode())
    return digest.hexdigest()


def _rejects(bench: Bench) -> list[tuple[object, ...]]:
    return [(r["source"], _tail(r["origin"]), r["line"], r["reason"], _tail(r["text"])) for r in bench.table("rejects")]


def _tail(text: str) -> str:
    """What follows the folder of the feed: every try has another one."""
    return text.rpartition("/feed/")[2]


def difference(wanted: Held, got: Held, torn: bool = False) -> Difference:
    """How what was got differs from what was wanted; a `torn` file may have been refused as a whole meanwhile."""
    out = Difference()
    if wanted.files != got.files:
        out.notes.append("minute files differ in bytes")
        for want, have in _cells(wanted.truth or {}, got.truth or {}):
            out.lost += max(want - have, 0)
            out.doubled += max(have - want, 0)
    out.lost += (wanted.rejects - got.rejects).total()
    extra = got.rejects - wanted.rejects
    # a file that was seen at several lengths was refused as a whole, and its rows as often as they came anew
    out.doubled += sum(n for row, n in extra.items() if not (torn and (row[2] == 0 or row in wanted.rejects)))
    if wanted.known != got.known:
        out.notes.append("what was known at a past moment differs")
    return out


def _cells(wanted: Cells, got: Cells) -> Iterator[tuple[int, int]]:
    """People of each cell in both, one more where it was observed, so that a zero can be missed too."""
    for key in wanted.keys() | got.keys():
        sides = wanted.get(key), got.get(key)
        width = len(sides[0] or sides[1] or ())
        for pair in zip(*(side or (None,) * width for side in sides), strict=True):
            want, have = (0 if count is None else count + 1 for count in pair)
            yield want, have
