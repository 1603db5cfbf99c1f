"""Derived files that end in the SHA-256 of their content, so that a damaged one counts as none."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks.errors import StoreError
from tasks.storage.store import Store

log = logging.getLogger(__name__)

_SIZE = 32
_HEAD = "nexthour"


def write_sealed(store: Store, path: str, data: bytes) -> None:
    """Replace a file by some content and its SHA-256.

    Raises:
        StoreError: if the root cannot be written.
    """
    store.write_bytes(path, data + hashlib.sha256(data).digest())


def read_sealed(store: Store, path: str) -> pa.Buffer | None:
    """Content of a file without its SHA-256; None where there is no file, or a damaged one.

    Raises:
        StoreError: if it cannot be read.
    """
    data = store.read_bytes(path)
    if data is None or hashlib.sha256(memoryview(data)[:-_SIZE]).digest() != data[-_SIZE:]:
        return None
    return pa.py_buffer(data).slice(0, len(data) - _SIZE)


def write_arrow(
    store: Store,
    path: str,
    head: Mapping[str, Any],
    batches: Sequence[pa.RecordBatch],
    compression: str | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Replace a sealed Arrow file; where that fails it is done without, as the file can be made again.

    Args:
        store: of the file.
        path: of the file.
        head: what the file was made of, JSON-able.
        batches: rows, of one schema.
        compression: of the columns.
        texts: further metadata, which `read_arrow` does not decode.
    """
    schema = batches[0].schema.with_metadata({_HEAD: json.dumps(head), **(texts or {})})
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    try:
        write_sealed(store, path, buffer.getvalue())
    except StoreError as error:
        log.debug("%s is not kept: %s", path, error)


def read_arrow(store: Store, path: str) -> tuple[dict[str, Any], pa.ipc.RecordBatchFileReader] | None:
    """Head and batches of what `write_arrow` wrote; None where there is no file, or one that cannot be used."""
    try:
        data = read_sealed(store, path)
        if data is None:
            return None
        reader = pa.ipc.open_file(pa.BufferReader(data))
        return json.loads(reader.schema.metadata[_HEAD.encode()]), reader
    except (StoreError, OSError, pa.ArrowException, LookupError, TypeError, ValueError):
        return None
