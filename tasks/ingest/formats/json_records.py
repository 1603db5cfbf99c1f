"""Records of a JSON document as rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, column_list
from tasks.ingest.rejects import KEPT, FileProblem

MISSING = object()


@dataclass(frozen=True)
class UnequalLists:
    """A record whose lists cannot be unnested: they differ in length, or one is no list."""

    record: object


def read_json(origin: str, content: bytes) -> object:
    """A JSON document; NaN and Infinity, which some write into it, cost their record alone.

    Raises:
        FileProblem: if it is none, or nested too deep.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise FileProblem("unreadable_file", f"{origin} is JSON that is nested too deep") from None
    except UnicodeDecodeError:
        raise FileProblem("not_utf8", f"{origin} is not UTF-8 text") from None
    except ValueError as error:
        raise FileProblem("unreadable_file", f"{origin} is not JSON: {error}") from None


def at(document: object, path: str) -> object:
    """What stands at a dotted path; `MISSING` where nothing does. A key with dots in it comes first."""
    if isinstance(document, dict) and path in document:
        return document[path]
    here = document
    for step in path.split(".") if path else ():
        if not isinstance(here, dict) or step not in here:
            return MISSING
        here = here[step]
    return here


def find_records(origin: str, document: object, path: str) -> list[Any]:
    """The array of records; null counts as empty.

    Raises:
        FileProblem: if there is none at that path.
    """
    found = at(document, path)
    if isinstance(found, list):
        return found
    if found is None and path:
        return []
    where = f"at {path!r}" if path else "as a whole"
    if found is MISSING:
        fields = f"its fields are {column_list(list(document))}" if isinstance(document, dict) else "it is no object"
        raise FileProblem("missing_column", f"{origin} has nothing {where} ({fields}): correct records")
    hint = f"; its fields are {column_list(list(found))}" if isinstance(found, dict) else ""
    raise FileProblem(
        "missing_column", f'{origin} has no array {where}{hint}: write records = "..." with the path of the array'
    )


@dataclass(frozen=True)
class Records(Columns):
    """Rows of a JSON document, fields as text; see `Columns`. A line is a record's number, from 1."""

    names: Sequence[str]
    count: int
    length: int
    columns: dict[str, pa.Array]
    numbers: Int
    path: str
    content: bytes = field(repr=False)
    torn: list[tuple[int, str, str]]
    origin: str = ""
    lists: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, document: object, origin: str, content: bytes, path: str, wanted: Sequence[str], spare: Sequence[str] = ()
    ) -> Records:
        """The records at a path of a document, and of their fields the `wanted` and the `spare` ones.

        What is no object, or has an object or array where a value is wanted, is no row.

        Raises:
            FileProblem: if there is no array of records.
        """
        records = find_records(origin, document, path)
        numbers = [number for number, record in enumerate(records, 1) if isinstance(record, dict)]
        whole = [records[number - 1] for number in numbers]
        cells = {name: _cells(whole, name) for name in dict.fromkeys([*wanted, *spare])}
        odd = {row for name in wanted for row, cell in enumerate(cells[name]) if type(cell) in (dict, list)}
        if odd:
            numbers = [number for row, number in enumerate(numbers) if row not in odd]
            cells = {name: [c for row, c in enumerate(cell) if row not in odd] for name, cell in cells.items()}
        rows = set(numbers)
        torn = [_torn(number, record) for number, record in enumerate(records, 1) if number not in rows]
        columns = {name: _column(cell) for name, cell in cells.items() if any(c is not MISSING for c in cell)}
        names = list(dict.fromkeys([*columns, *_fields(records)]))
        order = np.array(numbers, dtype=np.int64)
        return cls(names, len(numbers), len(records), columns, order, path, content, torn, origin)

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.count

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """Some columns."""
        return pa.table([self.column(name) for name in columns], names=list(columns))

    def column(self, name: str) -> pa.Array:
        """One column, all null where no record has it.

        Raises:
            FileProblem: if its values are lists.
        """
        if name in self.lists:
            raise FileProblem(
                "wrong_type",
                f'{self.origin}: {name} holds lists: unnest = ["{name}"] makes a row of each of their items',
            )
        return self.columns[name] if name in self.columns else pa.nulls(self.rows, pa.string())

    def lines(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Numbers of the records."""
        return self.numbers[rows]

    def texts(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Array:
        """The records as compact JSON, read again from the document."""
        records = find_records("", read_json("", self.content), self.path)
        return pa.array([compact(records[number - 1]) for number in self.numbers[rows]], pa.string())

    def malformed_lines(self) -> Malformed:
        """What is no record."""
        return malformed_rows(self.torn)


def _torn(number: int, record: object) -> tuple[int, str, str]:
    """Number, reason and text of what is no row."""
    if isinstance(record, UnequalLists):
        return number, "unequal_lists", compact(record.record)
    return number, "not_a_record", compact(record)


def malformed_rows(torn: Sequence[tuple[int, str, str]]) -> Malformed:
    """Line, reason and text of what is no row, the first that are kept."""
    kept, more = torn[:KEPT], Counter(reason for _, reason, _ in torn[KEPT:])
    lines, reasons, texts = (list(column) for column in zip(*kept, strict=True)) if kept else ([], [], [])
    return Malformed(np.array(lines, dtype=np.int64), reasons, texts, dict(more))


def compact(record: object) -> str:
    """A record as JSON without spaces, in UTF-8 that can be written."""
    try:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "(nested too deep to show)"
    return _plain(text)


def _cells(records: list[dict[str, Any]], name: str) -> list[object]:
    """What stands at a dotted path of each record."""
    if "." not in name:
        return [record.get(name, MISSING) for record in records]
    return [at(record, name) for record in records]


def _text(value: object) -> str | None:
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is int:
        return repr(value)
    return None if value is None or value is MISSING or kind in (dict, list) else json.dumps(value)


def _column(cells: list[object]) -> pa.Array:
    texts = [_text(cell) for cell in cells]
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if text is None else _plain(text) for text in texts], pa.string())


def _plain(text: str) -> str:
    """Text without halves of surrogate pairs, which JSON can write and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _fields(records: list[Any]) -> list[str]:
    """Fields of the first record, for messages."""
    first = next((record for record in records if isinstance(record, dict)), {})
    return [str(name) for name in first]
