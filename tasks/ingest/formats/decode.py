"""The inside of a file: CSV, Parquet or a workbook as columns that remember their lines."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.arrays import Int
from tasks.ingest.formats.binary_kinds import PARQUET, check_kind, is_json
from tasks.ingest.formats.columns import Columns, Malformed, check_columns, check_rows, column_list
from tasks.ingest.formats.csv_file import read_csv
from tasks.ingest.formats.json_file import read_json_file
from tasks.ingest.formats.workbook import is_sheet_file, read_workbook
from tasks.ingest.limits import MAX_BYTES, too_large
from tasks.ingest.rejects import FileProblem
from tasks.settings.shapes import AS_IT_IS, FileShape
from tasks.tables.schemas import one_array

__all__ = ["Columns", "Malformed", "column_list", "decode"]

_DEEPEST = 8
"""Structs within one another, of which the columns are named."""


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
        return _parquet(origin, content, limit)
    if is_sheet_file(content):
        return read_workbook(origin, content, limit, shape)
    if is_json(content):
        return read_json_file(origin, content, limit, shape)
    check_kind(origin, content)
    return read_csv(origin, content, limit, shape)


def parquet_part(stream: pa.NativeFile, rows: int) -> bytes | None:
    """Parquet with some rows of the beginning, the middle and the end of a file; None where it has no more than `rows`.

    Neither is there one where a copy would make other times of those of Spark (int96).

    Raises:
        ArrowException: if it is damaged.
    """
    file = pq.ParquetFile(stream)
    kinds = {file.schema.column(i).physical_type for i in range(len(file.schema))}
    if file.metadata.num_rows <= rows or "INT96" in kinds:
        return None
    groups = sorted({0, file.num_row_groups // 2, file.num_row_groups - 1})
    batches = [next(file.iter_batches(rows // len(groups), row_groups=[group])) for group in groups]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_batches(batches), out)
    return out.getvalue()


@dataclass(frozen=True)
class _Parquet(Columns):
    origin: str
    names: Sequence[str]
    count: int
    limit: int
    file: pq.ParquetFile

    @property
    def rows(self) -> int:
        return self.count

    def column(self, name: str) -> pa.Array:
        _check_column(self, name)
        try:
            column = _take_field(self.file.read(columns=[name]), name)
            spark = pa.types.is_timestamp(column.type) and self._is_int96(name)
            column = column.cast(pa.timestamp(column.type.unit, "UTC")) if spark else column
            return self._check_length(name, _usable(column))
        except pa.ArrowNotImplementedError:
            field = name if name in self.file.schema_arrow.names else name.split(".")[0]
            kind = self.file.schema_arrow.field(field).type
            raise FileProblem(
                "wrong_type", f"{self.origin}: column {name} is {str(kind)[:80]}: give text, numbers or times"
            ) from None
        except (OSError, pa.ArrowException) as error:
            raise FileProblem(
                "unreadable_file", f"{self.origin} is a damaged Parquet file: column {name}: {_line(error)}"
            ) from None

    def _is_int96(self, name: str) -> bool:
        """Whether a column has times as Spark and Impala write them, which are moments in UTC."""
        about = self.file.schema
        return any(about.column(i).physical_type == "INT96" for i in range(len(about)) if about.column(i).path == name)

    def _check_length(self, name: str, column: pa.Array) -> pa.Array:
        if len(column) != self.count:
            raise FileProblem("unreadable_file", f"{self.origin} is a damaged Parquet file: column {name} ends early")
        return column

    def frame(self, columns: Sequence[str]) -> pa.Table:
        return pa.table([self.column(name) for name in columns], names=list(columns))

    def lines(self, rows: Int) -> Int:
        return rows + 1

    def malformed_lines(self) -> Malformed:
        return Malformed()


def _parquet(origin: str, content: bytes, limit: int) -> Columns:
    try:
        schema = pq.read_schema(pa.BufferReader(content))
        repeating = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=repeating, coerce_int96_timestamp_unit="us")
    except (OSError, pa.ArrowException) as error:
        raise FileProblem("unreadable_file", f"{origin} is a damaged Parquet file: {_line(error)}") from None
    names = [name for field in file.schema_arrow for name in _field_names(field)]
    check_columns(origin, len(names))
    check_rows(origin, int(file.metadata.num_rows), limit)
    return _Parquet(origin, names, int(file.metadata.num_rows), limit, file)


def _field_names(field: pa.Field, above: str = "") -> list[str]:
    """Name of a column, or of each one that a struct holds, below its own: station.id."""
    name = f"{above}{field.name}"
    inner = [field.type.field(i) for i in range(field.type.num_fields)] if pa.types.is_struct(field.type) else []
    if not inner or above.count(".") >= _DEEPEST or any("." in each.name for each in (field, *inner)):
        return [name]
    return [below for each in inner for below in _field_names(each, f"{name}.")]


def _take_field(table: pa.Table, name: str) -> pa.Array:
    """A column of a table, or one within a struct, null where the struct is."""
    if name in table.column_names:
        return one_array(table[name])
    first, *rest = name.split(".")
    return pc.struct_field(one_array(table[first]), rest)


def _check_column(rows: _Parquet, name: str) -> None:
    """Whether a column is as small inside as it must be, before any of it is unpacked."""
    about, size, values = rows.file.metadata, 0, 0
    places = [i for i in range(about.num_columns) if f"{about.schema.column(i).path}.".startswith(f"{name}.")]
    for group in range(about.num_row_groups):
        for chunk in (about.row_group(group).column(i) for i in places):
            size, values = size + chunk.total_uncompressed_size, values + chunk.num_values
    check_rows(rows.origin, values, rows.limit)
    if size > rows.limit:
        raise too_large(rows.origin, rows.limit)


def _usable(column: pa.Array) -> pa.Array:
    """As one of the kinds that are read: text (by its distinct values), numbers, times.

    Raises:
        ArrowNotImplementedError: if it cannot be.
        ArrowInvalid: if it is text that is not UTF-8.
    """
    if pa.types.is_dictionary(column.type):
        if pa.types.is_dictionary(column.type.value_type):
            raise pa.ArrowNotImplementedError("dictionary of dictionaries")
        return pa.DictionaryArray.from_arrays(column.indices, _usable(column.dictionary))
    kind = column.type
    if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
        raise pa.ArrowNotImplementedError(str(kind))
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_timestamp(kind):
        return column if kind.tz is None else column.cast(pa.timestamp(kind.unit, "UTC"))  # whatever the zone is called
    if any(is_it(kind) for is_it in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_date)):
        return column
    text = column if pa.types.is_string(kind) else column.cast(pa.string())
    text.validate(full=True)
    return text


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
