"""Parse CSV into columns of text. Malformed rows are left out and reported."""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, check_columns, check_rows
from tasks.ingest.formats.csv_layout import Layout, find_layout, without_footer
from tasks.ingest.formats.encodings import UNREADABLE, to_utf8
from tasks.ingest.formats.fixed_width import blanks_to_tabs
from tasks.ingest.limits import LONGEST_LINE, line_too_long
from tasks.ingest.rejects import KEPT, TEXT_LENGTH, FileProblem
from tasks.settings.shapes import AS_IT_IS, FileShape
from tasks.tables.schemas import one_array

_CHUNK = 1 << 22
_BLOCK = 1 << 17  # bytes that stay in the processor's cache
_CODED = pa.dictionary(pa.int32(), pa.string())
_FIELDS, _UTF8 = "wrong_number_of_fields", "not_utf8"


@dataclass
class _Strays:
    """Records that are no rows, counted from the top: their numbers, and of each reason the first texts.

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
        self.add(int(row.number), _FIELDS if self.sound or UNREADABLE not in text else _UTF8, text)
        return "skip"

    def beyond(self) -> dict[str, int]:
        """How many have no text here, by reason."""
        return {reason: many - KEPT for reason, many in self.counts.items() if many > KEPT}


@dataclass(frozen=True)
class _Csv(Columns):
    layout: Layout
    table: pa.Table
    numbers: Int  # record of each row, counted from the top
    strays: _Strays

    @property
    def names(self) -> Sequence[str]:  # type: ignore[override]
        return self.layout.names

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
        return text.split() if self.layout.blanks else next(csv.reader([text], delimiter=self.layout.delimiter), [])

    def unreadable(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        bad = np.zeros(self.rows, dtype=bool)
        for name in () if self.strays.sound else columns:
            column = self.table.column(self.names.index(name))
            bad |= _of_values(column, lambda values: pc.match_substring(values, UNREADABLE)).astype(bool)
        return bad

    def lines(self, rows: Int) -> Int:
        return np.asarray(self.numbers[rows] + self._breaks()[rows])

    def _breaks(self) -> Int:
        """Line breaks inside values ahead of each row; the last entry is for what follows them all."""
        breaks = np.zeros(self.rows + 1, dtype=np.int64)
        for column in self.table.columns:
            breaks[1:] += _of_values(column, lambda values: pc.count_substring(values, "\n"))
        return np.cumsum(breaks)

    def malformed_lines(self) -> Malformed:
        if not (kept := sorted(self.strays.kept)):
            return Malformed()
        numbers = np.array([number for number, _, _ in kept], dtype=np.int64)
        lines = numbers + self._breaks()[np.searchsorted(self.numbers, numbers)]
        return Malformed(lines, [why for _, why, _ in kept], [text for _, _, text in kept], self.strays.beyond())


def read_csv(origin: str, content: bytes, limit: int, shape: FileShape = AS_IT_IS) -> Columns:
    """Rows of CSV text; what its shape does not say is found from its header.

    Raises:
        FileProblem: if it has no such header, too many columns or rows, or an endless line.
    """
    content, sound = to_utf8(origin, content, shape.encoding, limit)
    layout = find_layout(origin, content, shape, sound)
    check_columns(origin, len(layout.names))
    check_rows(origin, max(count_byte(content, b"\n"), count_byte(content, b"\r")), limit)
    content = without_footer(content, shape.skip_footer)
    content = content if b"\n" in content or b"\r" in content else content + b"\n"
    content = blanks_to_tabs(content, layout.rule, layout.above) if layout.blanks else content
    return parse_records(origin, content, layout, sound)


def parse_records(origin: str, content: bytes, layout: Layout, sound: bool) -> Columns:
    """Rows of text of a known layout; `sound` tells whether all of it was text.

    Raises:
        FileProblem: if a line or a quote does not end.
    """
    strays = _Strays(sound)
    table = _parse(origin, content, layout, strays)
    if layout.has_quotes and _quote_swallows_rest(content, table, strays):
        raise FileProblem("unreadable_file", f"{origin} has a quote that is never closed: mend the file")
    return _rows(layout, table, strays)


def read_typed(
    content: bytes, layout: Layout, kinds: Mapping[str, pa.DataType], quoted: bool = True
) -> pa.Table | None:
    """Some columns by their types, blank numbers and times as null; None where a value or a row is not of that form.

    Rows without quotes are parsed as one block in the present thread, so that each column is one array.

    Args:
        content: rows, and what stands above them.
        layout: of the content.
        kinds: column -> type.
        quoted: whether rows may have quotes.
    """
    places = {str(layout.names.index(name)): kind for name, kind in kinds.items()}
    convert = pacsv.ConvertOptions(
        column_types=places,
        include_columns=list(places),
        null_values=[""],
        strings_can_be_null=False,
        check_utf8=False,
    )
    read, parse = _read_options(content, layout, True), _parse_options(layout, None)
    if not quoted and _has_short_lines(content):
        read.use_threads, read.block_size, parse.newlines_in_values = False, max(len(content), LONGEST_LINE), False
    try:
        table = pacsv.read_csv(pa.BufferReader(content), read, parse, convert)
    except pa.ArrowInvalid:
        return None
    return table.rename_columns(list(kinds))


def _has_short_lines(content: bytes) -> bool:
    """Whether every line is sure to be shorter than `LONGEST_LINE`; pyarrow tells it in blocks of that size alone."""
    step = LONGEST_LINE // 2
    return all(content.find(b"\n", start, start + step) >= 0 for start in range(0, len(content) - step, step))


def _parse(origin: str, content: bytes, layout: Layout, strays: _Strays) -> pa.Table:
    """Columns of text: dictionary-encoded in threads, or plain in one thread where rows are malformed."""
    if strays.sound:
        try:
            return _read_table(content, layout, None)
        except pa.ArrowInvalid:  # only one thread can tell which row it is
            pass
    try:
        return _read_table(content, layout, strays)
    except pa.ArrowInvalid as error:
        if "straddl" in str(error):
            raise line_too_long(origin, _long_line(content)) from None
        raise _problem(origin, (str(error).splitlines() or [""])[0]) from None


def _read_table(content: bytes, layout: Layout, strays: _Strays | None) -> pa.Table:
    """The table as pyarrow parses it; malformed rows go to `strays`.

    Raises:
        ArrowInvalid: if a line is too long, or a row is malformed and there are no `strays`.
    """
    kind, threads = (_CODED, len(content) > _CHUNK) if strays is None else (pa.string(), False)
    read = _read_options(content, layout, threads)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(read.column_names, kind), strings_can_be_null=False, check_utf8=False
    )
    return pacsv.read_csv(pa.BufferReader(content), read, _parse_options(layout, strays), convert)


def _read_options(content: bytes, layout: Layout, threads: bool) -> pacsv.ReadOptions:
    named = [str(i) for i in range(len(layout.names))]
    return pacsv.ReadOptions(use_threads=threads, column_names=named, skip_rows=layout.above, block_size=LONGEST_LINE)


def _parse_options(layout: Layout, strays: _Strays | None) -> pacsv.ParseOptions:
    return pacsv.ParseOptions(
        delimiter=layout.delimiter,
        quote_char='"' if layout.has_quotes else False,
        newlines_in_values=layout.has_quotes,
        ignore_empty_lines=False,
        invalid_row_handler=None if strays is None else strays.skip,
    )


def count_byte(content: bytes, byte: bytes) -> int:
    """How often a byte occurs; `bytes.count` takes five times as long where it occurs often."""
    if byte not in content:
        return 0
    data, wanted = np.frombuffer(content, dtype=np.uint8), ord(byte)
    return sum(int(np.count_nonzero(data[i : i + _BLOCK] == wanted)) for i in range(0, len(data), _BLOCK))


def _rows(layout: Layout, table: pa.Table, strays: _Strays) -> Columns:
    """Without blank lines."""
    records = np.arange(1, 1 + table.num_rows + len(strays.numbers), dtype=np.int64) + layout.above
    torn = np.frombuffer(strays.numbers, dtype=np.int64) if strays.numbers else records[:0]
    numbers = np.setdiff1d(records, torn, assume_unique=True) if len(torn) else records
    blank = np.ones(table.num_rows, dtype=bool)
    for column in table.columns:
        if not blank.any():
            return _Csv(layout, table, numbers, strays)
        blank &= _of_values(column, lambda values: pc.equal(values, "")).astype(bool)
    return _Csv(layout, table.filter(pa.array(~blank)), numbers[~blank], strays)


def _of_values(column: pa.ChunkedArray, function: Callable[[pa.Array], pa.Array]) -> npt.NDArray[Any]:
    """What a function of text gives per row, computed once per distinct value where those are encoded."""
    results = [np.zeros(0, dtype=np.int64)]
    for chunk in column.chunks:
        coded = pa.types.is_dictionary(chunk.type)
        values = np.asarray(function(chunk.dictionary if coded else chunk).to_numpy(zero_copy_only=False))
        results.append(values[chunk.indices.to_numpy()] if coded else values)
    return np.concatenate(results)


def _quote_swallows_rest(content: bytes, table: pa.Table, strays: _Strays) -> bool:
    """Whether an open quote swallowed the rest of the file into one value."""
    if count_byte(content, b'"') % 2 == 0:
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


def _problem(origin: str, why: str) -> FileProblem:
    return FileProblem("unreadable_file", f"{origin} cannot be read as CSV: {why}")
