"""The inside of a file: CSV, Parquet, JSON or a workbook as columns that remember their lines."""

from __future__ import annotations

from tasks.ingest.formats.binary_kinds import PARQUET, check_kind, is_json
from tasks.ingest.formats.columns import Columns, Malformed, column_list
from tasks.ingest.formats.csv_file import read_csv
from tasks.ingest.formats.json_file import read_json_file
from tasks.ingest.formats.parquet_file import read_parquet
from tasks.ingest.formats.workbook import is_sheet_file, read_workbook
from tasks.ingest.limits import MAX_BYTES
from tasks.settings.shapes import AS_IT_IS, FileShape

__all__ = ["Columns", "Malformed", "column_list", "decode"]


def decode(origin: str, content: bytes, limit: int = MAX_BYTES, shape: FileShape = AS_IT_IS) -> Columns:
    """Rows of a file, by its first bytes.

    Args:
        origin: what to call it.
        content: all of it.
        limit: bytes that its rows may take.
        shape: how its text is laid out.

    Raises:
        FileProblem: if it is neither Parquet nor UTF-8 text with a header, or larger inside than `limit`.
    """
    if content.startswith(PARQUET):
        return read_parquet(origin, content, limit, shape.unnest)
    if is_sheet_file(content):
        return read_workbook(origin, content, limit, shape)
    if is_json(content):
        return read_json_file(origin, content, limit, shape)
    check_kind(origin, content)
    return read_csv(origin, content, limit, shape)
