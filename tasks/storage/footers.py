"""What the footer of a Parquet file says; its rows are not read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import StoreError
from tasks.storage.parquet import is_widely_readable, texts
from tasks.storage.roots import one_line
from tasks.storage.store import Store


def read_footer(store: Store, path: str) -> dict[str, str]:
    """Key-value metadata of a Parquet file; its rows are not read.

    Raises:
        StoreError: if it is gone or is no Parquet file.
    """
    return texts(_footer(store, path))


def row_count(store: Store, path: str) -> int:
    """Rows of a Parquet file, as its footer says.

    Raises:
        StoreError: if it is gone or is no Parquet file.
    """
    return int(_footer(store, path).num_rows)


def widely_readable(store: Store, path: str) -> bool:
    """Whether a Parquet file has only encodings that every reader knows; see `parquet.ENCODINGS`.

    Raises:
        StoreError: if it is gone or is no Parquet file.
    """
    return is_widely_readable(_footer(store, path))


def _footer(store: Store, path: str) -> pq.FileMetaData:
    try:
        with store.fs.open_input_file(store.at(path)) as file:
            return pq.ParquetFile(file).metadata
    except FileNotFoundError:
        raise StoreError(f"{store.url(path)} cannot be read: it is gone") from None
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{store.url(path)} cannot be read: {one_line(error)}") from None
