"""Forecasts that could not be added to their table wait in `spool/` under the data root until a later run adds them."""

from __future__ import annotations

import logging

import pyarrow as pa

from tasks.errors import StoreError
from tasks.storage.store import Store

log = logging.getLogger(__name__)

SPOOL = "spool"


def add_to_table(store: Store, path: str, table: pa.Table) -> None:
    """Write the file of an issue, then those that wait; the same file twice is one.

    Args:
        store: the data root.
        path: of the file below it.
        table: rows of `schemas.FORECASTS`.

    Raises:
        StoreError: if it cannot be written; says whether its rows wait in the spool or are lost.
    """
    try:
        if not store.exists(path):
            store.write_table(path, table)
    except StoreError as error:
        raise StoreError(f"the table is not written: {error}; {_put_aside(store, path, table)}") from None
    _empty(store)


def _put_aside(store: Store, path: str, table: pa.Table) -> str:
    place = f"{SPOOL}/{path}"
    try:
        store.write_table(place, table)
    except StoreError:
        return "nor can its rows be kept elsewhere under the data root: this forecast will not be scored"
    return f"its rows wait in {store.url(place)}, and a later forecast adds them"


def _empty(store: Store) -> None:
    """Move what waits to where it belongs; what cannot be moved goes on waiting."""
    try:
        for waiting in store.files(SPOOL, ".parquet"):
            content, path = store.read_bytes(waiting), waiting.removeprefix(f"{SPOOL}/")
            if content is not None and not store.exists(path):
                store.write_bytes(path, content)
            store.delete(waiting)
            log.info("%s was written late", path)
    except StoreError as error:
        log.error("forecasts go on waiting in %s: %s", store.url(SPOOL), error)
