"""Whether the minute table still is the fold of its observations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tasks import tables
from tasks.fold import fold
from tasks.rebuild import rebuild_day
from tasks.store import Store

STALE_SECONDS = 86_400


def differing_days(store: Store, days: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Service days whose minute file is absent or says other than the fold of the day's observations."""
    schema = tables.minutes(targets)
    differing = []
    for day in days:
        files = store.files(tables.day_folder("observations", day), ".parquet")
        truth = fold(store.read_tables(files, tables.observations(targets)), targets)
        path = tables.minutes_file(day)
        held = store.read_tables([path], schema) if store.exists(path) else schema.empty_table()
        if not _same(held, truth):
            differing.append(day)
    return differing


def _same(held: pa.Table, truth: pa.Table) -> bool:
    """Whether two minute tables hold the same rows in the same order, however their names are coded."""
    plain = pa.schema([(f.name, pa.string() if f.name == "station_id" else f.type) for f in truth.schema])
    return bool(held.cast(plain).equals(truth.cast(plain)))


def mend(store: Store, days: Sequence[str], targets: Sequence[str]) -> None:
    """Fold these service days anew."""
    for day in days:
        rebuild_day(store, day, targets)


def sweep(store: Store, as_of: np.datetime64) -> int:
    """Remove temporary files that a crash left more than a day before `as_of`; returns how many."""
    if store.local is None:
        return 0
    limit = as_of.astype("datetime64[s]").astype(np.int64) - STALE_SECONDS
    stale = [
        path
        for path in store.local.rglob(".*.*-*")
        if path.is_file() and ".locks" not in path.parts and path.stat().st_mtime < limit
    ]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)
