"""Parse CSV into columns of text. Malformed rows are left out and reported."""

from __future__ import annotations

import codecs
import csv
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, check_rows
from tasks.ingest.limits import LONGEST_LINE, line_too_long
from tasks.ingest.rejects import KEPT, TEXT_LENGTH, FileProblem
from tasks.tables.schemas import one_array

MAX_COLUMNS = 5_000
_CHUNK = 1 << 22
_BOM = b"\xef\xbb\xbf"
_CODED = pa.dictionary(pa.int32(), pa.string())
_FIELDS, _UTF8 = "wrong_number_of_fields", "not_utf8"
_BAD = "\N{REPLACEMENT CHARACTER}"


@dataclass
class _Strays:
    """Records that are no rows, the header being record 1: their numbers, and of each reason the first texts.

    Attributes:
        sound: whether the file is UTF-8; where it is not, a text with the replacement character was none.
        broken: whether a record that is no row has a line break.
    """

    sound: bool
    broken: bool = False
    numbers: array[int] = field(default_factory=lambda: array("q"))
    kept: list[tuple[int, str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, reason: str, text: str) -> None:
        self.counts[reason] += 1
        if self.counts[reason] <= KEPT:
            self.kept.append((number, reason, text[:TEXT_LENGTH]))

    def skip(self, row: pacsv.InvalidRow) -> str:
        """As pyarrow asks for it."""
        text = str(row.text)
        self.broken |= "\n" in text
        self.numbers.append(int(row.number))
        self.add(int(row.number), _FIELDS if self.sound or _BAD not in text else _UTF8, text)
        return "skip"

    def beyond(self) -> dict[str, int]:
        """How many have no text here, by reason."""
        return {reason: many - KEPT for reason, many in self.counts.items() if many > KEPT}


@dataclass(frozen=True)
class _Csv(Columns):
    names: Sequence[str]
    delimiter: str
    table: pa.Table
    numbers: Int  # record of each row, the header being 1
    strays: _Strays

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.Array:
        column = self.table.column(self.names.index(name))
        if not pa.types.is_dictionary(column.type):
            return one_array(column)
        distinct = sum(len(chunk.dictionary) for chunk in column.chunks)
        # one dictionary of mostly distinct values, such as ids, takes ten times as long as their text
        return one_array(column if 2 * distinct <= len(column) else column.cast(pa.string()))

    def frame(self, columns: Sequence[str]) -> pa.Table:
        return pa.table([column.cast(pa.string()) for column in self.table.columns], names=self.table.column_names)

    def cells(self, rows: Int) -> list[list[str]]:
        taken = [column.to_pylist() for column in self.frame(self.names).take(pa.array(rows)).columns]
        return [list(row) for row in zip(*taken, strict=True)]

    def split(self, text: str) -> list[str]:
        return next(csv.reader([text], delimiter=self.delimiter), [])

    def lines(self, rows: Int) -> Int:
        return np.asarray(self.numbers[rows] + self._breaks()[rows])

    def _breaks(self) -> Int:
        """Line breaks inside values ahead of each row; the last entry is for what follows them all."""
        breaks = np.zeros(self.rows + 1, dtype=np.int64)
        for column in self.table.columns:
            breaks[1:] += _of_values(column, lambda values: pc.count_substring(values, "\n"))
        return np.cumsum(breaks)

    def malformed(self) -> Malformed:
        if not (kept := sorted(self.strays.kept)):
            return Malformed()
        numbers = np.array([number for number, _, _ in kept], dtype=np.int64)
        lines = numbers + self._breaks()[np.searchsorted(self.numbers, numbers)]
        return Malformed(lines, [why for _, why, _ in kept], [text for _, _, text in kept], self.strays.beyond())


def read_csv(origin: str, content: bytes, limit: int) -> Columns:
    """Rows of CSV text, UTF-8, with a header; the delimiter is told by that.

    Raises:
        FileProblem: if it has no such header, too many columns or rows, or an endless line.
    """
    names, delimiter = _header(origin, content)
    if len(names) > MAX_COLUMNS:
        raise FileProblem(
            "too_many_columns", f"{origin} has {len(names):,} columns, more than {MAX_COLUMNS:,}: leave some out"
        )
    check_rows(origin, max(_count(content, b"\n"), _count(content, b"\r")), limit)
    content = content if b"\n" in content or b"\r" in content else content + b"\n"
    strays = _Strays(_is_utf8(content))
    content = content if strays.sound else _mended(content)
    table = _parse(origin, content, len(names), delimiter, strays)
    if _never_closed(content, table, strays):
        raise FileProblem("unreadable_file", f"{origin} has a quote that is never closed: mend the file")
    return _rows(names, delimiter, table, strays)


def _parse(origin: str, content: bytes, columns: int, delimiter: str, strays: _Strays) -> pa.Table:
    """Columns of text: dictionary-encoded in threads, or plain in one thread where rows are malformed."""
    if strays.sound:
        try:
            return _read_table(content, columns, delimiter, None)
        except pa.ArrowInvalid:  # only one thread can tell which row it is
            pass
    try:
        return _read_table(content, columns, delimiter, strays)
    except pa.ArrowInvalid as error:
        if "straddl" in str(error):
            raise line_too_long(origin, _long_line(content)) from None
        raise _problem(origin, (str(error).splitlines() or [""])[0]) from None


def _read_table(content: bytes, columns: int, delimiter: str, strays: _Strays | None) -> pa.Table:
    """The table as pyarrow parses it; malformed rows go to `strays`.

    Raises:
        ArrowInvalid: if a line is too long, or a row is malformed and there are no `strays`.
    """
    named = [str(i) for i in range(columns)]
    kind, threads = (_CODED, len(content) > _CHUNK) if strays is None else (pa.string(), False)
    return pacsv.read_csv(
        pa.BufferReader(content),
        read_options=pacsv.ReadOptions(use_threads=threads, column_names=named, skip_rows=1, block_size=LONGEST_LINE),
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=None if strays is None else strays.skip,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(named, kind), strings_can_be_null=False, check_utf8=False
        ),
    )


def _header(origin: str, content: bytes) -> tuple[list[str], str]:
    """Column names, trimmed, and the delimiter: the likeliest of comma, semicolon, tab and bar."""
    start = content[: LONGEST_LINE + len(_BOM)].removeprefix(_BOM).replace(b"\r", b"\n")
    first, ended, _ = start.partition(b"\n")
    if not ended and len(content) > LONGEST_LINE:
        raise line_too_long(origin, 1)
    try:
        line = first.decode("utf-8")
        if "\x00" in line:
            raise _not_text(origin)
        delimiter = max(",;\t|", key=line.count)
        names = next(csv.reader([line], delimiter=delimiter), [])
    except UnicodeDecodeError:
        raise _not_text(origin) from None
    except csv.Error as error:
        raise _problem(origin, str(error)) from None
    return [name.strip() for name in names], delimiter


def _count(content: bytes, byte: bytes) -> int:
    """How often a byte occurs; `bytes.count` takes five times as long where it occurs often."""
    if byte not in content:
        return 0
    data, wanted = np.frombuffer(content, dtype=np.uint8), ord(byte)
    return sum(int(np.count_nonzero(data[i : i + _CHUNK] == wanted)) for i in range(0, len(data), _CHUNK))


def _is_utf8(content: bytes) -> bool:
    edges = pa.py_buffer(np.array([0, len(content)], dtype=np.int64))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, edges, pa.py_buffer(content)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _mended(content: bytes) -> bytes:
    """With the replacement character for what is not UTF-8; line ends stay where they are."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    view = memoryview(content)
    pieces = (decoder.decode(view[i : i + _CHUNK]).encode() for i in range(0, len(content), _CHUNK))
    return b"".join([*pieces, decoder.decode(b"", final=True).encode()])


def _rows(names: list[str], delimiter: str, table: pa.Table, strays: _Strays) -> Columns:
    """Without blank lines, and without the rows that are not UTF-8."""
    records = np.arange(2, 2 + table.num_rows + len(strays.numbers), dtype=np.int64)
    torn = np.frombuffer(strays.numbers, dtype=np.int64) if strays.numbers else records[:0]
    numbers = np.setdiff1d(records, torn, assume_unique=True) if len(torn) else records
    leave_out = np.ones(table.num_rows, dtype=bool)
    for column in table.columns:
        if not leave_out.any():
            break
        leave_out &= _of_values(column, lambda values: pc.equal(values, "")).astype(bool)
    if not strays.sound:
        leave_out |= _set_aside(table, numbers, strays)
    if not leave_out.any():
        return _Csv(names, delimiter, table, numbers, strays)
    return _Csv(names, delimiter, table.filter(pa.array(~leave_out)), numbers[~leave_out], strays)


def _set_aside(table: pa.Table, numbers: Int, strays: _Strays) -> npt.NDArray[np.bool_]:
    """Which rows are not UTF-8; they go to the strays."""
    bad = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        bad |= _flags(pc.match_substring(column, _BAD))
    rows = np.flatnonzero(bad)
    shown = pc.binary_join_element_wise(*(c.combine_chunks() for c in table.take(pa.array(rows[:KEPT])).columns), ",")
    for number, text in zip(numbers[rows[:KEPT]].tolist(), shown.to_pylist(), strict=True):
        strays.add(number, _UTF8, text)
    strays.counts[_UTF8] += max(len(rows) - KEPT, 0)
    return bad


def _of_values(column: pa.ChunkedArray, function: Callable[[pa.Array], pa.Array]) -> npt.NDArray[Any]:
    """What a function of text gives per row, computed once per distinct value where those are encoded."""
    results = [np.zeros(0, dtype=np.int64)]
    for chunk in column.chunks:
        coded = pa.types.is_dictionary(chunk.type)
        values = np.asarray(function(chunk.dictionary if coded else chunk).to_numpy(zero_copy_only=False))
        results.append(values[chunk.indices.to_numpy()] if coded else values)
    return np.concatenate(results)


def _flags(mask: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.to_numpy(), dtype=bool)


def _never_closed(content: bytes, table: pa.Table, strays: _Strays) -> bool:
    """Whether an open quote swallowed the rest of the file into one value."""
    if _count(content, b'"') % 2 == 0:
        return False
    last = [column[-1].as_py() for column in table.columns] if table.num_rows else []
    return strays.broken or any("\n" in text for text in last)


def _long_line(content: bytes) -> int | None:
    """Number of the first line that is too long; None where a value with line breaks is."""
    data, last, number = np.frombuffer(content, dtype=np.uint8), -1, 1
    for start in range(0, len(data), _CHUNK):
        ends = np.flatnonzero(data[start : start + _CHUNK] == ord("\n")) + start
        long = np.flatnonzero(np.diff(np.append(last, ends)) > LONGEST_LINE)
        if len(long):
            return number + int(long[0])
        number, last = number + len(ends), int(ends[-1]) if len(ends) else last
    return number if len(data) - last > LONGEST_LINE else None


def _not_text(origin: str) -> FileProblem:
    return FileProblem("not_utf8", f"{origin} is not UTF-8 text: save it as UTF-8, gzip or Parquet")


def _problem(origin: str, why: str) -> FileProblem:
    return FileProblem("unreadable_file", f"{origin} cannot be read as CSV: {why}")
