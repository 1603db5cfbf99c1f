"""Statements about (station, minute) as arrays: sort, split by service day, fingerprint, convert to observations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.clock import service_dates
from tasks.tables import schemas

UNKNOWN = np.iinfo(np.int64).min  # what numpy holds for NaT
MICROSECONDS = 60_000_000
Names = tuple[npt.NDArray[np.int32], Sequence[str]]
Counts = Mapping[str, tuple[npt.NDArray[np.integer], npt.NDArray[np.bool_] | None]]
_QUARTER = 15  # clocks change by multiples of it


@dataclass(frozen=True)
class Statements:
    """What an input claims, arrays of equal length [row]; a row is a claim about one station, minute and part.

    Attributes:
        station, part: codes into the names, int32; the names are distinct and ascending, so codes sort as names do.
        minute: UTC minutes since 1970, int64.
        available: microseconds since 1970, `UNKNOWN` where the source does not say.
        values: int32 [target, row]; `NOT_KNOWN` where it counted people whom nobody knows; int64 of readings of
            counters, whose parts are the devices.
        valid: bool [target, row]; a target that is not valid was not stated.
        stations, parts: the names.
    """

    station: npt.NDArray[np.int32]
    minute: Int
    part: npt.NDArray[np.int32]
    available: Int
    values: npt.NDArray[np.int32] | npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    stations: Sequence[str]
    parts: Sequence[str]

    def __len__(self) -> int:
        return len(self.minute)

    @classmethod
    def empty(cls, targets: int) -> Statements:
        """No rows, of a number of targets."""
        nothing = np.zeros(0, dtype=np.int64)
        codes, counts = nothing.astype(np.int32), np.zeros((targets, 0), dtype=np.int32)
        return cls(codes, nothing, codes, nothing, counts, counts.astype(bool), [], [])

    @classmethod
    def from_counts(
        cls, station: Names, minute: Int, part: Names, available: Int | None, counts: Counts, targets: Sequence[str]
    ) -> Statements:
        """Statements from one array per column.

        Args:
            station: codes [row] into names, distinct and ascending.
            minute: UTC minutes since 1970 [row].
            part: codes [row] into names, distinct and ascending.
            available: microseconds since 1970 [row], `UNKNOWN` where unknown; None for all unknown.
            counts: values [row] per target, and which of them are given, None for all; other targets are not stated.
            targets: order of the targets.
        """
        rows, wide = len(minute), any(stated.dtype.itemsize > 4 for stated, _ in counts.values())
        values = np.zeros((len(targets), rows), dtype=np.int64 if wide else np.int32)
        valid = np.zeros((len(targets), rows), dtype=bool)
        for place, target in enumerate(targets):
            if target in counts:
                stated, given = counts[target]
                valid[place] = True if given is None else given
                values[place] = stated if given is None else np.where(given, stated, 0)
        known = np.broadcast_to(UNKNOWN, rows) if available is None else available
        return cls(station[0], minute, part[0], known, values, valid, station[1], part[1])

    @classmethod
    def from_table(
        cls, table: pa.Table, targets: Sequence[str], part: str = "part", available: str = "available_at"
    ) -> Statements:
        """The rows of a table, in its order; `part` and `available` are what it calls these two columns."""
        station, stations = schemas.name_codes(table["station_id"])
        codes, parts = schemas.name_codes(table[part])
        columns = [table[target].combine_chunks() for target in targets]
        return cls(
            station,
            schemas.numpy_times(table["minute_utc"]).astype(np.int64) // MICROSECONDS,
            codes,
            schemas.numpy_times(table[available]).astype(np.int64),
            np.stack([c.fill_null(0).to_numpy(zero_copy_only=False) for c in columns]),
            np.stack([c.is_valid().to_numpy(zero_copy_only=False) for c in columns]),
            stations,
            parts,
        )

    def used_parts(self) -> list[str]:
        """Names of the parts that rows have, ascending."""
        return [self.parts[code] for code in _used_codes(self.part, len(self.parts))[0]]

    def used_stations(self) -> list[str]:
        """Names of the stations that rows have, ascending."""
        return [self.stations[code] for code in _used_codes(self.station, len(self.stations))[0]]

    def take(self, rows: Int | npt.NDArray[np.bool_] | slice) -> Statements:
        """Some of the rows, by position, mask or slice."""
        return replace(
            self,
            station=self.station[rows],
            minute=self.minute[rows],
            part=self.part[rows],
            available=self.available[rows],
            values=self.values[:, rows],
            valid=self.valid[:, rows],
        )

    def sort_rows(self) -> Statements:
        """By station, minute, part and availability."""
        keys = (self.station, self.minute, self.part, self.available)
        return self if schemas.ascending(keys) else self.take(np.lexsort(keys[::-1]))

    def by_day(self, timezone: str) -> Iterator[tuple[str, Statements]]:
        """The rows of each service day, ascending, in their present order."""
        for day, rows in split_days(self.minute, timezone):
            yield day, self if isinstance(rows, slice) and rows == slice(0, len(self)) else self.take(rows)

    def fingerprint(self, *about: str) -> str:
        """SHA-256 over what is stated and `about`, however codes are numbered."""
        digest = hashlib.sha256("\n".join(about).encode())
        for codes, names in ((self.station, self.stations), (self.part, self.parts)):
            used, own = _used_codes(codes, len(names))
            digest.update("\x00".join(names[i] for i in used).encode())
            digest.update(np.ascontiguousarray(own).data)
        stated: npt.NDArray[np.integer] = self.values
        if len(self) and (stated.min() < 0 or not self.valid.all()):
            # nothing stated was always -1 here, so what is not known is -2
            stated = np.where(self.valid, stated - (stated < 0), np.int32(-1)).astype(stated.dtype)
        for array in (self.minute, self.available, stated):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def to_table(self, source: str, received_at: np.datetime64, targets: Sequence[str]) -> pa.Table:
        """Rows of `tables.observations(targets)`."""
        same = np.zeros(len(self), dtype=np.int32)
        received = np.full(len(self), received_at.astype("datetime64[us]"))
        counts = zip(self.values, self.valid, strict=True)
        columns = [
            self._names(self.station, self.stations),
            schemas.time_array((self.minute * MICROSECONDS).view("datetime64[us]")),
            self._names(self.part, self.parts),
            schemas.name_array(same, [source]),
            schemas.time_array(self.available.view("datetime64[us]")),
            schemas.time_array(received),
            *(pa.array(v, mask=None if ok.all() else ~ok) for v, ok in counts),
        ]
        return pa.Table.from_arrays(columns, schema=schemas.observations(targets))

    @staticmethod
    def _names(codes: npt.NDArray[np.int32], names: Sequence[str]) -> pa.DictionaryArray:
        used, own = _used_codes(codes, len(names))
        return schemas.name_array(own, [names[i] for i in used])


def split_days(minute: Int, timezone: str) -> Iterator[tuple[str, Int | slice]]:
    """Which rows belong to each service day, ascending, in their present order; a slice where they stand together.

    Args:
        minute: UTC minutes since 1970 [row].
        timezone: the network's.
    """
    if not len(minute):
        return
    first, last = int(minute.min()) // _QUARTER, int(minute.max()) // _QUARTER
    quarters = np.arange(first, last + 1) * _QUARTER
    days = service_dates(quarters.astype("datetime64[m]"), timezone).astype(np.int64)
    if days[0] == days[-1]:
        yield str(np.datetime64(int(days[0]), "D")), slice(0, len(minute))
        return
    day = (days - days[0]).astype(np.int32)[minute // _QUARTER - first]
    changes = np.flatnonzero(np.diff(day)) + 1
    if (np.diff(day[np.append(0, changes)]) > 0).all():  # in order of time
        edges = [0, *changes.tolist(), len(day)]
        for start, end in pairwise(edges):
            yield str(np.datetime64(int(days[0] + day[start]), "D")), slice(start, end)
        return
    if day.max() < np.iinfo(np.int16).max:
        day = day.astype(np.int16)  # NumPy sorts 16 bits in linear time
    order = np.argsort(day, kind="stable")
    places = np.searchsorted(day[order], np.arange(int(day.max()) + 2))
    for i in np.flatnonzero(places[1:] > places[:-1]):
        yield str(np.datetime64(int(days[0] + i), "D")), order[places[i] : places[i + 1]]


def concatenate(first: Statements, *more: Statements) -> Statements:
    """The rows of all, one after the other, on common names."""
    every = (first, *more)
    stations, station = _common_codes([(each.station, each.stations) for each in every])
    parts, part = _common_codes([(each.part, each.parts) for each in every])
    return Statements(
        station,
        np.concatenate([each.minute for each in every]),
        part,
        np.concatenate([each.available for each in every]),
        np.concatenate([each.values for each in every], axis=1),
        np.concatenate([each.valid for each in every], axis=1),
        stations,
        parts,
    )


def _common_codes(coded: Sequence[Names]) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Names of all, ascending, and the codes of each as codes into them."""
    names = sorted({name for _, own in coded for name in own})
    place = {name: code for code, name in enumerate(names)}
    new = [np.array([place[name] for name in own], dtype=np.int32)[codes] for codes, own in coded if len(codes)]
    return names, np.concatenate([np.zeros(0, dtype=np.int32), *new])


def _used_codes(codes: npt.NDArray[np.int32], count: int) -> tuple[Int, npt.NDArray[np.int32]]:
    """The codes that occur, ascending, and each row's place among them."""
    if count == 1 and len(codes):
        return np.zeros(1, dtype=np.int64), codes
    occurs = np.zeros(count, dtype=bool)
    occurs[schemas.run_heads(codes)] = True
    if occurs.all():
        return np.arange(count), codes
    return np.flatnonzero(occurs), (np.cumsum(occurs, dtype=np.int32) - 1).astype(np.int32)[codes]
