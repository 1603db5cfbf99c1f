"""Rows of counts as arrays: whose they are, of which interval, and what each target counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rejects import PiecesProblem
from tasks.ingest.rows.check_times import check_times
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.filters import Flags, matching
from tasks.ingest.rows.parse_times import Moments
from tasks.ingest.rows.parse_values import (
    AMBIGUOUS,
    EXCLUDED,
    LARGEST_READING,
    UNSAFE,
    CountValues,
    code_of,
    holds_secret,
    read_counts,
    read_joined_names,
    read_station_ids,
)
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.source import Pull
from tasks.ingest.statements import UNKNOWN, Statements
from tasks.settings.columns import ColumnSetting, filter_of, one_name, time_columns


@dataclass(frozen=True)
class Counted:
    """What one target counted, [row] each.

    Attributes:
        values: people; anything where nothing is given.
        given: rows that give a count.
        asked: rows that the target's filter chooses; None for all.
        wrong: rows whose count cannot be read; None for none.
        withheld: rows whose count is a word for missing; None for none.
    """

    values: npt.NDArray[np.int32] | npt.NDArray[np.int64]
    given: Flags
    asked: Flags | None = None
    wrong: Flags | None = None
    withheld: Flags | None = None


@dataclass(frozen=True)
class CountRows:
    """Columns of counts, [row] each.

    Attributes:
        station: codes into `stations`; negative where there is none.
        part: codes into `parts`; negative where it is unsafe.
        minute: UTC minutes since 1970.
        available: microseconds since 1970, `UNKNOWN` where the row does not say.
        counts: by target.
        repeated: how many times without an offset fall into an hour that the clocks repeat.
        excluded: how many rows are left out with their station.
    """

    station: npt.NDArray[np.int32]
    stations: list[str]
    part: npt.NDArray[np.int32]
    parts: list[str]
    minute: Int
    available: Int
    counts: dict[str, Counted]
    repeated: int = 0
    excluded: int = 0

    @property
    def has_filter(self) -> bool:
        """Whether a target counts some of the rows only."""
        return any(counted.asked is not None for counted in self.counts.values())

    def at(self, rows: Int) -> Int | slice:
        """Some of the rows by position; a slice where they are all of them in their order, which needs no copy."""
        all_in_order = len(rows) == len(self.minute) and bool((rows[1:] > rows[:-1]).all())
        return slice(None) if all_in_order else rows

    def statements(self, rows: Int, targets: tuple[str, ...]) -> Statements:
        """Statements of some rows."""
        at = self.at(rows)
        available = None if (self.available == UNKNOWN).all() else self.available[at]
        counts = {
            name: (each.values[at], None if each.given.all() else each.given[at]) for name, each in self.counts.items()
        }
        station, part = (self.station[at], self.stations), (self.part[at], self.parts)
        return Statements.from_counts(station, self.minute[at], part, available, counts, targets)


def find_columns(
    file: InputColumns, configured: Mapping[str, ColumnSetting], targets: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Our name -> the file's, for what the file has; several only where they make a time.

    Raises:
        FileProblem: if it lacks a column that was named, station or minute, or every target.
    """
    has = set(file.rows.names)
    times = ("minute_utc", "minute")
    minute = next(
        (name for name in times if name in configured), next((name for name in times if name in has), times[0])
    )
    found = {}
    for name in ("station_id", minute, *targets, "part", "available_at"):
        column, toml = configured.get(name, name), f'columns = {{ {name} = "..." }}'
        if name in (minute, "available_at"):
            if name != "available_at" or name in configured or name in has:
                found[name] = file.find_times(time_columns(column), toml)
        elif name in configured or name in has or name == "station_id":
            found[name] = (file.find(one_name(column), toml),)
    if not any(target in found for target in targets):
        file.require(targets[0], f'columns = {{ {targets[0]} = "..." }}')
    if file.has_readings:
        found = {name: columns for name, columns in found.items() if name not in ("part", "available_at")}
        if file.devices:
            found["part"] = tuple(file.require(name, 'device = ["..."]') for name in file.devices)
    return found


def filter_rows(
    file: InputColumns, configured: Mapping[str, ColumnSetting], found: Mapping[str, tuple[str, ...]]
) -> tuple[Flags, dict[str, Flags], dict[str, str]]:
    """Rows that are read; those of each target that has a filter; and a warning per filter that nothing passes.

    Raises:
        FileProblem: if a column of a filter is missing.
    """
    chosen, warnings = matching(file, file.config.row_filter)
    own, asked = [target for target in found if target in file.network.targets], dict[str, Flags]()
    for target in own:
        if own_filter := filter_of(configured.get(target, target)):
            asked[target], more = matching(file, own_filter, f"columns.{target}.")
            warnings |= more
    if len(asked) == len(own):
        chosen = chosen & np.logical_or.reduce([*asked.values()])
    return chosen, asked, warnings


def read_rows(
    file: InputColumns,
    columns: dict[str, tuple[str, ...]],
    asked: Mapping[str, Flags],
    rejections: Rejections,
    pull: Pull,
    floor: bool,
    earlier: EarlierRows,
) -> CountRows:
    """The rows of a file, those that cannot count rejected.

    Args:
        file: which.
        columns: see `find_columns`.
        asked: rows of each target that has a filter.
        rejections: of the rows; those that are left out are set aside already.
        pull: what is asked for.
        floor: whether times between steps of the grid belong to the step before; else they are off the grid.
        earlier: what came before the rows.

    Raises:
        PiecesProblem: if a piece alone does not tell which hour is meant.
    """
    at = _read_places(file, columns, rejections, earlier)
    in_utc = "minute_utc" in columns
    times = columns["minute_utc" if in_utc else "minute"]
    zone = "UTC" if in_utc else file.timezone

    def place() -> Int:
        return earlier.place_of(earlier.stations.of(at.station, at.stations), earlier.parts.of(at.part, at.parts))

    if floor:
        moments = _moments_of_parts(file, times, zone, place, rejections, earlier)
    else:
        moments = file.moments(times, zone, place, earlier=earlier)
    at.reject_names(file, rejections)
    minute = check_times(rejections, moments, file.grid, pull, floor=floor)
    available = _availability(file, columns.get("available_at"), rejections, pull)
    counts = _read_targets(file, columns, asked, rejections)
    return CountRows(
        at.station,
        at.stations,
        at.part,
        at.parts,
        minute,
        available,
        counts,
        repeated=int(np.count_nonzero(moments.repeated)),
        excluded=at.excluded,
    )


@dataclass(frozen=True)
class _Places:
    """Whose rows are, [row] each; fields as of `CountRows`."""

    station: npt.NDArray[np.int32]
    stations: list[str]
    part: npt.NDArray[np.int32]
    parts: list[str]
    excluded: int

    def reject_names(self, file: InputColumns, rejections: Rejections) -> None:
        """Reject rows of which a name cannot be used."""
        rejections.reject((self.station == UNSAFE) | (self.part < 0), "unsafe_name")
        rejections.reject(holds_secret(self.station, self.stations, file.secrets), "unsafe_name")
        rejections.reject(holds_secret(self.part, self.parts, file.secrets), "unsafe_name")
        rejections.reject(self.station == AMBIGUOUS, "ambiguous_station")
        rejections.reject(self.station < 0, "missing_station")
        rejections.reject(self.station == code_of(self.stations, file.network.total), "name_of_total")


def _read_places(
    file: InputColumns, columns: Mapping[str, tuple[str, ...]], rejections: Rejections, earlier: EarlierRows
) -> _Places:
    """Stations and parts of rows; those of excluded stations are set aside."""
    column = file.rows.column(columns["station_id"][0])
    station, stations = read_station_ids(column, file.network.aliases, earlier.spellings, file.network.excluded)
    excluded = (station == EXCLUDED) & rejections.good
    rejections.set_aside(excluded)
    part, parts = np.broadcast_to(np.int32(0), len(station)), [""]
    if "part" in columns:
        codes, names = read_joined_names([file.rows.column(name) for name in columns["part"]])
        part, parts = codes + np.int32(1), ["", *names]
    return _Places(station, stations, part, parts, int(np.count_nonzero(excluded)))


def _read_targets(
    file: InputColumns, columns: Mapping[str, tuple[str, ...]], asked: Mapping[str, Flags], rejections: Rejections
) -> dict[str, Counted]:
    """Counts by target, after rejecting the rows that give none."""
    counts = {}
    for target in (name for name in columns if name in file.network.targets):
        rows = asked.get(target)
        largest = LARGEST_READING if file.has_readings else None
        column = file.rows.column(columns[target][0])
        read = read_counts(column, file.config, rejections, rows, largest, takes_back=file.takes_back)
        counts[target] = _target_counts(read, rows)
    blank = ~np.any([each.given for each in counts.values()], axis=0)
    withheld = [each.withheld for each in counts.values() if each.withheld is not None]
    if withheld:  # it says that somebody was counted, and not how many
        rejections.set_aside(blank & np.logical_or.reduce(withheld) & rejections.good)
    rejections.reject(blank, "missing_count")
    return counts


def _target_counts(read: CountValues, rows: Flags | None) -> Counted:
    """What a target counted, of the rows that its filter chooses."""
    if rows is None:
        return Counted(read.values, read.given, None, read.wrong, read.withheld)
    wrong, withheld = (None if flags is None else flags & rows for flags in (read.wrong, read.withheld))
    return Counted(read.values, read.given & rows, rows, wrong, withheld)


def _moments_of_parts(
    file: InputColumns,
    times: tuple[str, ...],
    zone: str,
    place: Callable[[], Int],
    rejections: Rejections,
    earlier: EarlierRows,
) -> Moments:
    """Times of rows that add up.

    In an hour that the clocks repeat, their order tells which one is meant only where a place has one row per time
    otherwise; else they are rejected.
    """
    first = file.moments(times, zone, finer=True, earlier=earlier)
    if not first.repeated.any():
        return first
    if not earlier.whole:
        raise PiecesProblem("times in an hour that the clocks repeat, of rows that add up")
    second = np.where(np.isnat(first.utc), np.datetime64(0, "s"), first.utc).astype(np.int64)
    once = np.flatnonzero(~first.repeated & ~np.isnat(first.utc))
    places = place()
    pairs = np.stack([places[once], second[once]], axis=1)
    if len(np.unique(pairs, axis=0)) == len(pairs):
        return file.moments(times, zone, lambda: places * 60 + second % 60, finer=True)
    rejections.reject(first.repeated, "repeated_local_time")
    return replace(first, repeated=np.zeros_like(first.repeated))


def _availability(file: InputColumns, columns: tuple[str, ...] | None, rejections: Rejections, pull: Pull) -> Int:
    """Microseconds since 1970 at which each row says that it was known; `UNKNOWN` where it does not."""
    if columns is None:
        return np.broadcast_to(UNKNOWN, file.rows.rows)
    times = file.moments(columns, file.timezone, interval=False)
    rejections.reject(times.skipped, "nonexistent_local_time")
    rejections.reject(np.isnat(times.utc) & ~times.blank, "bad_time")
    rejections.reject(times.utc > pull.as_of, "in_future")
    return times.utc.astype("datetime64[us]").astype(np.int64)
