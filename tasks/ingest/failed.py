"""Files that could not be used at all, and still cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pyarrow.compute as pc

from tasks import tables
from tasks.errors import SourceError
from tasks.ingest.finding import find_files
from tasks.ingest.ledger import Entry, SourceLedger
from tasks.source_settings import BaseSource, FileSource
from tasks.store import Store


def failed(store: Store, config: BaseSource) -> Iterator[str]:
    """What was said last of each file of a source that was refused as a whole, and has not landed or gone since."""
    ledger = {entry.origin: entry for entry in SourceLedger(store, config.name).entries}
    stamps = _stamps(config)
    whole = (pc.field("line") == 0) & (pc.field("source") == config.name)
    table = store.read_tables(store.files("rejects", ".parquet"), tables.REJECTS, whole).sort_by("received_at")
    last = {row["origin"]: row for row in table.to_pylist()}
    for origin, row in sorted(last.items()):
        entry = ledger.get(origin)
        if origin in stamps and not (entry and _is_well(entry, row["received_at"], stamps[origin])):
            yield row["text"]


def _is_well(entry: Entry, failed_at: datetime, stamp: str | None) -> bool:
    """Whether a file has landed since, or is again as it was when it last landed."""
    since = bool(np.datetime64(entry.received_at) >= np.datetime64(failed_at.replace(tzinfo=None)))
    return since or (stamp is not None and entry.stamp is not None and entry.stamp.split("+")[0] == stamp)


def _stamps(config: BaseSource) -> dict[str, str | None]:
    """Cheap identity of each file that there is now, by what it is shown as."""
    if not isinstance(config, FileSource):
        return {}
    try:
        return {file.origin: file.stamp for file in find_files(config.name, config.path)}
    except SourceError:
        return {}
