"""JSON in files: arrays of records or of rows, a record per line, and lists of which each item is a row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, check_columns, check_rows
from tasks.ingest.formats.encodings import to_utf8
from tasks.ingest.formats.json_records import Records, at, find_records, malformed_rows, read_json
from tasks.ingest.formats.unnest import unnest_records
from tasks.ingest.limits import too_large
from tasks.ingest.rejects import FileProblem
from tasks.settings.shapes import FileShape

LARGEST_FILE = 128 << 20
"""Bytes of a JSON file, which is held whole, each value by itself."""
_DEEPEST = 8


def read_json_file(origin: str, content: bytes, limit: int, shape: FileShape) -> Columns:
    """Records of a file as rows; fields within fields are called by their dotted path.

    Raises:
        FileProblem: if it is no JSON, has no array of records, or is too large.
    """
    content, _ = to_utf8(origin, content, shape.encoding, limit)
    content = content.removeprefix(b"\xef\xbb\xbf")
    if len(content) > min(limit, LARGEST_FILE):
        raise too_large(origin, min(limit, LARGEST_FILE))
    lined = is_lines(content)
    document = json_lines(content) if lined else read_json(origin, content)
    path = "" if lined else shape.records
    records = _records_at(origin, document, path, shape)
    made = shape.unnest or any(isinstance(record, list) for record in records)
    if made:
        named = _name_values(origin, records, shape.header)
        document, path = unnest_records(origin, named, shape.unnest) if shape.unnest else named, ""
        records = find_records(origin, document, path)
    records = [record for record in records if isinstance(record, dict)]
    check_rows(origin, len(records), limit)
    kind = _MadeRecords if made else _RecordLines if lined else Records
    fields, lists = _fields(origin, records)
    rows = kind.of(document, origin, content, path, (), fields)
    return replace(rows, names=[*rows.names, *(name for name in lists if name not in rows.names)], lists=lists)


def is_lines(content: bytes) -> bool:
    """Whether the first line is a whole object, and not all that there is of an object with an array in it."""
    first, _, rest = content.lstrip().partition(b"\n")
    try:
        whole = first.startswith(b"{") and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False
    return whole and (bool(rest.strip()) or b"[" not in first)


def _records_at(origin: str, document: object, path: str, shape: FileShape) -> list[Any]:
    """The array of records; an object that has lists to be unnested is one itself."""
    found = at(document, path)
    return [found] if shape.unnest and isinstance(found, dict) else find_records(origin, document, path)


def _name_values(origin: str, records: Sequence[Any], header: Sequence[str]) -> list[Any]:
    """Rows that are lists of values as records, by the names of a header or of a first row of text.

    Raises:
        FileProblem: if they have no names.
    """
    first = next((record for record in records if isinstance(record, list)), None)
    if first is None:
        return list(records)
    is_named = all(isinstance(name, str) and name for name in first) and len({*first}) == len(first) > 0
    names = list(header) or (first if is_named else [])
    if not names:
        raise FileProblem("missing_column", f"{origin} has rows without names of their values: name them in header")
    rest = records if header else [record for record in records if record is not first]
    return [
        dict(zip(names, row, strict=True)) if isinstance(row, list) and len(row) == len(names) else row for row in rest
    ]


class _MadeRecords(Records):
    """Records that are made of those of the file; see `Columns`."""

    def texts(self, rows: Int, columns: Sequence[str]) -> pa.Array:
        """Values of each of these rows."""
        return Columns.texts(self, rows, columns)


class _RecordLines(Records):
    """Records of which each is a line; see `Columns`."""

    def texts(self, rows: Int, columns: Sequence[str]) -> pa.Array:
        """The lines as they stand in the file."""
        lines = self.content.split(b"\n")
        shown = [lines[number - 1].decode("utf-8", "replace").strip() for number in self.numbers[rows]]
        return pa.array(shown, pa.string())

    def malformed_lines(self) -> Malformed:
        """Lines that are no object; blank ones are nothing."""
        lines = self.content.split(b"\n")
        shown = [(number, why, lines[number - 1].decode("utf-8", "replace").strip()) for number, why, _ in self.torn]
        return malformed_rows([(number, why, text) for number, why, text in shown if text])


def json_lines(content: bytes) -> list[Any]:
    """What each line says; None where it is no JSON."""
    return [_line(line) for line in content.split(b"\n")]


def _line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _fields(origin: str, records: Sequence[dict[str, Any]]) -> tuple[list[str], frozenset[str]]:
    """Dotted paths of all values that the records have, and of those that are lists wherever they are given.

    Raises:
        FileProblem: if there are too many.
    """
    values, lists = dict[str, bool](), set[str]()
    for record in records:
        for name, value in _paths(record, "", _DEEPEST):
            if isinstance(value, list):
                lists.add(name)
                values.setdefault(name, False)
            else:
                values[name] = values.get(name, False) or value is not None
        check_columns(origin, len(values))
    only = frozenset(name for name in lists if not values[name])
    return [name for name in values if name not in only], only


def _paths(record: dict[str, Any], before: str, deeper: int) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{before}{name}.", deeper - 1) if deeper else ()
        else:
            yield f"{before}{name}", value
