"""The inside of a file: CSV or Parquet as columns that remember their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from tasks.ingest.rejects import FileProblem

MAX_ROWS = 200_000_000
_SHOWN = 12


class Decoded(Protocol):
    """A file's rows."""

    @property
    def names(self) -> Sequence[str]:
        """Columns in their order."""

    @property
    def rows(self) -> int:
        """How many rows there are."""

    def column(self, name: str) -> pa.Array:
        """One column, in one piece."""

    def lines(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Line of each of these rows as an editor counts them; for Parquet the row, from 1."""

    def texts(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Array:
        """Values of each of these rows, joined by commas: all for CSV, those of `columns` for Parquet."""

    def repeats(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows equal to one before them: in all columns for CSV, in those of `columns` for Parquet."""

    def malformed(self) -> list[tuple[int, str, str]]:
        """Line, reason and text of what is no row, such as a line of too many fields."""


def decode(origin: str, content: bytes) -> Decoded:
    """Rows of a file, by its first bytes.

    Raises:
        FileProblem: if it is neither Parquet nor UTF-8 text with a header.
    """
    return _parquet(origin, content) if content.startswith(b"PAR1") else _csv(origin, content)


def column_list(names: Sequence[str]) -> str:
    """Columns that a file has, for a message."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:40] for name in names[:_SHOWN]) + more


@dataclass(frozen=True)
class _Parquet:
    origin: str
    names: Sequence[str]
    rows: int
    file: pq.ParquetFile

    def column(self, name: str) -> pa.Array:
        try:
            whole = self.file.read(columns=[name])[name].combine_chunks()
        except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise FileProblem(
                "unreadable_file", f"{self.origin} is a damaged Parquet file: column {name}: {_line(error)}"
            ) from None
        return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole

    def lines(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return rows + 1

    def texts(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Array:
        return _joined([self.column(name).take(pa.array(rows)) for name in columns])

    def repeats(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        return repeated(pa.table({name: self.column(name) for name in columns}))

    def malformed(self) -> list[tuple[int, str, str]]:
        return []


def _parquet(origin: str, content: bytes) -> Decoded:
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
    except (OSError, pa.ArrowInvalid) as error:
        raise FileProblem("unreadable_file", f"{origin} is a damaged Parquet file: {_line(error)}") from None
    rows = int(file.metadata.num_rows)
    if rows > MAX_ROWS:
        raise FileProblem("too_large", f"{origin} has {rows:,} rows, more than {MAX_ROWS:,}: split it")
    return _Parquet(origin, file.schema_arrow.names, rows, file)


@dataclass(frozen=True)
class _Csv:
    origin: str
    names: Sequence[str]
    table: pa.Table
    numbers: npt.NDArray[np.int64]  # record of each row, the header being 1
    torn: list[tuple[int, str]]

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.Array:
        whole = self.table.column(self.names.index(name)).combine_chunks()
        return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole

    def lines(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self.numbers[rows] + self._breaks()[rows]

    def _breaks(self) -> npt.NDArray[np.int64]:
        """Line breaks inside values ahead of each row; the last entry is for what follows them all."""
        breaks = np.zeros(self.rows + 1, dtype=np.int64)
        for column in self.table.columns:
            breaks[1:] += np.asarray(pc.count_substring(column, "\n").to_numpy(), dtype=np.int64)
        return np.cumsum(breaks)

    def texts(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Array:
        taken = self.table.take(pa.array(rows))
        return _joined([column.combine_chunks() for column in taken.columns])

    def repeats(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        return repeated(self.table)

    def malformed(self) -> list[tuple[int, str, str]]:
        if not self.torn:
            return []
        after = np.searchsorted(self.numbers, [number for number, _ in self.torn])
        breaks = self._breaks()[after]
        return [
            (number + int(ahead), "wrong_number_of_fields", text)
            for (number, text), ahead in zip(self.torn, breaks, strict=True)
        ]


def _csv(origin: str, content: bytes) -> Decoded:
    names, delimiter = _header(origin, content)
    content = content if b"\n" in content else content + b"\n"
    torn: list[tuple[int, str]] = []

    def skip(row: pacsv.InvalidRow) -> str:
        torn.append((int(row.number), str(row.text)))
        return "skip"

    try:
        table = pacsv.read_csv(
            pa.BufferReader(content),
            read_options=pacsv.ReadOptions(
                use_threads=False, column_names=[str(i) for i in range(len(names))], skip_rows=1
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={str(i): pa.string() for i in range(len(names))}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _csv_problem(origin, _line(error)) from None
    return _without_blanks(origin, content, names, table, torn)


def _header(origin: str, content: bytes) -> tuple[list[str], str]:
    """Column names, trimmed, and the delimiter: the likeliest of comma, semicolon, tab and bar."""
    first = content.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    try:
        line = first.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError:
        raise _csv_problem(origin, "invalid UTF8 data") from None
    if "\x00" in line:
        raise _csv_problem(origin, "invalid UTF8 data")
    import csv

    delimiter = max(",;\t|", key=line.count)
    names = next(csv.reader([line], delimiter=delimiter), [])
    return [name.strip() for name in names], delimiter


def _without_blanks(
    origin: str, content: bytes, names: list[str], table: pa.Table, torn: list[tuple[int, str]]
) -> Decoded:
    records = np.arange(2, 2 + table.num_rows + len(torn), dtype=np.int64)
    numbers = np.setdiff1d(records, np.array([number for number, _ in torn], dtype=np.int64), assume_unique=True)
    blank = np.ones(table.num_rows, dtype=bool)
    for column in table.columns:
        if not blank.any():
            break
        blank &= np.asarray(pc.equal(column, "").to_numpy(), dtype=bool)
    if _never_closed(content, table, torn):
        raise FileProblem("unreadable_file", f"{origin} has a quote that is never closed: mend the file")
    return _Csv(origin, names, table.filter(pa.array(~blank)), numbers[~blank], torn)


def _never_closed(content: bytes, table: pa.Table, torn: list[tuple[int, str]]) -> bool:
    """Whether an open quote swallowed the rest of the file into one value."""
    if content.count(b'"') % 2 == 0:
        return False
    last = [column[-1].as_py() for column in table.columns] if table.num_rows else []
    return any("\n" in text for text in [*last, *(text for _, text in torn)])


def _csv_problem(origin: str, why: str) -> FileProblem:
    if "UTF8" in why:
        return FileProblem("not_utf8", f"{origin} is not UTF-8 text: save it as UTF-8, gzip or Parquet")
    return FileProblem("unreadable_file", f"{origin} cannot be read as CSV: {why}")


def repeated(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Rows equal to one before them."""
    numbered = table.append_column("row number", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(table.column_names).aggregate([("row number", "min")])["row number_min"]
    again = np.ones(table.num_rows, dtype=bool)
    again[first.to_numpy()] = False
    return again


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    """Values of each row, joined by commas; what has no text form is left out."""
    shown = []
    for column in columns:
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        try:
            shown.append(pc.fill_null(plain.cast(pa.string()), ""))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return pc.binary_join_element_wise(*shown, ",") if shown else pa.array([], pa.string())


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
