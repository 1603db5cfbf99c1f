"""Rows of counts, one a (station, minute), read the same from a file, a feed or a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rejects import Rejects
from tasks.ingest.rows.check_times import check_times, defer_future_rows, next_due, repeated_hour
from tasks.ingest.rows.parse_times import Moments
from tasks.ingest.rows.parse_values import AMBIGUOUS, UNSAFE, code_of, read_counts, read_names, read_station_ids
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.source import Pull
from tasks.ingest.statements import UNKNOWN, Statements
from tasks.settings.sources import TimeColumns, one_name
from tasks.tables import schemas

_CELLS_PER_ROW = 8
_NO_PATIENCE = np.timedelta64(0, "s")


@dataclass(frozen=True)
class ValidatedCounts:
    """What rows of counts say, and what was refused of them; fields as of `SourceBatch`.

    Attributes:
        waiting: positions of the rows that are set aside until they are over, ascending.
        settled_at: when all of those are over.
    """

    statements: Statements
    accepted: int
    rejects: Rejects
    warnings: tuple[str, ...]
    recheck_at: np.datetime64 | None
    waiting: Int
    settled_at: np.datetime64 | None


def validate_counts(
    file: InputColumns, said: Mapping[str, TimeColumns], pull: Pull, patience: np.timedelta64 = _NO_PATIENCE
) -> ValidatedCounts:
    """Judge rows of counts: of several about one station, minute, part and availability the last one lands.

    Args:
        file: the rows.
        said: our name -> the source's, as configured; a column without an entry has our name.
        pull: what is asked for.
        patience: rows that will be over within it are set aside, not refused.

    Raises:
        FileProblem: if a column is missing.
    """
    targets = file.network.targets
    columns = _columns(file, said, targets)
    rejections = Rejections(file.rows.rows)
    rejections.reject(file.rows.unreadable([name for names in columns.values() for name in names]), "not_utf8")
    rows = _read(file, columns, rejections, pull)
    available = None if "available_at" not in columns else rows.available // 1_000_000
    judged = rejections, rows.minute, file.network.interval_minutes, available
    recheck_at = next_due(*judged)
    waiting, settled_at = defer_future_rows(*judged, pull.as_of + patience)
    kept = _last_of_each(rows, rejections, file.network.interval_minutes)
    return ValidatedCounts(
        rows.statements(kept, targets),
        len(kept),
        file.rejects([rejections], [name for names in columns.values() for name in names]),
        repeated_hour(rows.moments, file.timezone, "in the order of the file"),
        recheck_at,
        waiting,
        settled_at,
    )


@dataclass(frozen=True)
class _Read:
    """Columns of counts, [row] each; a station code is -1 where blank, availability `UNKNOWN`."""

    station: npt.NDArray[np.int32]
    stations: list[str]
    part: npt.NDArray[np.int32]
    parts: list[str]
    moments: Moments
    minute: Int
    available: Int
    counts: dict[str, tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]]

    def statements(self, rows: Int, targets: tuple[str, ...]) -> Statements:
        """Statements of some rows."""
        all_in_order = len(rows) == len(self.minute) and bool((rows[1:] > rows[:-1]).all())
        at = slice(None) if all_in_order else rows
        said = None if (self.available == UNKNOWN).all() else self.available[at]
        return Statements.from_counts(
            (self.station[at], self.stations),
            self.minute[at],
            (self.part[at], self.parts),
            said,
            {name: (values[at], None if given.all() else given[at]) for name, (values, given) in self.counts.items()},
            targets,
        )


def _columns(
    file: InputColumns, said: Mapping[str, TimeColumns], targets: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Our name -> the file's, for what the file has; several only where they make a time.

    Raises:
        FileProblem: if it lacks a column that was named, station or minute, or every target.
    """
    has = set(file.rows.names)
    times = ("minute_utc", "minute")
    minute = next((name for name in times if name in said), next((name for name in times if name in has), times[0]))
    found = {}
    for name in ("station_id", minute, *targets, "part", "available_at"):
        column, toml = said.get(name, name), f'columns = {{ {name} = "..." }}'
        if name in (minute, "available_at"):
            if name != "available_at" or name in said or name in has:
                found[name] = file.find_times(column, toml)
        elif name in said or name in has or name == "station_id":
            found[name] = (file.find(one_name(column), toml),)
    if not any(target in found for target in targets):
        file.require(targets[0], f'columns = {{ {targets[0]} = "..." }}')
    return found


def _read(file: InputColumns, columns: dict[str, tuple[str, ...]], rejections: Rejections, pull: Pull) -> _Read:
    station, stations = read_station_ids(file.rows.column(columns["station_id"][0]), file.network.aliases)
    part, parts = np.zeros(len(station), dtype=np.int32), [""]
    if "part" in columns:
        codes, names = read_names(file.rows.column(columns["part"][0]))
        part, parts = codes + np.int32(1), ["", *names]
    in_utc = "minute_utc" in columns
    times = columns["minute_utc" if in_utc else "minute"]
    zone = "UTC" if in_utc else file.timezone
    moments = file.moments(times, zone, lambda: station.astype(np.int64) * (len(parts) + 1) + part)
    rejections.reject((station == UNSAFE) | (part < 0), "unsafe_name")
    rejections.reject(station == AMBIGUOUS, "ambiguous_station")
    rejections.reject(station < 0, "missing_station")
    rejections.reject(station == code_of(stations, file.network.total), "name_of_total")
    minute = check_times(rejections, moments, file.network.interval_minutes, pull)
    available = _availability(file, columns.get("available_at"), rejections, pull)
    counts = {
        ours: read_counts(file.rows.column(theirs[0]), file.config.maximum, rejections)
        for ours, theirs in columns.items()
        if ours in file.network.targets
    }
    rejections.reject(~np.any([given for _, given in counts.values()], axis=0), "missing_count")
    return _Read(station, stations, part, parts, moments, minute, available, counts)


def _availability(file: InputColumns, columns: tuple[str, ...] | None, rejections: Rejections, pull: Pull) -> Int:
    """Microseconds since 1970 at which each row says that it was known; `UNKNOWN` where it does not."""
    if columns is None:
        return np.full(file.rows.rows, UNKNOWN)
    said = file.moments(columns, file.timezone, interval=False)
    rejections.reject(said.skipped, "nonexistent_local_time")
    rejections.reject(np.isnat(said.utc) & ~said.blank, "bad_time")
    rejections.reject(said.utc > pull.as_of, "in_future")
    return said.utc.astype("datetime64[us]").astype(np.int64)


def _last_of_each(rows: _Read, rejections: Rejections, interval: int) -> Int:
    """Positions of the rows that land, by station, minute, part and availability: of several the last in the file."""
    good = np.flatnonzero(rejections.good)
    keys: list[npt.NDArray[np.integer]] = [rows.available, rows.part, rows.minute, rows.station]
    if len(good) < len(rows.minute):
        keys = [array[good] for array in keys]
    if schemas.ascending(keys[::-1], strictly=True):
        return good
    distinct = _by_cell(rows, good, interval)
    if distinct is not None:
        return distinct
    order = good[np.lexsort(keys)]
    columns = [array for pair in rows.counts.values() for array in pair]
    same_key = _like_the_one_before(order, [rows.station, rows.minute, rows.part, rows.available])
    again = same_key & _like_the_one_before(order, columns)
    if same_key.any():
        rejections.reject_rows(order[again], "duplicate_row")
        order = order[~again]
        replaced = np.append(
            _like_the_one_before(order, [rows.station, rows.minute, rows.part, rows.available])[1:], False
        )
        rejections.reject_rows(order[replaced], "superseded_in_file")
        order = order[~replaced]
    return order


def _by_cell(rows: _Read, good: Int, interval: int) -> Int | None:
    """The good rows by station, minute and part, without sorting: each is put into the cell of its own.

    None where two rows have one cell, or where too few of the cells would be filled.
    """
    if not len(good):
        return good
    step = rows.minute[good] // interval
    first, parts = int(step.min()), len(rows.parts)
    span = int(step.max()) - first + 1
    cells = len(rows.stations) * span * parts
    if cells > _CELLS_PER_ROW * len(good):
        return None
    row_of = np.full(cells, -1, dtype=np.int64)
    row_of[(rows.station[good].astype(np.int64) * span + (step - first)) * parts + rows.part[good]] = good
    filled = row_of[row_of >= 0]
    return filled if len(filled) == len(good) else None


def _like_the_one_before(order: Int, columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    same = np.ones(len(order), dtype=bool)
    same[:1] = False
    for column in columns:
        ordered = column[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    return same
