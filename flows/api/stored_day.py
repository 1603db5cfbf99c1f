"""The service day of the published forecast in memory: read from its file, or made where no target publishes it."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.api.latest import file_state
from flows.api.queries import Tables
from flows.pipelines.publication import make_day
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.schemas import DAY_SERIES, FORECASTS

PATH = "publications/day.parquet"
SCHEMA = pa.schema([FORECASTS.field("issued_at"), FORECASTS.field("origin_utc"), *DAY_SERIES])


class StoredDay:
    """Rows of `SCHEMA` of one issue at a time."""

    def __init__(self, settings: Settings, tables: Tables) -> None:
        self._settings, self._tables, self._store = settings, tables, Store(settings.data_root)
        self._published = "day" in settings.publish.targets
        self._making = Lock()
        self._held: tuple[str, pa.Table] = ("", SCHEMA.empty_table())

    def rows(self, station_id: str, latest: dict[str, Any]) -> pa.Table | None:
        """The day of a station; None while the forecast is on its way to its table.

        Args:
            station_id: which one.
            latest: the document of the published forecast.

        Raises:
            HistoryError: if the minutes from which it was made are no longer there.
            StoreError: if a file cannot be read.
        """
        whole = self._read() if self._published else self._make_day(latest)
        return None if whole is None else whole.filter(pc.equal(whole["station_id"].cast(pa.string()), station_id))

    def _read(self) -> pa.Table | None:
        """What the target `day` published; None before its first time."""
        state = file_state(self._store, PATH)
        if not state:
            return None
        held = self._held
        if held[0] != state:
            held = self._held = state, self._store.read_tables([PATH], SCHEMA)
        return held[1]

    def _make_day(self, latest: dict[str, Any]) -> pa.Table | None:
        """What it would have published; made once per issue, however many ask for it at a time."""
        issued_at, origin = (np.datetime64(latest[name].removesuffix("Z"), "s") for name in ("issued_at", "origin_utc"))
        issue = f"{issued_at}/{origin}"
        with self._making:
            if self._held[0] != issue:
                forecasts = self._tables.issue(issued_at, origin.astype("datetime64[m]"))
                if forecasts is None:
                    return None
                day = make_day(self._settings, forecasts)
                moments = [pa.repeat(forecasts[name][0], day.num_rows) for name in ("issued_at", "origin_utc")]
                self._held = issue, pa.Table.from_arrays([*moments, *day.columns], schema=SCHEMA)
            return self._held[1]
