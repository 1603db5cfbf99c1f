"""One state of all stations, as a reply of `station_status` gives it (GBFS 1, 2 and 3)."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.json_records import MISSING, at
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.parse_values import AMBIGUOUS, BLANK, EXCLUDED, read_station_ids
from tasks.settings.tree import Network

Flags = npt.NDArray[np.bool_]
MOST_STATIONS = 100_000
MOST_BIKES = 1_000_000
_FIRST, _LAST = 946_684_800, 7_258_118_400  # seconds: the years 2000 to 2200
_YES = (True, 1, "true", "1")
SCHEMA = pa.schema(
    [
        ("station_id", pa.string()),
        ("bikes", pa.int32()),
        ("whole", pa.bool_()),
        ("empty", pa.bool_()),
        ("full", pa.bool_()),
        ("renting", pa.bool_()),
        ("returning", pa.bool_()),
        ("reported", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Snapshot:
    """State of stations at one moment; arrays are [station].

    Attributes:
        updated: when the feed was made, seconds since 1970.
        stations: ids, distinct and ascending.
        bikes: bikes that stand there, those out of service too where the feed counts them.
        whole: whether the feed counts those out of service.
        empty: whether no bike can be taken.
        full: whether no dock is free.
        renting, returning: whether the station is there and gives, or takes, bikes.
        reported: when the station last reported, seconds since 1970.
    """

    updated: int
    stations: npt.NDArray[np.str_]
    bikes: npt.NDArray[np.int32]
    whole: Flags
    empty: Flags
    full: Flags
    renting: Flags
    returning: Flags
    reported: Int

    @classmethod
    def of(cls, updated: int, table: pa.Table) -> Snapshot:
        """From a table of `SCHEMA`, in any order."""
        ordered = table.sort_by("station_id")
        names = np.array(ordered["station_id"].to_pylist(), dtype=np.str_)
        columns = [ordered[name].to_numpy() for name in SCHEMA.names[1:]]
        return cls(updated, names, *columns)

    def to_table(self) -> pa.Table:
        """Rows of `SCHEMA`."""
        columns = [pa.array(self.stations.tolist(), pa.string())]
        columns += [pa.array(vars(self)[name]) for name in SCHEMA.names[1:]]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


@dataclass(frozen=True)
class ReadSnapshot:
    """A snapshot, and what of its reply was rejected.

    Attributes:
        snapshot: the state of the other stations.
        rejected: number of the station in the reply, reason, and the station as it is written.
    """

    snapshot: Snapshot
    rejected: Sequence[tuple[int, str, str]]


def read_updated(origin: str, document: object) -> int:
    """When a reply was made, seconds since 1970.

    Raises:
        FileProblem: if it does not say so.
    """
    stamp = at(document, "last_updated")
    moment = read_moment(stamp)
    if moment is None:
        shown = "none" if stamp is MISSING else f"{stamp!r:.40}"
        raise FileProblem(
            "bad_reply", f"{origin} has no last_updated in seconds or RFC 3339 (it is {shown}): it is no GBFS"
        )
    return moment


def read_snapshot(origin: str, document: object, network: Network, secrets: Sequence[str] = ()) -> ReadSnapshot:
    """State of the stations of a reply.

    Raises:
        FileProblem: if it is no `station_status`, or has more stations than any system.
    """
    stations = at(document, "data.stations")
    if not isinstance(stations, list):
        raise FileProblem("bad_reply", f"{origin} has no list data.stations: give station_status, or gbfs.json, as url")
    if len(stations) > MOST_STATIONS:
        raise FileProblem("too_large", f"{origin} has {len(stations):,} stations, more than {MOST_STATIONS:,}")
    updated = read_updated(origin, document)
    codes, names = _read_ids(stations, network)
    rows, rejected = dict[str, tuple[object, ...]](), list[tuple[int, str, str]]()
    for number, (raw, code) in enumerate(zip(stations, codes.tolist(), strict=True), 1):
        if code == EXCLUDED:
            continue
        try:
            name = _check_name(code, names, network, rows, secrets)
            rows[name] = (name, *_read_station(raw))
        except _Fault as fault:
            rejected.append((number, str(fault), json.dumps(raw)))
    columns = zip(*rows.values(), strict=True) if rows else [[] for _ in SCHEMA.names]
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return ReadSnapshot(Snapshot.of(updated, pa.Table.from_arrays(arrays, schema=SCHEMA)), rejected)


def read_moment(value: object) -> int | None:
    """A moment as seconds since 1970, from POSIX seconds or RFC 3339 with its offset; None where it is neither."""
    if isinstance(value, str) and not value.isdecimal():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return _in_range(moment.timestamp()) if moment.tzinfo else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return _in_range(float(value[:20]) if isinstance(value, str) else value)


def _in_range(seconds: float) -> int | None:
    return int(seconds) if math.isfinite(seconds) and _FIRST <= seconds <= _LAST else None


def _read_ids(stations: Sequence[object], network: Network) -> tuple[npt.NDArray[np.int32], list[str]]:
    given = [raw.get("station_id") if isinstance(raw, dict) else None for raw in stations]
    texts = [str(each) if isinstance(each, str | int) and not isinstance(each, bool) else "" for each in given]
    column = pa.array([t.encode("utf-8", "replace").decode() for t in texts])
    return read_station_ids(column, network.aliases, excluded=network.excluded)


class _Fault(Exception):
    """Why a station is rejected: a reason of `reasons.ROW_REASONS`."""


def _check_name(code: int, names: Sequence[str], network: Network, seen: Container[str], secrets: Sequence[str]) -> str:
    """The id of a station by its code.

    Raises:
        _Fault: if it has none that can be used, or another one of the reply has it.
    """
    if code < 0:
        raise _Fault({BLANK: "missing_station", AMBIGUOUS: "ambiguous_station"}.get(code, "unsafe_name"))
    if any(secret in names[code] for secret in secrets):
        raise _Fault("unsafe_name")
    if names[code] == network.total:
        raise _Fault("name_of_total")
    if names[code] in seen:
        raise _Fault("duplicate_row")
    return names[code]


def _read_station(raw: object) -> tuple[object, ...]:
    """Fields of `SCHEMA` but the first.

    Raises:
        _Fault: if the station cannot be read.
    """
    if not isinstance(raw, dict):
        raise _Fault("not_a_record")
    available = _count(raw, "num_bikes_available", "num_vehicles_available")
    disabled = _count(raw, "num_bikes_disabled", "num_vehicles_disabled")
    docks = _count(raw, "num_docks_available")
    if available is None:
        raise _Fault("missing_count")
    reported = read_moment(raw.get("last_reported"))
    there = raw.get("is_installed", True) in _YES
    return (
        available + (disabled or 0),
        disabled is not None,
        available == 0,
        docks == 0,
        there and raw.get("is_renting", True) in _YES,
        there and raw.get("is_returning", True) in _YES,
        _FIRST if reported is None else reported,  # a station that never reported is as old as can be
    )


def _count(raw: Mapping[str, Any], *names: str) -> int | None:
    """A count under the first name that is there; None where there is none.

    Raises:
        _Fault: if it is no whole number of bikes.
    """
    value = next((raw[name] for name in names if raw.get(name) is not None), None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise _Fault("not_a_number")
    if value < 0:
        raise _Fault("negative")
    if value > MOST_BIKES:
        raise _Fault("absurd")
    if value != int(value):
        raise _Fault("not_whole")
    return int(value)
