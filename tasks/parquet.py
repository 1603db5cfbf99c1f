"""Parquet beyond whole tables: what a footer says, and files cut into row groups."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import StoreError
from tasks.roots import one_line
from tasks.store import DELTA_COLUMNS, Store

ROWS_A_GROUP = 131_072


def read_footer(store: Store, path: str) -> dict[str, str]:
    """Key-value metadata of a Parquet file; its rows are not read.

    Raises:
        StoreError: if it is gone or is no Parquet file.
    """
    return _texts(_footer(store, path))


def row_count(store: Store, path: str) -> int:
    """Rows of a Parquet file, as its footer says.

    Raises:
        StoreError: if it is gone or is no Parquet file.
    """
    return int(_footer(store, path).num_rows)


def _footer(store: Store, path: str) -> pq.FileMetaData:
    try:
        with store.fs.open_input_file(store.at(path)) as file:
            return pq.ParquetFile(file).metadata
    except FileNotFoundError:
        raise StoreError(f"{store.url(path)} cannot be read: it is gone") from None
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{store.url(path)} cannot be read: {one_line(error)}") from None


def footer_of(data: bytes) -> dict[str, str]:
    """Key-value metadata of the content of a Parquet file.

    Raises:
        StoreError: if it is none.
    """
    try:
        return _texts(pq.ParquetFile(pa.BufferReader(data)).metadata)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"this is no Parquet file: {one_line(error)}") from None


def _texts(footer: pq.FileMetaData) -> dict[str, str]:
    held = footer.metadata or {}
    return {key.decode(): value.decode() for key, value in held.items() if key != b"ARROW:schema"}


def encode_grouped(table: pa.Table, metadata: Mapping[str, str], rows: int = ROWS_A_GROUP) -> bytes:
    """Content of a Parquet file with key-value metadata, so many rows a group, a checksum to every page."""
    buffer = io.BytesIO()
    delta = [name for name in DELTA_COLUMNS if name in table.column_names]
    pq.write_table(
        table.replace_schema_metadata(dict(metadata)),
        buffer,
        row_group_size=rows,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name not in delta],
        column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
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
    """Rows of a file of this machine, a row group at a time.

    Raises:
        StoreError: if it cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number).select(schema.names).cast(schema)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {one_line(error)}") from None
