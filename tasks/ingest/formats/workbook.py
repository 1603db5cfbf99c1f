"""Sheets of Excel workbooks (.xlsx) as columns: values as they were last computed, never a formula."""

from __future__ import annotations

import io
import re
import zipfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import IO, Any
from xml.parsers import expat

import numpy as np
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.binary_kinds import ZIP, is_workbook
from tasks.ingest.formats.columns import Columns, Malformed, check_columns, check_rows
from tasks.ingest.formats.header_rows import join_header
from tasks.ingest.limits import too_large
from tasks.ingest.rejects import FileProblem
from tasks.settings.shapes import FileShape

_PIECE = 20_000
_MOST_ROWS = 1 << 20
_LARGEST_RATIO, _SMALL = 300, 64 << 20
_HALF_SECOND = timedelta(microseconds=500_000)


def is_sheet_file(content: bytes) -> bool:
    """Whether a file is a workbook that can be read."""
    if not content.startswith(ZIP):
        return False
    try:
        return is_workbook(zipfile.ZipFile(io.BytesIO(content)).namelist())
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def read_workbook(origin: str, content: bytes, limit: int, shape: FileShape) -> Columns:
    """Rows of the first sheet of a workbook, or of those that its shape names.

    Raises:
        FileProblem: if it is damaged or larger inside than `limit`, or has no such sheet or no header; or if sheets
            that are read as one have different columns.
    """
    _check_size(origin, content, limit)
    try:
        sheets = _chosen_sheets(origin, content, shape)
        read = {title: _read_sheet(origin, sheet, limit, shape) for title, sheet in sheets.items()}
        return _join_sheets(origin, read) if "*" in (shape.sheet or "") else next(iter(read.values()))
    except FileProblem:
        raise
    except Exception as error:  # what a damaged workbook raises is no closed list
        message = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise FileProblem("unreadable_file", f"{origin} is a damaged workbook: {message}") from None


def _check_size(origin: str, content: bytes, limit: int) -> None:
    """Whether a workbook is as small inside as it must be, before any of it is unpacked."""
    inside = sum(info.file_size for info in zipfile.ZipFile(io.BytesIO(content)).infolist())
    if inside > limit or inside > max(_SMALL, _LARGEST_RATIO * len(content)):
        raise too_large(origin, min(limit, max(_SMALL, _LARGEST_RATIO * len(content))))


def first_rows(origin: str, content: bytes, limit: int, most: int) -> dict[str, list[Sequence[Any]]]:
    """The first rows of each sheet, by its title.

    Raises:
        FileProblem: if the workbook is damaged or larger inside than `limit`.
    """
    _check_size(origin, content, limit)
    try:
        return {title: list(_rows_of(sheet, most)) for title, sheet in _open_sheets(content).items()}
    except Exception as error:  # what a damaged workbook raises is no closed list
        raise FileProblem("unreadable_file", f"{origin} is a damaged workbook: {error}"[:300]) from None


def _open_sheets(content: bytes) -> dict[str, Any]:
    from openpyxl import load_workbook

    _check_no_doctype(content)
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    return {sheet.title: sheet for sheet in book.worksheets}


def _check_no_doctype(content: bytes) -> None:
    """Reject a workbook whose parts declare a document type, which is where entities are defined.

    Where lxml is installed openpyxl parses with it, and it would leave entities out without a word.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        for name in book.namelist():
            if name.endswith((".xml", ".rels")):
                with book.open(name) as part:
                    _check_prolog(name, part)


def _check_prolog(name: str, part: IO[bytes]) -> None:
    """Parse a part as far as its first element, before which a document type stands."""
    parser, begun = expat.ParserCreate(), False

    def reject(*_: object) -> None:
        raise ValueError(f"{name} declares a document type")

    def begin(*_: object) -> None:
        nonlocal begun
        begun = True

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = reject, begin
    while not begun and (head := part.read(4096)):
        parser.Parse(head, False)


def _rows_of(sheet: Any, most: int | None = None) -> Iterator[Sequence[Any]]:
    """Rows from the first line on, each as long as its last cell."""
    sheet.reset_dimensions()  # what a file says of its size need not be so
    yield from sheet.iter_rows(max_row=most, values_only=True)


def _chosen_sheets(origin: str, content: bytes, shape: FileShape) -> dict[str, Any]:
    """Sheets that are read, by title."""
    sheets = _open_sheets(content)
    wanted = shape.sheet or next(iter(sheets), "")
    chosen = {title: sheet for title, sheet in sheets.items() if title == wanted or fits_sheet(title, wanted)}
    if not chosen:
        raise FileProblem(
            "missing_column", f"{origin} has no sheet {wanted!r} (it has {', '.join(sheets)}): correct sheet"
        )
    if not shape.sheet:
        _check_alone(origin, sheets, wanted, shape.skip_rows)
    return chosen


def fits_sheet(title: str, wanted: str) -> bool:
    """Whether a title is one of those that a pattern with * names."""
    return "*" in wanted and re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), title, re.DOTALL) is not None


def _read_sheet(origin: str, sheet: Any, limit: int, shape: FileShape) -> _Sheet:
    rows = _Rows(origin, limit, _rows_of(sheet))
    return rows.read(list(shape.header) or rows.header(shape.skip_rows, shape.header_rows), shape)


def _join_sheets(origin: str, read: Mapping[str, _Sheet]) -> _Sheet:
    """Sheets of the same columns, one below the other, with their titles as column `sheet`; lines count on."""
    first, *others = read.items()
    for title, sheet in others:
        if list(sheet.names) != list(first[1].names):
            raise FileProblem(
                "missing_column",
                f"{origin}: sheets {first[0]!r} and {title!r} have different columns: write sheet so that it names "
                "those of the same columns, and a source for each of the others",
            )
    names = list(first[1].names)
    columns = [_column([_plain(sheet.columns[i]) for sheet in read.values()]) for i in range(len(names))]
    ends = np.cumsum([0, *(sheet.last_line for sheet in read.values())])
    lines = [sheet.numbers + end for sheet, end in zip(read.values(), ends, strict=False)]
    if "sheet" not in names:
        titles = [title for title, sheet in read.items() for _ in range(sheet.rows)]
        names, columns = [*names, "sheet"], [*columns, pa.array(titles, pa.string()).dictionary_encode()]
    return _Sheet(names, columns, np.concatenate(lines), int(ends[-1]))


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _check_alone(origin: str, sheets: dict[str, Any], title: str, skipped: int) -> None:
    """Whether no other sheet has the columns of the one that is read, since its rows would be missing."""
    heads = {each: list(_rows_of(sheet, skipped + 1))[skipped:] for each, sheet in sheets.items()}
    same = [each for each, head in heads.items() if each != title and any(map(any, head)) and head == heads[title]]
    if same:
        raise FileProblem(
            "missing_column",
            f"{origin} has several sheets of the same columns ({', '.join([title, *same])}): "
            f'write sheet = "{title}" to read one, or sheet = "*" to read all of them',
        )


class _Rows:
    """Rows as they come, counted so that no workbook holds more of them, or wider ones, than a file may."""

    def __init__(self, origin: str, limit: int, cells: Iterator[Sequence[Any]]) -> None:
        self._origin, self._limit, self._cells = origin, limit, cells
        self._line = self._seen = 0

    def header(self, skipped: int, count: int) -> list[str]:
        """Names of the columns: the first rows below those that are skipped that are not blank."""
        rows = list[list[str]]()
        while len(rows) < count and (row := self._next()) is not None:
            if self._line > skipped and any(cell is not None for cell in row):
                rows.append([_text(cell) or "" for cell in row])
        if rows:
            return rows[0] if count == 1 else join_header(rows)
        raise FileProblem("empty_file", f"{self._origin} has no row below the {skipped:,} of skip_rows: correct sheet")

    def read(self, names: list[str], shape: FileShape) -> _Sheet:
        """The rest, each row as wide as the header."""
        wide = len(names)
        pieces: list[list[pa.Array]] = [[] for _ in names]
        rows, lines = list[Sequence[Any]](), array("q")
        while (row := self._next()) is not None:
            if self._line <= shape.skip_rows or all(cell is None or cell == "" for cell in row):
                continue
            rows.append((*row[:wide], *(None,) * (wide - len(row))))
            lines.append(self._line)
            if len(rows) >= _PIECE:
                _flush(rows, pieces)
        _flush(rows, pieces)
        kept = max(len(lines) - shape.skip_footer, 0)
        columns = [_column(column).slice(0, kept) for column in pieces]
        return _Sheet(names, columns, np.array(lines[:kept], dtype=np.int64), self._line)

    def _next(self) -> Sequence[Any] | None:
        row = next(self._cells, None)
        if row is not None:
            self._line += 1
            self._seen += max(len(row), 1)
            check_columns(self._origin, len(row))
            if self._line > _MOST_ROWS:
                raise FileProblem("too_large", f"{self._origin} has more rows than a sheet has: save it again")
            check_rows(self._origin, self._seen // 8, self._limit)
        return row


@dataclass(frozen=True)
class _Sheet(Columns):
    """Rows of a sheet; see `Columns`. A line is a row's number in Excel; `last_line` is that of the last one."""

    names: Sequence[str]
    columns: Sequence[pa.Array]
    numbers: Int
    last_line: int

    @property
    def rows(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> pa.Array:
        return self.columns[self.names.index(name)]

    def frame(self, columns: Sequence[str]) -> pa.Table:
        return pa.table([self.column(name) for name in columns], names=list(columns))

    def lines(self, rows: Int) -> Int:
        return np.asarray(self.numbers[rows])

    def malformed_lines(self) -> Malformed:
        return Malformed()


def _flush(rows: list[Sequence[Any]], pieces: list[list[pa.Array]]) -> None:
    """Move rows into the columns, a piece each: times where all of them are, else text."""
    for column, cells in zip(pieces, zip(*rows, strict=True) if rows else (), strict=False):
        given = [cell for cell in cells if cell is not None]
        if given and all(isinstance(cell, datetime) for cell in given):
            column.append(pa.array([None if c is None else _second(c) for c in cells], pa.timestamp("s")))
        else:
            column.append(pa.array([_text(cell) for cell in cells], pa.string()))
    rows.clear()


def _column(pieces: list[pa.Array]) -> pa.Array:
    """A column of its pieces: of times where each of them has nothing else."""
    timed = [pa.types.is_timestamp(piece.type) or piece.null_count == len(piece) for piece in pieces]
    kind = pa.timestamp("s") if pieces and all(timed) and pa.types.is_timestamp(pieces[0].type) else pa.string()
    whole = pa.concat_arrays([piece.cast(kind) for piece in pieces]) if pieces else pa.nulls(0, pa.string())
    return whole.dictionary_encode() if pa.types.is_string(kind) else whole


def _second(moment: datetime) -> datetime:
    """The nearest second: Excel has times as fractions of a day."""
    return (moment + _HALF_SECOND).replace(microsecond=0)


def _text(cell: Any) -> str | None:
    """A cell as people see it, whatever its format."""
    if cell is None or isinstance(cell, str):
        return cell.strip() if cell else None
    if isinstance(cell, datetime):
        return _second(cell).isoformat(" ")
    if isinstance(cell, time):
        return _second(datetime.combine(date(2000, 1, 1), cell)).time().isoformat()
    if isinstance(cell, timedelta):
        seconds = round(cell.total_seconds())
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**63:
        return str(int(cell))
    return str(cell)
