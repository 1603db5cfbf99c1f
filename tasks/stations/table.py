"""The station table: what is known of stations besides their counts, by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Station:
    """One station; what is not known is None.

    Attributes:
        station_id: id of the network.
        name: for people, one line.
        latitude, longitude: degrees, WGS 84; both or none.
        line, zone: as the operator calls them.
        capacity: docks or people that it holds.
    """

    station_id: str
    name: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    line: str | None = None
    zone: str | None = None
    capacity: int | None = None

    @property
    def label(self) -> str:
        """Name and id for people; the id alone where there is no other name."""
        return self.station_id if self.name in (None, self.station_id) else f"{self.name} ({self.station_id})"

    def known(self) -> dict[str, Any]:
        """What is known of it besides its id, by name of the field; JSON-able."""
        names = ("name", "line", "zone", "latitude", "longitude", "capacity")
        facts = {name: value for name, value in vars(self).items() if value is not None}
        return {name: facts[name] for name in names if name in facts}


@dataclass(frozen=True)
class StationTable:
    """Stations by id.

    Attributes:
        stations: by id of the network.
        origin: file that it was read from; empty where none is configured.
        notes: sentences on what of the file is not used.
        problem: why the file cannot be used; None where it can, or none is configured.
    """

    stations: Mapping[str, Station] = field(default_factory=dict)
    origin: str = ""
    notes: Sequence[str] = ()
    problem: str | None = None

    def find(self, station_id: str) -> Station:
        """The station of an id; one without further knowledge where the table has no entry."""
        return self.stations.get(station_id) or Station(station_id)

    def label(self, station_id: str) -> str:
        """Name and id of a station for people."""
        return self.find(station_id).label


NO_STATIONS = StationTable()
"""The table of a network that configures none."""
