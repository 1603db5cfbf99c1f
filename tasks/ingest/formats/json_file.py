"""JSON in files: an array of records, or a record per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, check_columns, check_rows
from tasks.ingest.formats.encodings import to_utf8
from tasks.ingest.formats.json_records import Records, find_records, malformed_rows, read_json
from tasks.ingest.limits import too_large
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
    document = _lines(content) if lined else read_json(origin, content)
    path = "" if lined else shape.records
    records = [record for record in find_records(origin, document, path) if isinstance(record, dict)]
    check_rows(origin, len(records), limit)
    kind = _RecordLines if lined else Records
    return kind.of(document, origin, content, path, (), _fields(origin, records))


def is_lines(content: bytes) -> bool:
    """Whether the first line is a whole object, and not all that there is of an object with an array in it."""
    first, _, rest = content.lstrip().partition(b"\n")
    try:
        whole = first.startswith(b"{") and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False
    return whole and (bool(rest.strip()) or b"[" not in first)


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


def _lines(content: bytes) -> list[Any]:
    """What each line says; None where it is no JSON."""
    return [_line(line) for line in content.split(b"\n")]


def _line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _fields(origin: str, records: Sequence[dict[str, Any]]) -> list[str]:
    """Dotted paths of all values that the records have.

    Raises:
        FileProblem: if there are too many.
    """
    names = dict[str, None]()
    for record in records:
        names |= dict.fromkeys(_paths(record, "", _DEEPEST))
        check_columns(origin, len(names))
    return list(names)


def _paths(record: dict[str, Any], before: str, deeper: int) -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{before}{name}.", deeper - 1) if deeper else ()
        else:
            yield f"{before}{name}"
