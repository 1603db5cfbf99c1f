"""Parquet as columns, read when they are asked for: structs by dotted paths, lists unnested where that is said."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, check_columns, check_rows, column_list
from tasks.ingest.formats.unnest import SLOT
from tasks.ingest.limits import too_large
from tasks.ingest.rejects import FileProblem
from tasks.tables.schemas import one_array

_DEEPEST = 8
"""Structs within one another, of which the columns are named."""
Lists = dict[str, pa.Array]


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


def first_records(content: bytes, most: int) -> list[dict[str, Any]]:
    """The first rows of a file, at most so many, as records with the lists and structs that they hold.

    Raises:
        ArrowException: if it is damaged.
    """
    batches = pq.ParquetFile(pa.BufferReader(content)).iter_batches(most)
    return [record for batch in islice(batches, 1) for record in batch.to_pylist()]


class _NumberedRows(Columns):
    """Rows of Parquet, which has no lines: they are numbered from 1, and each is whole."""

    def frame(self, columns: Sequence[str]) -> pa.Table:
        return pa.table([self.column(name) for name in columns], names=list(columns))

    def lines(self, rows: Int) -> Int:
        return rows + 1

    def malformed_lines(self) -> Malformed:
        return Malformed()


@dataclass(frozen=True)
class _Parquet(_NumberedRows):
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
            kind = str(self.file.schema_arrow.field(field).type)[:80]
            remedy = (
                f'unnest = ["{name}"] makes a row of each item' if "list" in kind else "give text, numbers or times"
            )
            raise FileProblem("wrong_type", f"{self.origin}: column {name} is {kind}: {remedy}") from None
        except (OSError, pa.ArrowException) as error:
            raise FileProblem(
                "unreadable_file", f"{self.origin} is a damaged Parquet file: column {name}: {_line(error)}"
            ) from None

    def lists(self, name: str) -> tuple[Int, Lists]:
        """Lengths of the lists of a column, 0 for null, and what all items hold by their names.

        Raises:
            FileProblem: if it has no lists, or lists within lists.
        """
        _check_column(self, name)
        column = _take_field(self.file.read(columns=[name]), name)
        kind = column.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            raise FileProblem("wrong_type", f"{self.origin}: column {name} is {str(kind)[:80]}: unnest takes lists")
        column = column.cast(pa.large_list(kind.value_type))
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        items, named = pc.list_flatten(column), dict[str, pa.Array]()
        for below in _field_names(pa.field(name, kind.value_type).with_name("item")):
            steps = below.split(".")[1:]
            values = pc.struct_field(items, steps) if steps else items
            if pa.types.is_nested(values.type):
                raise FileProblem(
                    "wrong_type", f"{self.origin}: column {name} has lists within lists: unnest them before"
                )
            named[".".join([name, *steps])] = self._with_zone(values, name, steps)
        return lengths.astype(np.int64), named

    def _with_zone(self, values: pa.Array, name: str, steps: Sequence[str]) -> pa.Array:
        spark = pa.types.is_timestamp(values.type) and self._is_int96(name, steps[-1:])
        return _usable(values.cast(pa.timestamp(values.type.unit, "UTC")) if spark else values)

    def _is_int96(self, name: str, ends: Sequence[str] | None = None) -> bool:
        """Whether a column has times as Spark and Impala write them, which are moments in UTC.

        Args:
            name: of the column.
            ends: of a column of lists the field of its items; empty for the items themselves.
        """
        about = self.file.schema
        paths = [about.column(i).path for i in range(len(about)) if about.column(i).physical_type == "INT96"]
        if ends is None:
            return name in paths
        return any(path.startswith(f"{name}.") and (not ends or path.endswith(f".{ends[0]}")) for path in paths)

    def _check_length(self, name: str, column: pa.Array) -> pa.Array:
        if len(column) != self.count:
            raise FileProblem("unreadable_file", f"{self.origin} is a damaged Parquet file: column {name} ends early")
        return column


def read_parquet(origin: str, content: bytes, limit: int, unnest: Sequence[str] = ()) -> Columns:
    """Rows of a Parquet file; those of the lists that are to be unnested in their place, if there are some.

    Raises:
        FileProblem: if it is damaged or larger inside than `limit`, or its lists cannot be unnested.
    """
    try:
        schema = pq.read_schema(pa.BufferReader(content))
        repeating = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=repeating, coerce_int96_timestamp_unit="us")
    except (OSError, pa.ArrowException) as error:
        raise FileProblem("unreadable_file", f"{origin} is a damaged Parquet file: {_line(error)}") from None
    names = [name for field in file.schema_arrow for name in _field_names(field)]
    check_columns(origin, len(names))
    check_rows(origin, int(file.metadata.num_rows), limit)
    whole = _Parquet(origin, names, int(file.metadata.num_rows), limit, file)
    return _unnest(whole, unnest) if unnest else whole


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


@dataclass(frozen=True)
class _Unnested(_NumberedRows):
    """Rows of a file, one per item of its lists; a line is an item's number, from 1.

    Attributes:
        base: rows of the file.
        items: what items hold, by the name of the column.
        parents: which row of the file each item is of.
    """

    base: _Parquet
    names: Sequence[str]
    items: Mapping[str, pa.Array]
    parents: Int

    @property
    def rows(self) -> int:
        return len(self.parents)

    def column(self, name: str) -> pa.Array:
        if name in self.items:
            return self.items[name]
        column = self.base.column(name)
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        return coded.take(pa.array(self.parents))


def _unnest(rows: _Parquet, paths: Sequence[str]) -> Columns:
    """A row per item of lists that belong together.

    Raises:
        FileProblem: if a file has no such lists, or they differ in length.
    """
    gone = [path for path in paths if path not in rows.names]
    if gone:
        raise FileProblem(
            "missing_column",
            f"{rows.origin} has no column {gone[0]!r} (it has {column_list(rows.names)}): correct unnest",
        )
    lengths, items = np.zeros(0, dtype=np.int64), Lists()
    for place, path in enumerate(paths):
        own, named = rows.lists(path)
        if place and (odd := np.flatnonzero(own != lengths)).size:
            raise FileProblem(
                "unequal_lists",
                f"{rows.origin}: row {odd[0] + 1:,} has {lengths[odd[0]]:,} items in {paths[0]!r} and "
                f"{own[odd[0]]:,} in {path!r}: name lists that belong together in unnest",
            )
        lengths, items = own, {**items, **named}
    parents = np.repeat(np.arange(rows.rows), lengths)
    names = [*(name for name in rows.names if name not in paths), *items]
    if {*items} == {*paths} and SLOT not in names:
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        names, items = [*names, SLOT], {**items, SLOT: pa.array(np.arange(len(parents)) - starts + 1)}
    return _Unnested(rows, names, items, parents)
