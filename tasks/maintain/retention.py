"""Retention: the removal of days that the settings no longer keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.clock import service_dates
from tasks.errors import StoreError
from tasks.maintain.manifest import manifest_path
from tasks.settings.tree import Settings
from tasks.storage.footers import row_count
from tasks.storage.store import Store
from tasks.tables.kept_days import cutoff_day

KEYS = {"rejects": "received_date"}
"""Partition keys other than service_date."""
SPOOL = "spool"
FOLDERS = {SPOOL: "spool/forecasts"}
"""Where the days of a table lie that has no folder of its name."""
BY_ITSELF = (
    "rejects", "forecasts", "shadows", "scores", "lag_table", "alerts", "alert_signals", "busy_hours", "drift",
    "rest_of_day", "rest_of_day_scores", SPOOL
)  # fmt: skip
"""Tables whose days go by their own setting alone."""
SCORED_HOURS = "scored_hours"
"""What scoring keeps of the days that every run looks at; of older days it is of no use."""


@dataclass(frozen=True)
class Removed:
    """What went of a table.

    Attributes:
        table: its name.
        before: days before this one went, YYYY-MM-DD.
        days, files, rows, bytes: how much it was.
    """

    table: str
    before: str
    days: int
    files: int
    rows: int
    bytes: int


def retain(settings: Settings, store: Store, as_of: np.datetime64) -> list[Removed]:
    """Remove the days that the settings no longer keep; days of observations before their minutes.

    What scoring keeps for itself goes, too, once no run asks for it. Forecasts in the spool are in no table yet, so
    that they are lost; `lost_forecasts` says so.

    Raises:
        StoreError: if a file cannot be read or removed.
    """
    removed = _remove(store, SCORED_HOURS, _first_day_scored(settings, as_of))
    minutes = cutoff_day(settings, store, as_of, "minutes")
    wanted = [(table, cutoff_day(settings, store, as_of, table)) for table in BY_ITSELF]
    for table, first in [*wanted, ("observations", minutes), ("minutes", minutes)]:
        if first is not None:
            removed += _remove(store, table, first)
    return removed


def lost_forecasts(removed: Sequence[Removed]) -> list[str]:
    """A line about forecasts that waited for their table and were removed; none where there were none."""
    return [
        f"{each.files} forecasts ({each.rows} rows, {each.days} days before {each.before}) could not be added to their "
        "table in time and were removed from spool/: they will not be scored; nexthour doctor says what waits"
        for each in removed
        if each.table == SPOOL
    ]


def _first_day_scored(settings: Settings, as_of: np.datetime64) -> str:
    """First service day that each scoring looks at, and one to spare."""
    days = np.timedelta64(settings.score.back_days + 1, "D")
    return str(service_dates(np.array([as_of - days], dtype="datetime64[m]"), settings.network.timezone)[0])


def _remove(store: Store, table: str, first: str) -> list[Removed]:
    days = files = rows = size = 0
    place = FOLDERS.get(table, table)
    for day in store.partitions(place):
        folder = f"{place}/{KEYS.get(table, 'service_date')}={day}"
        sizes = store.sizes(folder) if day < first else {}
        if not sizes:
            continue
        paths = [*sizes]
        days, files, size = days + 1, files + len(paths), size + sum(sizes.values())
        rows += sum(_rows(store, path) for path in paths)
        store.delete_for_good([manifest_path(folder)])  # before the files, so that none of them is missed
        store.delete_for_good(paths)
        _drop_folder(store, folder)
    return [Removed(table, first, days, files, rows, size)] if days else []


def _rows(store: Store, path: str) -> int:
    """Rows of a Parquet file, 0 of any other and of a damaged one."""
    try:
        return row_count(store, path) if path.endswith(".parquet") else 0
    except StoreError:
        return 0


def _drop_folder(store: Store, folder: str) -> None:
    """Remove the folder of a partition where folders are things and nobody wrote into it meanwhile."""
    if store.local is None:
        return
    try:
        (store.local / folder).rmdir()
    except OSError:
        return
