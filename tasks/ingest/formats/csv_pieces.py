"""CSV in pieces, each cut at the end of a record: typed where every value of it is plain, as text elsewhere."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed
from tasks.ingest.formats.csv_file import count_byte, parse_records, read_typed
from tasks.ingest.formats.csv_layout import Layout
from tasks.ingest.formats.cut_records import cut_records
from tasks.ingest.formats.encodings import is_utf8, to_utf8
from tasks.ingest.prefetch import map_ahead
from tasks.ingest.rejects import FileProblem, PiecesProblem
from tasks.tables.schemas import one_array

_OFFSET = re.compile(r"(?:Z|[+-]\d{2}(?::?\d{2})?)$", re.IGNORECASE)
_DAY, _FIRST = 86_400, 1000
_BLOCK, _AROUND = 1 << 17, 3  # bytes looked at together, which stay in the processor's cache; and those on either side


@dataclass(frozen=True)
class PlainColumns:
    """Columns of a file that are read, by how they may be parsed at once.

    A column is one of them only.

    Attributes:
        time: ISO 8601; None where times have another form, and nothing is to be parsed at once.
        counts: whole numbers.
        texts: anything.
    """

    time: str | None = None
    counts: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CsvRecords:
    """Records of a file that follow one another, not parsed yet.

    Attributes:
        origin: the file.
        content: the records, and in the first piece what stands above them.
        layout: of the piece.
        plain: columns that may be parsed at once.
    """

    origin: str
    content: bytes
    layout: Layout
    plain: PlainColumns

    def parse(self) -> CsvPiece:
        """Parse them, in whatever way their values need."""
        typed = self._parse_typed()
        return CsvPiece(self, typed, self.parse_text() if typed is None else None)

    def parse_text(self) -> Columns:
        """All columns as text.

        Raises:
            PiecesProblem: if they cannot be read without the rest of the file.
        """
        try:
            text, sound = to_utf8(self.origin, self.content, None, 4 * len(self.content))
            return parse_records(self.origin, text, self.layout, sound)
        except FileProblem as problem:
            raise PiecesProblem(str(problem)) from None

    def count_lines(self, typed: pa.Table | None) -> int:
        """Lines, of which `typed` has one per row where none has a quote."""
        if typed is not None and not self._has_quotes():
            return int(typed.num_rows) + self.layout.above
        bare = self.content.count(b"\r") - self.content.count(b"\r\n") if b"\r" in self.content else 0
        return count_byte(self.content, b"\n") + bare

    def _has_quotes(self) -> bool:
        """Whether there is a quote below the header."""
        return self.content.find(b'"', _rows_start(self.content, self.layout.above)) >= 0

    def _parse_typed(self) -> pa.Table | None:
        """The columns that are read by their types; None where a value needs a closer look."""
        plain, names = self.plain, self.layout.names
        start = _rows_start(self.content, self.layout.above)
        if (
            plain.time is None
            or plain.time not in names
            or len(set(names)) < len(names)
            or _has_hexadecimals(self.content, start)
        ):
            return None
        kinds = dict.fromkeys(plain.texts, pa.dictionary(pa.int32(), pa.string()))
        kinds |= dict.fromkeys(plain.counts, pa.int32())
        first = _first_time(self, plain.time)
        kinds[plain.time] = pa.timestamp("us" if "." in first else "s", "UTC" if _OFFSET.search(first[10:]) else None)
        kinds = {name: kind for name, kind in kinds.items() if name in names}
        if not is_utf8(self.content) or _has_bare_hours(self.content):
            return None
        table = read_typed(self.content, self.layout, kinds, quoted=self._has_quotes())
        return table if table is not None and table.num_rows and _has_hours(table[plain.time]) else None


@dataclass(frozen=True)
class CsvPiece(Columns):
    """Records of a file that follow one another; see `Columns`.

    Attributes:
        records: as they are in the file.
        typed: columns that are read by their types; None where all are text.
        text: all columns as text; None where that was not needed yet.
        before: lines of the file before them.
    """

    records: CsvRecords
    typed: pa.Table | None
    text: Columns | None
    before: int = 0

    @property
    def names(self) -> Sequence[str]:  # type: ignore[override]
        """Columns of the file."""
        return self.records.layout.names

    @cached_property
    def line_count(self) -> int:
        """Lines of the piece."""
        return self.records.count_lines(self.typed)

    @cached_property
    def _text(self) -> Columns:
        """All columns as text."""
        return self.records.parse_text() if self.text is None else self.text

    @property
    def rows(self) -> int:
        """How many there are."""
        return self._text.rows if self.typed is None else int(self.typed.num_rows)

    def column(self, name: str) -> pa.Array:
        """One column."""
        if self.typed is None or name not in self.typed.column_names:
            return self._text.column(name)
        return one_array(self.typed[name])

    def as_written(self) -> Columns:
        """The piece as text."""
        return replace(self, typed=None, text=self._text)

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """All columns as text."""
        return self._text.frame(columns)

    def lines(self, rows: Int) -> Int:
        """Lines of the file."""
        return self._text.lines(rows) + self.before

    def texts(self, rows: Int, columns: Sequence[str]) -> pa.Array:
        """Values of rows as text."""
        return self._text.texts(rows, columns)

    def cells(self, rows: Int) -> list[list[str]]:
        """Values of rows as text."""
        return self._text.cells(rows)

    def split(self, text: str) -> list[str]:
        """Fields of a line that was no row."""
        return self._text.split(text)

    def unreadable(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows in which a value is no text."""
        return np.zeros(self.rows, dtype=bool) if self.typed is not None else self._text.unreadable(columns)

    def repeats(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows equal to one before them in the piece."""
        return self._text.repeats(columns)

    def malformed_lines(self) -> Malformed:
        """What is no row."""
        if self.typed is not None:
            return Malformed()
        torn = self._text.malformed_lines()
        return Malformed(torn.lines + self.before, torn.reasons, torn.texts, torn.beyond)


def _first_time(piece: CsvRecords, time: str) -> str:
    """The first time of a piece; blank where its row has none."""
    begin = piece.content[: 1 << 16].decode("utf-8", "replace").splitlines()
    row = next(csv.reader(begin[piece.layout.above :][:1], delimiter=piece.layout.delimiter), [])
    place = list(piece.layout.names).index(time)
    return row[place] if place < len(row) else ""


def _rows_start(content: bytes, above: int) -> int:
    """Where the first row begins, below so many lines; 0 where their ends are not plain."""
    start = 0
    for _ in range(above):
        start = content.find(b"\n", start) + 1
    return start if b"\r" not in content[:start] else 0


def _has_hexadecimals(content: bytes, start: int) -> bool:
    """Whether there may be a number such as 0x1F, which pyarrow reads, from a place on."""
    return any(content.find(mark[1:], start) >= 0 and content.find(mark, start) >= 0 for mark in (b"0x", b"0X"))


def _has_bare_hours(content: bytes) -> bool:
    """Whether there is a date with an hour and no minutes, which pyarrow reads: 2024-05-10 05-06 may be an interval."""
    data = np.frombuffer(content if content.endswith(b"\n") else content + b"\n", dtype=np.uint8)
    starts = range(0, max(len(data) - _AROUND, 0), _BLOCK)
    blocks = [data[max(start - _AROUND, 0) : start + _BLOCK + _AROUND] for start in starts]
    return any(_has_bare_hour(block, ord(mark)) for mark in (b"T", b" ") if mark in content for block in blocks)


def _has_bare_hour(data: npt.NDArray[np.uint8], mark: int) -> bool:
    """The same of a few bytes, but for the first `_AROUND`; a `mark` stands between date and hour."""
    marks = data[:-_AROUND] == mark
    marks &= data[_AROUND:] != ord(":")
    if not marks.any():
        return False
    places = np.flatnonzero(marks)
    places = places[places >= _AROUND]
    around = [data[places + step] - ord("0") < 10 for step in (-2, -1, 1, 2)]  # unsigned: what is below wraps
    return bool(np.any(np.logical_and.reduce([*around, data[places - _AROUND] == ord("-")])))


def _has_hours(times: pa.ChunkedArray) -> bool:
    """Whether every time is given, and not all of them are midnight, which may be dates without an hour."""
    if times.null_count:
        return False
    day = _DAY if times.type.unit == "s" else _DAY * 1_000_000
    return any((some.cast(pa.int64()).to_numpy() % day).any() for some in (times[:_FIRST], times))


def pieces_of(origin: str, content: Iterable[bytes], layout: Layout, plain: PlainColumns) -> Iterator[CsvPiece]:
    """Pieces of a file, the next ones parsed while one is used.

    Args:
        origin: what to call it.
        content: cut anywhere.
        layout: of the file.
        plain: columns that may be parsed at once.

    Raises:
        PiecesProblem: if it cannot be read in pieces.
    """
    below = layout.without_header()
    cut = (
        CsvRecords(origin, records, below if number else layout, plain)
        for number, records in enumerate(cut_records(content, layout))
    )
    before = 0
    for piece in map_ahead(CsvRecords.parse, cut):
        yield replace(piece, before=before)
        before += piece.line_count
