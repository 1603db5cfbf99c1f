"""Read the minute table by span, as of any moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import or_

import numpy as np
import pyarrow as pa

from tasks.clock import service_dates
from tasks.grid import Grid
from tasks.storage.parquet import decode_table
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.fold import fold
from tasks.tables.observations import batches, read_observations
from tasks.tables.rebuild import digest, read_fold_note

PIECE = 2_000_000
"""Rows that are looked at together."""


def observed_days(store: Store, start: np.datetime64, end: np.datetime64, timezone: str) -> list[str]:
    """Service days with observations that touch the UTC span."""
    return days_of(store, "observations", start, end, timezone)


def days_of(store: Store, table: str, start: np.datetime64, end: np.datetime64, timezone: str) -> list[str]:
    """Service days of a table that touch the UTC span."""
    edges = service_dates(np.array([start, end - np.timedelta64(1, "m")], dtype="datetime64[m]"), timezone)
    first, last = str(edges[0]), str(edges[1])
    return [day for day in store.partitions(table) if first <= day <= last]


def read_minutes(
    store: Store,
    start: np.datetime64,
    end: np.datetime64,
    timezone: str,
    targets: Sequence[str],
    as_of: np.datetime64 | None = None,
    only: Collection[str] | None = None,
) -> pa.Table:
    """Minute table of a UTC span, end exclusive, sorted by service day, station and minute.

    Args:
        store: the data root.
        start: first UTC minute.
        end: UTC minute after the last.
        timezone: the network's.
        targets: columns wanted.
        as_of: what was known then: minutes before it, folded from observations available by it.
        only: service days to read, YYYY-MM-DD; all without it.
    """
    if as_of is not None:
        end = min(end.astype("datetime64[m]"), as_of.astype("datetime64[m]"))
    if as_of is None:
        days = days_of(store, "minutes", start, end, timezone)
        paths = minute_files(store, [day for day in days if only is None or day in only])
        return within(store.read_tables(paths, schemas.minutes(targets)), start, end)
    days = observed_days(store, start, end, timezone)
    pieces = [_day_as_of(store, day, targets, as_of) for day in days if only is None or day in only]
    return within(pa.concat_tables([schemas.minutes(targets).empty_table(), *pieces]), start, end)


def minute_files(store: Store, days: Iterable[str]) -> list[str]:
    """Minute files of service days that have a folder; where a crash left it empty, nothing was folded yet."""
    return [schemas.minutes_file(day) for day in days if not store.is_empty(schemas.day_folder("minutes", day))]


def within(table: pa.Table, start: np.datetime64, end: np.datetime64) -> pa.Table:
    """The rows of a span; what lies in it whole is not copied."""
    kept = [table.slice(0, 0)]
    for piece in _pieces(table):
        times = schemas.numpy_times(piece["minute_utc"])
        inside = (times >= start) & (times < end)
        kept.append(piece if inside.all() else piece.filter(pa.array(inside)))
    return pa.concat_tables(kept)


def _pieces(table: pa.Table) -> list[pa.Table]:
    """The rows by the million, in their order, so that what is computed of them is never in memory whole."""
    return [table.slice(first, PIECE) for first in range(0, table.num_rows, PIECE)]


def _day_as_of(store: Store, day: str, targets: Sequence[str], as_of: np.datetime64) -> pa.Table:
    """Fold of what was available by then: the minute file itself where that is all, which is much faster."""
    data = minute_file_as_of(store, day, targets, as_of)
    if data is not None:
        return decode_table(data, schemas.minutes(targets))
    return fold_as_of(store, day, targets, as_of)


def minute_file_as_of(store: Store, day: str, targets: Sequence[str], as_of: np.datetime64) -> bytes | None:
    """Content of the minute file of a day; None where it is not all that was known at a moment."""
    files = batches(store, day)
    note = read_fold_note(store, day)
    if note is None or note.batches != set(files) or not note.serves(targets, as_of):
        return None
    data = store.read_bytes(schemas.minutes_file(day))
    return data if data is not None and digest(data) == note.minutes else None


def fold_as_of(store: Store, day: str, targets: Sequence[str], as_of: np.datetime64) -> pa.Table:
    """Fold of the observations of a day that were available at a moment."""
    observed = read_observations(store, day, schemas.observations(targets))
    known = schemas.numpy_times(observed["available_at"]) <= as_of
    return fold(observed.filter(pa.array(known)), targets)


def last_minute(store: Store, targets: Sequence[str], as_of: np.datetime64 | None = None) -> np.datetime64 | None:
    """Latest minute of the minute table (before `as_of`) in which any target was observed, None where there is none."""
    for day in reversed(store.partitions("minutes")):
        table = store.read_tables(minute_files(store, [day]), schemas.minutes(targets))
        observed = reduce(or_, (table[target].is_valid().to_numpy() for target in targets))
        times = schemas.numpy_times(table["minute_utc"])[observed]
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

    >>> minute = schemas.time_array(np.array(["2024-05-10T08:00"], dtype="datetime64[m]"))
    >>> station = schemas.name_array(np.array([0], dtype=np.int32), ["A"])
    >>> rows = pa.table({"station_id": station, "minute_utc": minute, "entries": pa.array([7], pa.int32())})
    >>> start, end = np.datetime64("2024-05-10T08:00"), np.datetime64("2024-05-10T08:10")
    >>> to_grid(rows, start, end, 5, ("entries",)).values
    array([[[ 7., nan]]], dtype=float32)
    """
    pieces = _pieces(table)
    seen = {name for piece in pieces for name in schemas.name_codes(piece["station_id"])[1]}
    wanted = sorted(seen if stations is None else set(stations))
    begin, width = start.astype("datetime64[m]"), np.timedelta64(interval, "m")
    steps = max(int((end.astype("datetime64[m]") - begin) // width), 0)
    values = np.full((len(targets), len(wanted), steps), np.nan, dtype=np.float32)
    grid = Grid(values, begin, interval, tuple(wanted), tuple(targets))
    place = {name: i for i, name in enumerate(wanted)}
    for piece in pieces:
        _fill(grid, piece, place)
    return grid


def _fill(grid: Grid, rows: pa.Table, place: dict[str, int]) -> None:
    """Put the counts of some rows into a grid whose stations have these places."""
    codes, names = schemas.name_codes(rows["station_id"])
    station = np.array([*(place.get(name, -1) for name in names), -1], dtype=np.int64)[codes]
    start, width = grid.start.astype("datetime64[us]").astype(np.int64), grid.interval * 60_000_000
    since = schemas.numpy_times(rows["minute_utc"]).view(np.int64) - start
    step = since // width
    inside = (station >= 0) & (step >= 0) & (step < grid.steps) & (since == step * width)
    at, all_inside = station * grid.steps + step, bool(inside.all())
    at = at if all_inside else at[inside]
    for side, target in zip(grid.values, grid.targets, strict=True):
        column = rows[target].cast(pa.float32(), safe=False).combine_chunks().to_numpy(zero_copy_only=False)
        side.reshape(-1)[at] = column if all_inside else column[inside]
