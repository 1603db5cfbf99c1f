"""The minute table: rebuilt by the day from observations, read by span, at any moment of knowledge."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks import tables
from tasks.clock import service_dates
from tasks.contracts import Grid
from tasks.fold import fold
from tasks.store import Store

log = logging.getLogger(__name__)


def observed_days(store: Store, start: np.datetime64, end: np.datetime64, timezone: str) -> list[str]:
    """Service days with observations that touch the UTC span."""
    edges = service_dates(np.array([start, end - np.timedelta64(1, "m")], dtype="datetime64[m]"), timezone)
    first, last = str(edges[0]), str(edges[1])
    return [day for day in store.partitions("observations") if first <= day <= last]


def rebuild_day(store: Store, day: str, targets: Sequence[str]) -> int:
    """Fold one service day anew and replace its file; returns its rows.

    Batches that land meanwhile are seen: the folder is listed again after the rename, until nothing new is there.
    """
    with store.lock(f"minutes-{day}"):
        folder = tables.day_folder("observations", day)
        files = store.files(folder, ".parquet")
        while True:
            table = fold(store.read_tables(files, tables.observations(targets)), targets)
            store.write_table(tables.minutes_file(day), table)
            again = store.files(folder, ".parquet")
            if again == files:
                return int(table.num_rows)
            files = again


def read_minutes(
    store: Store,
    start: np.datetime64,
    end: np.datetime64,
    timezone: str,
    targets: Sequence[str],
    as_of: np.datetime64 | None = None,
) -> pa.Table:
    """Minute table of a UTC span, end exclusive, sorted by service day, station and minute.

    Args:
        store: the data root.
        start: first UTC minute.
        end: UTC minute after the last.
        timezone: the network's.
        targets: columns wanted.
        as_of: what was known then: minutes before it, folded from observations available by it.
    """
    if as_of is not None:
        end = min(end.astype("datetime64[m]"), as_of.astype("datetime64[m]"))
    days = observed_days(store, start, end, timezone)
    within = (pc.field("minute_utc") >= tables.to_time(start)) & (pc.field("minute_utc") < tables.to_time(end))
    schema = tables.minutes(targets)
    if as_of is None:
        paths = [p for p in map(tables.minutes_file, days) if store.exists(p)]
        return store.read_tables(paths, schema, within)
    pieces = [_day_as_of(store, day, targets, as_of) for day in days]
    return pa.concat_tables(pieces).filter(within) if pieces else schema.empty_table()


def _day_as_of(store: Store, day: str, targets: Sequence[str], as_of: np.datetime64) -> pa.Table:
    known = pc.field("available_at") <= tables.to_time(as_of)
    files = store.files(tables.day_folder("observations", day), ".parquet")
    return fold(store.read_tables(files, tables.observations(targets), known), targets)


def last_minute(store: Store, targets: Sequence[str], as_of: np.datetime64 | None = None) -> np.datetime64 | None:
    """Latest observed minute (before `as_of`), None where there is none."""
    for day in reversed(store.partitions("minutes")):
        table = store.read_tables([tables.minutes_file(day)], tables.minutes(targets))
        times = tables.numpy_times(table["minute_utc"])
        times = times if as_of is None else times[times < as_of]
        if len(times):
            return np.datetime64(times.max(), "m")
    return None


def to_grid(
    table: pa.Table,
    start: np.datetime64,
    end: np.datetime64,
    interval: int,
    targets: Sequence[str],
    stations: Iterable[str] | None = None,
) -> Grid:
    """Dense float32 grid [target, station, minute] of minute-table rows; NaN where nothing was observed.

    Rows off the grid's interval are left out; stations default to those of the rows, sorted.
    """
    codes, names = tables.name_codes(table["station_id"])
    wanted = sorted(stations) if stations is not None else names
    place = {name: i for i, name in enumerate(wanted)}
    row_of = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    begin = start.astype("datetime64[m]")
    steps = int((end.astype("datetime64[m]") - begin) // np.timedelta64(interval, "m"))
    offset = (tables.numpy_times(table["minute_utc"]).astype("datetime64[m]") - begin).astype(np.int64)
    station = row_of[codes] if len(names) else codes
    inside = (station >= 0) & (offset >= 0) & (offset % interval == 0) & (offset < steps * interval)
    values = np.full((len(targets), len(wanted), steps), np.nan, dtype=np.float32)
    for c, target in enumerate(targets):
        column = table[target].cast(pa.float32()).combine_chunks().to_numpy(zero_copy_only=False)
        values[c, station[inside], offset[inside] // interval] = column[inside]
    return Grid(values, begin, interval, tuple(wanted), tuple(targets))
