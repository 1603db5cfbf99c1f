"""Rows that were refused: why, and the table that keeps them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks import tables
from tasks.errors import SourceError
from tasks.store import Store

ROW_REASONS = (
    "missing_station",
    "bad_time",
    "nonexistent_local_time",
    "off_grid",
    "in_future",
    "missing_count",
    "not_a_number",
    "negative",
    "absurd",
    "not_whole",
    "duplicate_row",
    "superseded_in_file",
    "duplicate_event",
    "unfinished",
    "wrong_number_of_fields",
    "not_a_record",
    "not_utf8",
    "unsafe_name",
    "name_of_total",
)
FILE_REASONS = (
    "unreadable_file",
    "empty_file",
    "not_utf8",
    "missing_column",
    "wrong_type",
    "line_too_long",
    "too_many_columns",
    "too_large",
    "span_too_long",
    "bad_reply",
)
TEXT_LENGTH = 500
_RECENT_DATES = 60
KEPT = 100_000
"""Refused rows of an origin that are kept with their text; all are counted."""
_SCHEMA = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("text", pa.string())])


@dataclass(frozen=True)
class Reject:
    """One row that was refused: where it stood, why, and what it said."""

    source: str
    origin: str
    line: int
    reason: str
    text: str


class FileProblem(SourceError):
    """A file that cannot be used at all; `reason` is one of `FILE_REASONS`."""

    def __init__(self, reason: str, line: str) -> None:
        super().__init__(line)
        self.reason = reason


class Verdicts:
    """The first reason found against each of `count` rows; rows may also be set aside without one."""

    def __init__(self, count: int) -> None:
        self.codes: npt.NDArray[np.int8] = np.full(count, -1, dtype=np.int8)
        self.aside: npt.NDArray[np.bool_] = np.zeros(count, dtype=bool)

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Rows that nothing speaks against."""
        return (self.codes < 0) & ~self.aside

    @property
    def refused(self) -> npt.NDArray[np.int64]:
        """Positions of the rows with a reason, ascending."""
        return np.flatnonzero(self.codes >= 0)

    def refuse(self, where: npt.NDArray[np.bool_], reason: str) -> None:
        """Refuse the rows of a mask that are good so far."""
        if where.any():
            self.codes[where & self.good] = ROW_REASONS.index(reason)

    def refuse_rows(self, rows: npt.NDArray[np.int64], reason: str) -> None:
        """Refuse some rows by position, good ones all."""
        self.codes[rows] = ROW_REASONS.index(reason)

    def has(self, reason: str) -> npt.NDArray[np.bool_]:
        """Which rows were refused for that reason."""
        return np.asarray(self.codes == ROW_REASONS.index(reason))

    def set_aside(self, where: npt.NDArray[np.bool_]) -> None:
        """Leave out rows that nobody asked for."""
        self.aside |= where & (self.codes < 0)

    def pardon(self, where: npt.NDArray[np.bool_]) -> None:
        """Set refused rows aside after all."""
        self.codes[where] = -1
        self.aside |= where

    def reasons(self, rows: npt.NDArray[np.int64]) -> pa.Array:
        """Reason of each of these refused rows."""
        codes = pa.array(self.codes[rows].astype(np.int32))
        return pa.DictionaryArray.from_arrays(codes, pa.array(ROW_REASONS)).cast(pa.string())

    def counts(self, rows: npt.NDArray[np.int64]) -> dict[str, int]:
        """How many of these refused rows have each reason."""
        many = np.bincount(self.codes[rows], minlength=len(ROW_REASONS))
        return {reason: int(n) for reason, n in zip(ROW_REASONS, many, strict=True) if n}


class Rejects(Sequence[Reject]):
    """Refused rows of one origin: the first `KEPT` by line, held as a table of line, reason and text.

    Attributes:
        beyond: how many more there were, by reason.
    """

    def __init__(
        self, source: str, origin: str, table: pa.Table | None = None, beyond: Mapping[str, int] | None = None
    ) -> None:
        self.source, self.origin = source, origin
        self.table = _SCHEMA.empty_table() if table is None else table
        self.beyond = dict(beyond or {})

    @classmethod
    def of(
        cls,
        source: str,
        origin: str,
        lines: object,
        reasons: object,
        texts: object,
        beyond: Mapping[str, int] | None = None,
    ) -> Rejects:
        """From three columns of equal length; texts are cut to `TEXT_LENGTH` characters."""
        cut = pc.utf8_slice_codeunits(pa.array(texts, pa.string()), 0, TEXT_LENGTH)
        columns = [pa.array(lines, pa.int64()), pa.array(reasons, pa.string()), cut]
        return cls(source, origin, pa.Table.from_arrays(columns, schema=_SCHEMA), beyond)

    @classmethod
    def listed(cls, source: str, origin: str, rejects: Sequence[Reject]) -> Rejects:
        """From any sequence of rejects of that origin."""
        if isinstance(rejects, cls):
            return rejects
        lines, reasons, texts = ([getattr(r, name) for r in rejects] for name in _SCHEMA.names)
        return cls.of(source, origin, lines, reasons, texts)

    def joined(self, other: Rejects) -> Rejects:
        """Both, by line, as many as are kept."""
        whole = pa.concat_tables([self.table, other.table]).sort_by("line")
        beyond = Counter(self.beyond) + Counter(other.beyond) + Counter(_counts(whole[KEPT:]))
        return Rejects(self.source, self.origin, whole[:KEPT], beyond)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Reject: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reject]: ...
    def __getitem__(self, index: int | slice) -> Reject | list[Reject]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row = self.table.slice(index % len(self), 1).to_pylist()[0]
        return Reject(self.source, self.origin, row["line"], row["reason"], row["text"])

    def __iter__(self) -> Iterator[Reject]:
        for batch in self.table.to_batches(max_chunksize=4096):
            for row in batch.to_pylist():
                yield Reject(self.source, self.origin, row["line"], row["reason"], row["text"])

    def counts(self) -> dict[str, int]:
        """How many of each reason, kept or not."""
        return dict(Counter(_counts(self.table)) + Counter(self.beyond))


def _counts(table: pa.Table) -> dict[str, int]:
    return {str(row["values"]): int(row["counts"]) for row in pc.value_counts(table["reason"]).to_pylist()}


def write_rejects(
    store: Store, rejects: Rejects, received_at: np.datetime64, known: Sequence[str], adds: bool = False
) -> list[str]:
    """Keep the rejects that the files `known` do not hold yet.

    Args:
        store: the data root.
        rejects: all that stand refused; those that came anew where it `adds`.
        received_at: when.
        known: files of those that stood before.
        adds: the earlier ones stand too.

    Returns:
        The files that together hold those that stand, and no other: such of `known`, and the one written.
    """
    held = [path for path in known if store.exists(path) and (adds or _all_stand(store, path, rejects))]
    fresh = _less(rejects, store.read_tables(held, tables.REJECTS))
    if not len(fresh):
        return held
    path = _place(store, _name(fresh), str(received_at.astype("datetime64[D]")))
    if not store.exists(path):
        store.write_table(path, _as_table(fresh, received_at))
    return [*held, path] if path not in held else held


def _place(store: Store, name: str, day: str) -> str:
    """File of some rejects: where a run that was cut off put it, lately or before midnight; else that of the day."""
    dates = [day, *(date for date in reversed(store.partitions("rejects")) if date != day)][:_RECENT_DATES]
    paths = [f"rejects/received_date={date}/{name}.parquet" for date in dates]
    return next((path for path in paths if store.exists(path)), paths[0])


def _all_stand(store: Store, path: str, rejects: Rejects) -> bool:
    kept = store.read_tables([path], tables.REJECTS).select(_SCHEMA.names).cast(_SCHEMA)
    return bool(kept.join(rejects.table, _SCHEMA.names, join_type="left anti").num_rows == 0)


def _less(rejects: Rejects, held: pa.Table) -> Rejects:
    """Those that are not held yet: same line, reason and text are the same reject."""
    if not held.num_rows or not len(rejects):
        return rejects
    seen = held.select(_SCHEMA.names).cast(_SCHEMA)
    fresh = rejects.table.join(seen, _SCHEMA.names, join_type="left anti").sort_by("line")
    return Rejects(rejects.source, rejects.origin, fresh.select(_SCHEMA.names))


def _as_table(rejects: Rejects, received_at: np.datetime64) -> pa.Table:
    count, table = len(rejects), rejects.table
    same = np.zeros(count, dtype=np.int32)
    columns = [
        tables.name_array(same, [rejects.source]),
        tables.name_array(same, [rejects.origin]),
        table["line"],
        table["reason"].dictionary_encode().cast(tables.NAME),
        table["text"],
        tables.time_array(np.full(count, received_at.astype("datetime64[us]"))),
    ]
    return pa.Table.from_arrays(columns, schema=tables.REJECTS)


def _name(rejects: Rejects) -> str:
    digest = hashlib.sha256(f"{rejects.source}\n{rejects.origin}\n".encode())
    for batch in rejects.table.to_batches(max_chunksize=65_536):
        for column in batch.columns:
            digest.update("\n".join(map(str, column.to_pylist())).encode())
    return digest.hexdigest()[:24]
