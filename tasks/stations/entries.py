"""Entries of a station file: values as they are written, made safe and checked."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tasks.errors import ConfigError
from tasks.stations.ids import IdMap
from tasks.stations.table import Station

LONGEST_TEXT = 200
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Entry:
    """One station as a file states it; blank text for what it does not state.

    Attributes:
        place: where it is in the file, such as "line 7".
    """

    place: str
    station_id: str
    name: str = ""
    latitude: str = ""
    longitude: str = ""
    line: str = ""
    zone: str = ""
    capacity: str = ""


@dataclass
class EntryReader:
    """Makes stations of entries, and counts what it cannot use."""

    origin: str
    ids: IdMap
    faults: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def read(self, entries: Iterable[Entry]) -> dict[str, Station]:
        """Stations by id of the network. An id that is written as the network's comes before an alias of it.

        Raises:
            ConfigError: if one id has two names; says which, and where.
        """
        found: dict[str, tuple[Entry, Station]] = {}
        for entry in entries:
            written = entry.station_id.strip()
            if not written:
                self._count("without a station id", entry.place)
                continue
            station = self._station(entry, self.ids.network_id(written))
            before = found.get(station.station_id)
            if before is None or self._is_alias(before[0]) > self._is_alias(entry):
                found[station.station_id] = entry, station
            elif self._is_alias(before[0]) == self._is_alias(entry):
                self._check_name(before, entry, station)
        return {station_id: station for station_id, (_, station) in found.items()}

    def notes(self) -> tuple[str, ...]:
        """One sentence per kind of fault, with its first place."""
        return tuple(f"{count:,} {what}, first in {self.first[what]}" for what, count in self.faults.items())

    def _is_alias(self, entry: Entry) -> bool:
        written = entry.station_id.strip()
        return self.ids.aliases.get(written, written) != written

    def _check_name(self, before: tuple[Entry, Station], entry: Entry, station: Station) -> None:
        other, known = before
        if station.name != known.name and station.name is not None and known.name is not None:
            raise ConfigError(
                f"{self.origin} names station {station.station_id!r} twice: {known.name!r} in {other.place} and "
                f"{station.name!r} in {entry.place}: keep one, or say which ids are one station in [stations] aliases"
            )

    def _station(self, entry: Entry, station_id: str) -> Station:
        latitude, longitude = self._coordinates(entry)
        return Station(
            station_id,
            plain_text(entry.name) or None,
            latitude,
            longitude,
            plain_text(entry.line) or None,
            plain_text(entry.zone) or None,
            self._capacity(entry),
        )

    def _coordinates(self, entry: Entry) -> tuple[float | None, float | None]:
        """Latitude and longitude; none where one is missing, wrong, or both are 0, as feeds write unknown places."""
        if not entry.latitude.strip() and not entry.longitude.strip():
            return None, None
        latitude, longitude = _number(entry.latitude), _number(entry.longitude)
        if not (abs(latitude) <= 90 and abs(longitude) <= 180):
            self._count("with coordinates that are none (latitude -90 to 90, longitude -180 to 180)", entry.place)
            return None, None
        return (None, None) if latitude == longitude == 0 else (latitude, longitude)

    def _capacity(self, entry: Entry) -> int | None:
        if not entry.capacity.strip():
            return None
        capacity = _number(entry.capacity)
        if capacity >= 0 and capacity == capacity // 1 and capacity < 2**31:
            return int(capacity)
        self._count("with a capacity that is no whole number", entry.place)
        return None

    def _count(self, what: str, place: str) -> None:
        self.faults[what] += 1
        self.first.setdefault(what, place)


def plain_text(text: str) -> str:
    """Text on one line, without control and invisible characters, of at most `LONGEST_TEXT` characters."""
    if text.isprintable():
        return " ".join(text.split())[:LONGEST_TEXT].strip()
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text[: 10 * LONGEST_TEXT])
    visible = (c for c in kept if c in _JOINERS or unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn"))
    return " ".join("".join(visible).split())[:LONGEST_TEXT].strip()


def _number(text: str) -> float:
    """A number; NaN where it is none."""
    try:
        return float(text) if text.strip().isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan
