"""The published service day in memory, read again when its file is replaced."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from flows.api.latest import file_state
from tasks.storage.store import Store
from tasks.tables.schemas import DAY_SERIES, FORECASTS

PATH = "publications/day.parquet"
SCHEMA = pa.schema([FORECASTS.field("issued_at"), FORECASTS.field("origin_utc"), *DAY_SERIES])


class StoredDay:
    """Rows of `publications/day.parquet`, of one state of the file at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: tuple[str, pa.Table] = ("", SCHEMA.empty_table())

    def rows(self, station_id: str) -> pa.Table | None:
        """The day of a station; None where no day is published.

        Raises:
            StoreError: if the file cannot be read.
        """
        state = file_state(self._store, PATH)
        if not state:
            return None
        held = self._held
        if held[0] != state:
            held = self._held = state, self._store.read_tables([PATH], SCHEMA)
        return held[1].filter(pc.equal(held[1]["station_id"].cast(pa.string()), station_id))
