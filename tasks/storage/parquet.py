"""Encode tables as Parquet, and decode them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import StoreError
from tasks.storage.roots import one_line

FILTERED = ("part", "source")
ENCODINGS = frozenset({"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"})
"""Encodings that every reader reads right. Earlier releases wrote counts with one of 2024, which many do not know, and
times as deltas, of which fastparquet makes other times where they need more than 24 bits."""
TIME_COLUMNS = ("minute_utc", "available_at", "received_at", "issued_at", "origin_utc")
ROWS_PER_GROUP = 131_072


def encode_table(table: pa.Table) -> bytes:
    """Content of the Parquet file of a table."""
    buffer = io.BytesIO()
    ranged = [name for name in table.column_names if name in (*TIME_COLUMNS, *FILTERED)]
    pq.write_table(
        table,
        buffer,
        write_page_checksum=True,
        compression="zstd",
        write_statistics=ranged,
    )
    return buffer.getvalue()


def decode_table(data: bytes, schema: pa.Schema) -> pa.Table:
    """Rows of the content of a Parquet file; the schema's columns only, absent ones null.

    Raises:
        StoreError: if it is none.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        held = file.read(columns=[name for name in schema.names if name in file.schema_arrow.names])
        columns = [held[f.name] if f.name in held.column_names else pa.nulls(len(held), f.type) for f in schema]
        return pa.table(columns, names=schema.names).cast(schema)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"this is no Parquet file, or a damaged one: {one_line(error)}") from None


def count_rows(data: bytes) -> int:
    """Rows of the content of a Parquet file, as its footer says.

    Raises:
        StoreError: if it is none.
    """
    try:
        return int(pq.ParquetFile(pa.BufferReader(data)).metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"this is no Parquet file: {one_line(error)}") from None


def footer_of(data: bytes) -> dict[str, str]:
    """Key-value metadata of the content of a Parquet file.

    Raises:
        StoreError: if it is none.
    """
    try:
        return texts(pq.ParquetFile(pa.BufferReader(data)).metadata)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"this is no Parquet file: {one_line(error)}") from None


def texts(footer: pq.FileMetaData) -> dict[str, str]:
    """Key-value metadata of a footer, but for Arrow's own schema."""
    held = footer.metadata or {}
    return {key.decode(): value.decode() for key, value in held.items() if key != b"ARROW:schema"}


def is_widely_readable(footer: pq.FileMetaData) -> bool:
    """Whether every column of a file has only `ENCODINGS`."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    used = {name for group in groups for i in range(group.num_columns) for name in group.column(i).encodings}
    return used <= ENCODINGS


def encode_groups(table: pa.Table, metadata: Mapping[str, str], rows: int = ROWS_PER_GROUP) -> bytes:
    """Content of a Parquet file with key-value metadata, so many rows per group, a checksum to every page."""
    buffer = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(dict(metadata)),
        buffer,
        row_group_size=rows,
        compression="zstd",
        write_page_checksum=True,
    )
    return buffer.getvalue()


def decode_all(data: bytes) -> pa.Table:
    """Every column of the content of a Parquet file; page checksums, where there are any, are held against it.

    Raises:
        StoreError: if it is none, or damaged.
    """
    try:
        return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"this is no Parquet file, or a damaged one: {one_line(error)}") from None


def table_pieces(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """Rows of a file of this machine, one row group at a time.

    Raises:
        StoreError: if it cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number).select(schema.names).cast(schema)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {one_line(error)}") from None
