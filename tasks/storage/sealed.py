"""Derived files that end in the SHA-256 of their content, so that a damaged one counts as none."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from tasks.storage.store import Store

_SIZE = 32


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
