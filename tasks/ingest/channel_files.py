"""Files of extra channels, read whole: one row per minute (and station), with or without a time of availability."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.channels import ALWAYS, Channel
from tasks.errors import SourceError
from tasks.ingest.files.find import SourceFile, find_files
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.decode import Columns, column_list, decode
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.parse_times import read_times
from tasks.ingest.rows.parse_values import read_numbers, read_station_ids
from tasks.settings.channels import ChannelSettings
from tasks.settings.tree import Network

log = logging.getLogger(__name__)

TIMES = ("minute_utc", "minute")
NO_TIME = "is no time that can be read: write it like 2013-10-09T06:00"
LARGEST = 1e30


@dataclass(frozen=True)
class _Rows:
    """Rows of one file; `station` are positions in `names`, None where values are for all stations."""

    start: Int
    available: Int
    values: npt.NDArray[np.float64]
    station: npt.NDArray[np.int32] | None
    names: list[str]


def read_channel(config: ChannelSettings, network: Network) -> Channel:
    """All rows of a channel; those without a value are left out.

    Raises:
        SourceError: if no file is there, or one cannot be read, lacks a column, or has a value or time that is none;
            names file, line and remedy.
    """
    try:
        parts = [_read(config, network, file) for file in find_files(config.name, config.path, what="channel")]
    except FileProblem as error:
        raise SourceError(f"channel {config.name!r}: {error}") from None
    if len({part.station is None for part in parts}) > 1:
        raise SourceError(
            f"channel {config.name!r}: some files of {config.path} have stations and others none: make them alike"
        )
    names = sorted({name for part in parts for name in part.names})
    place = {name: i for i, name in enumerate(names)}
    station = [
        np.zeros(len(part.start), np.int32)
        if part.station is None
        else np.array([place[name] for name in part.names], np.int32)[part.station]
        for part in parts
    ]
    return Channel(
        name=config.name,
        interval=config.interval_minutes or network.interval_minutes,
        start=np.concatenate([part.start for part in parts]),
        available=np.concatenate([part.available for part in parts]),
        values=np.concatenate([part.values for part in parts]).astype(np.float32),
        station=np.concatenate(station),
        stations=None if parts[0].station is None else tuple(names),
    )


def _read(config: ChannelSettings, network: Network, file: SourceFile) -> _Rows:
    rows = decode(file.origin, read_content(file, config.max_bytes)[0], config.max_bytes)
    if len(torn := rows.malformed_lines().lines):
        raise FileProblem("wrong_number_of_fields", f"{file.origin}:{torn[0]} is no row: mend the file")
    columns, count = _columns(config, file, rows), rows.rows
    zone = config.timezone or network.timezone
    station, names = np.zeros(count, np.int32), list[str]()
    if "station_id" in columns:
        station, names = read_station_ids(rows.column(columns["station_id"]), network.aliases)
        _reject(file, rows, columns["station_id"], station < 0, "is no name of a station")
    available = np.full(count, ALWAYS, np.int64)
    if "available_at" in columns:
        times = read_times(rows.column(columns["available_at"]), zone)
        _reject(file, rows, columns["available_at"], np.isnat(times.utc) & ~times.blank, NO_TIME)
        available = np.where(times.blank, ALWAYS, -(-_seconds(times.utc) // 60))
    time = columns.get("minute_utc", columns.get("minute", ""))
    at = read_times(rows.column(time), "UTC" if "minute_utc" in columns else zone, lambda: _issues(station, available))
    _reject(file, rows, time, np.isnat(at.utc) & ~at.skipped, NO_TIME)
    if at.skipped.any():
        log.warning("channel %r: %s has %d times that the clocks went over", config.name, file.origin, at.skipped.sum())
    values, blank = read_numbers(rows.column(columns["value"]))
    _reject(file, rows, columns["value"], ~blank & ~(np.abs(values) < LARGEST), "is not a number")
    kept = ~blank & ~at.skipped
    start = _seconds(at.utc)[kept] // 60
    return _Rows(start, available[kept], values[kept], station[kept] if "station_id" in columns else None, names)


def _seconds(times: npt.NDArray[np.datetime64]) -> Int:
    """Seconds since 1970; 0 where there is no time."""
    return np.where(np.isnat(times), np.datetime64(0, "s"), times).astype("datetime64[s]").astype(np.int64)


def _issues(station: npt.NDArray[np.int32], available: Int) -> Int:
    """A number for each station and moment of availability: what lists every minute once."""
    pairs = np.stack([station.astype(np.int64), available])
    return np.asarray(np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1), np.int64)


def _columns(config: ChannelSettings, file: SourceFile, rows: Columns) -> dict[str, str]:
    """Our name -> the file's, for what the file has.

    Raises:
        FileProblem: if it lacks a column that was named, the minute or the value.
    """
    has, configured = list(rows.names), {"value": config.name, **config.columns}
    timed = [name for name in TIMES if name in configured] or [name for name in TIMES if name in has] or ["minute_utc"]
    found = {}
    for name in (timed[0], "value", "station_id", "available_at"):
        column = configured.get(name, name)
        if name not in configured and name != timed[0] and column not in has:
            continue
        if (count := has.count(column)) != 1:
            raise FileProblem(
                "missing_column",
                f"{file.origin} has {'no column' if not count else f'{count} columns'} {column!r} (it has "
                f'{column_list(has)}): write columns = {{ {name} = "..." }} in its [[channels]] table',
            )
        found[name] = column
    return found


def _reject(file: SourceFile, rows: Columns, column: str, wrong: npt.NDArray[np.bool_], why: str) -> None:
    """Refuse a file for the first row that is wrong.

    Raises:
        FileProblem: if there is one.
    """
    if wrong.any():
        first = np.flatnonzero(wrong)[:1]
        text = rows.column(column)[int(first[0])].as_py()
        raise FileProblem("wrong_type", f"{file.origin}:{rows.lines(first)[0]} {column} {str(text)[:40]!r} {why}")
