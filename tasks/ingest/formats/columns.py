"""Rows of a file as columns that remember their lines, whatever the file was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.ingest.limits import RAISE
from tasks.ingest.rejects import TEXT_LENGTH, FileProblem
from tasks.tables.schemas import one_array

MAX_COLUMNS = 5_000
ROW_BYTES = 32
"""Bytes that a row counts for at the least, however small it is stored."""
_SHOWN = 12


@dataclass(frozen=True)
class Malformed:
    """What was no row, ascending by line: the first `KEPT`, and how many more by reason."""

    lines: Int = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    reasons: Sequence[str] = ()
    texts: Sequence[str] = ()
    beyond: Mapping[str, int] = field(default_factory=dict)


class Columns(ABC):
    """A file's rows."""

    names: Sequence[str]

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many there are."""

    @abstractmethod
    def column(self, name: str) -> pa.Array:
        """One column, in one piece."""

    @abstractmethod
    def frame(self, columns: Sequence[str]) -> pa.Table:
        """What tells rows apart, in the order of the file: all columns of CSV, of Parquet those of `columns`."""

    @abstractmethod
    def lines(self, rows: Int) -> Int:
        """Line of each of these rows as an editor counts them; for Parquet the row, from 1."""

    @abstractmethod
    def malformed_lines(self) -> Malformed:
        """What has too many or too few fields to be a row, or is not UTF-8."""

    def texts(self, rows: Int, columns: Sequence[str]) -> pa.Array:
        """Values of each of these rows, see `frame`, joined by commas; long ones are cut."""
        return _join_columns(self.frame(columns).take(pa.array(rows)))

    def as_written(self) -> Columns:
        """The same rows with their values as text, exactly as the file has them."""
        return self

    def cells(self, rows: Int) -> list[list[str]]:
        """Text of all columns of these rows, a list each; blank what has no text form."""
        columns = [self._cells(name, pa.array(rows)) for name in self.names]
        return [list(row) for row in zip(*columns, strict=True)]

    def _cells(self, name: str, rows: pa.Array) -> list[str]:
        try:
            text = as_text(self.column(name).take(rows))
        except FileProblem:
            text = None
        return [""] * len(rows) if text is None else text.to_pylist()

    def split(self, text: str) -> list[str]:
        """Fields of a line that was no row."""
        return [text]

    def unreadable(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows in which a value of these columns is no text in the file's encoding."""
        return np.zeros(self.rows, dtype=bool)

    def repeats(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows equal to one before them, see `frame`."""
        frame = self.frame(columns)
        table = frame.rename_columns([str(i) for i in range(frame.num_columns)])
        numbered = table.append_column("row", pa.array(np.arange(self.rows)))
        first = numbered.group_by(table.column_names).aggregate([("row", "min")])["row_min"]
        again = np.ones(self.rows, dtype=bool)
        again[first.to_numpy()] = False
        return again


class NoRows(Columns):
    """Columns of a file of which no row was read yet."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    @property
    def rows(self) -> int:
        """None."""
        return 0

    def column(self, name: str) -> pa.Array:
        """Nothing."""
        return pa.array([], pa.string())

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """Nothing of these columns."""
        return pa.table([self.column(name) for name in columns], names=list(columns))

    def lines(self, rows: Int) -> Int:
        """Nothing."""
        return np.zeros(0, dtype=np.int64)

    def malformed_lines(self) -> Malformed:
        """Nothing."""
        return Malformed()


def check_rows(origin: str, rows: int, limit: int) -> None:
    """Whether a file of at most `limit` bytes may have so many rows.

    Raises:
        FileProblem: if not.
    """
    if rows > max(limit // ROW_BYTES, 1):
        raise FileProblem("too_large", f"{origin} has {rows:,} rows, more than {limit // ROW_BYTES:,}: {RAISE}")


def check_columns(origin: str, count: int) -> None:
    """Whether a file may have so many columns.

    Raises:
        FileProblem: if not.
    """
    if count > MAX_COLUMNS:
        raise FileProblem(
            "too_many_columns", f"{origin} has {count:,} columns, more than {MAX_COLUMNS:,}: leave some out"
        )


def column_list(names: Sequence[str]) -> str:
    """Columns that a file has, for a message."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:40] for name in names[:_SHOWN]) + more


def as_text(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """A column as text, blank for null; None where its values have no text form."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if pa.types.is_floating(plain.type):  # 7.0 is 7, as it is where numbers are names
        whole = pc.and_(pc.equal(plain, pc.floor(plain)), pc.less(pc.abs(plain), 2.0**63))
        digits = pc.if_else(whole, plain, None).cast(pa.int64(), safe=False).cast(pa.string())
        return pc.fill_null(pc.coalesce(digits, plain.cast(pa.string())), "")
    try:
        return pc.fill_null(plain.cast(pa.string()), "")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _join_columns(table: pa.Table) -> pa.Array:
    shown = []
    for column in table.columns:
        text = as_text(cut_texts(column))
        if text is not None:
            shown.append(text)
    return pc.binary_join_element_wise(*shown, ",") if shown else pa.nulls(table.num_rows, pa.string()).fill_null("")


def cut_texts(column: pa.Array) -> pa.Array:
    """Text no longer than a reject keeps, before anything is made of it; else the column as it is."""
    column = one_array(column)
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, cut_texts(column.dictionary))
    return pc.utf8_slice_codeunits(column, 0, TEXT_LENGTH) if pa.types.is_string(column.type) else column
