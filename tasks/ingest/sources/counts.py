"""Sources of counts: one row a (station, minute)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.contracts import Int
from tasks.ingest.files import OpenFile, pull_files
from tasks.ingest.judging import judge_times, next_look, repeated_hour
from tasks.ingest.numbers import UNSAFE, read_counts, read_names
from tasks.ingest.pieces import Piece, statements
from tasks.ingest.rejects import Verdicts
from tasks.ingest.rows import UNKNOWN, in_order
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
from tasks.ingest.times import Moments, read_times
from tasks.settings import Network
from tasks.source_settings import CountsSource


@source_kind("counts")
class Counts:
    """Files of minute counts; a file that changes restates what it says."""

    def __init__(self, config: CountsSource, network: Network) -> None:
        self.name, self._config, self._network = config.name, config, network

    def pull(self, pull: Pull) -> Iterator[Piece]:
        """One piece a file.

        Raises:
            SourceError: if no file matches.
        """
        return pull_files(self._config, self._network, pull, self._parse)

    def _parse(self, file: OpenFile, pull: Pull) -> Iterator[Piece]:
        yield self._piece(file, pull)  # what it was made of is freed before it goes on

    def _piece(self, file: OpenFile, pull: Pull) -> Piece:
        columns = _columns(file, self._config.columns, self._network.targets)
        verdicts = Verdicts(file.rows.rows)
        rows = _read(file, columns, verdicts, pull)
        kept = _last_of_each(rows, verdicts)
        return file.piece(
            "",
            rows.table(self.name, kept, self._network.targets),
            accepted=len(kept),
            rejects=file.rejects([verdicts], list(columns.values())),
            warnings=repeated_hour(rows.moments, file.timezone, "in the order of the file"),
            recheck_at=next_look(verdicts, rows.minute, self._network.interval_minutes, rows.available // 1_000_000),
        )


@dataclass(frozen=True)
class _Read:
    """Columns of a file, [row] each; a station code is -1 where blank, availability `UNKNOWN`."""

    station: npt.NDArray[np.int32]
    stations: list[str]
    part: npt.NDArray[np.int32]
    parts: list[str]
    moments: Moments
    minute: Int
    available: Int
    counts: dict[str, tuple[Int, npt.NDArray[np.bool_]]]

    def table(self, source: str, rows: Int, targets: tuple[str, ...]) -> pa.Table:
        """Observations of some rows."""
        return statements(
            source,
            (self.station[rows], self.stations),
            self.minute[rows],
            (self.part[rows], self.parts),
            self.available[rows],
            {target: (values[rows], given[rows]) for target, (values, given) in self.counts.items()},
            targets,
        )


def _columns(file: OpenFile, said: dict[str, str], targets: tuple[str, ...]) -> dict[str, str]:
    """Our name -> the file's, for what the file has.

    Raises:
        FileProblem: if it lacks a column that was named, station or minute, or every target.
    """
    has = set(file.rows.names)
    timed = [name for name in ("minute_utc", "minute") if name in said] or [
        name for name in ("minute_utc", "minute") if name in has
    ]
    found = {}
    for name in ("station_id", (timed or ["minute_utc"])[0], *targets, "part", "available_at"):
        column = said.get(name, name)
        must = name in said or name in ("station_id", "minute_utc", "minute")
        if must or column in has:
            found[name] = file.require(column, f'columns = {{ {name} = "..." }}')
    if not any(target in found for target in targets):
        file.require(targets[0], f'columns = {{ {targets[0]} = "..." }}')
    return found


def _read(file: OpenFile, columns: dict[str, str], verdicts: Verdicts, pull: Pull) -> _Read:
    station, stations = read_names(file.rows.column(columns["station_id"]))
    part, parts = np.zeros(len(station), dtype=np.int32), [""]
    if "part" in columns:
        codes, names = read_names(file.rows.column(columns["part"]))
        part, parts = codes + np.int32(1), ["", *names]
    in_utc = "minute_utc" in columns
    times = file.rows.column(columns["minute_utc" if in_utc else "minute"])
    place = station.astype(np.int64) * (len(parts) + 1) + part
    moments = read_times(times, "UTC" if in_utc else file.timezone, place)
    verdicts.refuse((station == UNSAFE) | (part < 0), "unsafe_name")
    verdicts.refuse(station < 0, "missing_station")
    minute = judge_times(verdicts, moments, file.network.interval_minutes, pull)
    available = _availability(file, columns.get("available_at"), verdicts, pull)
    counts = {
        ours: read_counts(file.rows.column(theirs), file.config.maximum, verdicts)
        for ours, theirs in columns.items()
        if ours in file.network.targets
    }
    verdicts.refuse(~np.any([given for _, given in counts.values()], axis=0), "missing_count")
    return _Read(station, stations, part, parts, moments, minute, available, counts)


def _availability(file: OpenFile, column: str | None, verdicts: Verdicts, pull: Pull) -> Int:
    """Microseconds since 1970 at which each row says that it was known; `UNKNOWN` where it does not."""
    if column is None:
        return np.full(file.rows.rows, UNKNOWN)
    said = read_times(file.rows.column(column), file.timezone)
    verdicts.refuse(said.skipped, "nonexistent_local_time")
    verdicts.refuse(np.isnat(said.utc) & ~said.blank, "bad_time")
    verdicts.refuse(said.utc > pull.as_of, "in_future")
    return said.utc.astype("datetime64[us]").astype(np.int64)


def _last_of_each(rows: _Read, verdicts: Verdicts) -> Int:
    """Positions of the rows that land, by station, minute, part and availability: of several the last in the file."""
    good = np.flatnonzero(verdicts.good)
    keys = [array[good] for array in (rows.available, rows.part, rows.minute, rows.station)]
    order = good if in_order(keys) else good[np.lexsort(keys)]
    columns = [array for pair in rows.counts.values() for array in pair]
    same_key = _like_the_one_before(order, [rows.station, rows.minute, rows.part, rows.available])
    again = same_key & _like_the_one_before(order, columns)
    if same_key.any():
        verdicts.refuse_rows(order[again], "duplicate_row")
        order = order[~again]
        replaced = np.append(
            _like_the_one_before(order, [rows.station, rows.minute, rows.part, rows.available])[1:], False
        )
        verdicts.refuse_rows(order[replaced], "superseded_in_file")
        order = order[~replaced]
    return order


def _like_the_one_before(order: Int, columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    same = np.ones(len(order), dtype=bool)
    same[:1] = False
    for column in columns:
        ordered = column[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    return same
