"""Write rejected rows to the table of rejects, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tasks.ingest.rejects import SCHEMA, Rejects
from tasks.storage.store import Store
from tasks.tables import schemas

RECENT_DATES = 60
"""Newest days of receipt that are searched for a file that a run, cut off, has left."""


def write_rejects(
    store: Store, rejects: Rejects, received_at: np.datetime64, known: Sequence[str], adds: bool = False
) -> list[str]:
    """Write the rejects that the files `known` do not hold yet.

    Args:
        store: the data root.
        rejects: all open rejects of a key; only its new ones where it `adds`.
        received_at: when they were received.
        known: files of the rejects that were open before.
        adds: the earlier rejects stay open.

    Returns:
        Files that together hold the open rejects and no others: some of `known`, and the one written.
    """
    held = [path for path in known if store.exists(path) and (adds or _all_open(store, path, rejects))]
    fresh = _without(rejects, store.read_tables(held, schemas.REJECTS))
    if not len(fresh):
        return held
    path = _place(store, _name(fresh), str(received_at.astype("datetime64[D]")))
    if store.exists(path):
        store.sync_names([path])
    else:
        store.write_table(path, _as_table(fresh, received_at))
    return [*held, path] if path not in held else held


def _place(store: Store, name: str, day: str) -> str:
    """File of some rejects: the one that a run, cut off lately or before midnight, has left; else that of the day."""
    dates = [day, *(date for date in reversed(store.partitions("rejects")) if date != day)][:RECENT_DATES]
    paths = [f"rejects/received_date={date}/{name}.parquet" for date in dates]
    return next((path for path in paths if store.exists(path)), paths[0])


def _all_open(store: Store, path: str, rejects: Rejects) -> bool:
    kept = store.read_tables([path], schemas.REJECTS).select(SCHEMA.names).cast(SCHEMA)
    return bool(kept.join(rejects.table, SCHEMA.names, join_type="left anti").num_rows == 0)


def _without(rejects: Rejects, held: pa.Table) -> Rejects:
    """Rejects that are not held yet: same line, reason and text are the same reject."""
    if not held.num_rows or not len(rejects):
        return rejects
    old = held.select(SCHEMA.names).cast(SCHEMA)
    new = rejects.table.join(old, SCHEMA.names, join_type="left anti").sort_by("line")
    return Rejects(rejects.source, rejects.origin, new.select(SCHEMA.names))


def _as_table(rejects: Rejects, received_at: np.datetime64) -> pa.Table:
    count, table = len(rejects), rejects.table
    same = np.zeros(count, dtype=np.int32)
    columns = [
        schemas.name_array(same, [rejects.source]),
        schemas.name_array(same, [rejects.origin]),
        table["line"],
        table["reason"].dictionary_encode().cast(schemas.NAME),
        table["text"],
        schemas.time_array(np.full(count, received_at.astype("datetime64[us]"))),
    ]
    return pa.Table.from_arrays(columns, schema=schemas.REJECTS)


def _name(rejects: Rejects) -> str:
    digest = hashlib.sha256(f"{rejects.source}\n{rejects.origin}\n".encode())
    for batch in rejects.table.to_batches(max_chunksize=65_536):
        for column in batch.columns:
            digest.update("\n".join(map(str, column.to_pylist())).encode())
    return digest.hexdigest()[:24]
