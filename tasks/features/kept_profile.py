"""The profile of the last day, kept from one forecast to the next.

A forecast needs the profile of 27 hours, the next one of the same hours but for some minutes; each minute takes two
dozen days to make. Past days seldom change, so the profile lies in `derived/profile.arrow` with all that it was made
of: the settings, the holidays, and the content of every past day by its SHA-256. Where any of that is another, or the
file is damaged, the profile is made again; deleting it costs the next forecast a second of time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.arrays import Float, Int, Minutes
from tasks.settings.tree import FeatureSettings, Network
from tasks.storage.sealed import read_arrow, write_arrow
from tasks.storage.store import Store

PATH = "derived/profile.arrow"
FORMAT = "1"
ABSENT = ""
"""Content of a day that the table does not have."""


@dataclass(frozen=True)
class KeptProfile:
    """The profile of successive minutes.

    Attributes:
        start: first of them, UTC.
        interval: minutes per step.
        stations: names.
        values: float32 [target, station, step]; NaN where no earlier day has a value.
    """

    start: np.datetime64
    interval: int
    stations: tuple[str, ...]
    values: Float

    def positions(self, minutes: Minutes) -> Int:
        """Step of each minute, -1 where there is none."""
        step, rest = np.divmod((minutes - self.start).astype("timedelta64[m]").astype(np.int64), self.interval)
        return np.where((step >= 0) & (step < self.values.shape[2]) & (rest == 0), step, -1)

    def of(self, stations: Sequence[str]) -> KeptProfile:
        """The same for other stations; one that it does not have had no count on any of the days it was made of."""
        if tuple(stations) == self.stations:
            return self
        place = {name: i for i, name in enumerate(self.stations)}
        at = np.array([place.get(name, -1) for name in stations], np.int64)
        values = self.values[:, np.maximum(at, 0)]
        values[:, at < 0] = np.nan
        return KeptProfile(self.start, self.interval, tuple(stations), values)


@dataclass(frozen=True)
class Origins:
    """What a profile is made of, but for its minutes.

    Attributes:
        network, settings: how lags become a profile.
        holidays: dates of their own kind, between `begin` and `stop`.
        begin, stop: first and last date of the grid.
        days: past service day -> SHA-256 of its minute file, `ABSENT` where there is none.
    """

    network: Network
    settings: FeatureSettings
    holidays: frozenset[date]
    begin: np.datetime64
    stop: np.datetime64
    days: Mapping[str, str]

    def head(self) -> dict[str, Any]:
        """As the file states it."""
        given = self.settings.model_dump(mode="json")
        return {
            "format": FORMAT,
            "targets": list(self.network.targets),
            "total": self.network.total,
            "interval": self.network.interval_minutes,
            "timezone": self.network.timezone,
            "settings": {name: given[name] for name in PROFILE_SETTINGS},
            "holidays": sorted(str(day) for day in self.holidays),
            "stop": str(self.stop),
            "days": dict(self.days),
        }

    def agrees(self, head: Mapping[str, Any]) -> bool:
        """Whether a file was made of the same, so far as the minutes go that both have."""
        mine = self.head()
        same = all(head.get(key) == mine[key] for key in SAME)
        first, last = str(self.begin), min(head["stop"], mine["stop"])
        holidays = ([day for day in each["holidays"] if first <= day <= last] for each in (head, mine))
        days = head["days"]
        return same and next(holidays) == next(holidays) and all(days.get(d, c) == c for d, c in self.days.items())


SAME = ("format", "targets", "total", "interval", "timezone", "settings")
"""Entries of the head that have to be equal."""
PROFILE_SETTINGS = ("weeks", "smooth_minutes", "recency", "other_days", "other_days_reach", "weekend")
"""Settings of features that a profile depends on."""


def read_kept(store: Store, origins: Origins) -> KeptProfile | None:
    """The profile that is kept; None where there is none of these origins, or a damaged one."""
    found = read_arrow(store, PATH)
    if found is None or not origins.agrees(found[0]):
        return None
    head, reader = found
    stations = tuple(head["stations"])
    values = [column.to_numpy().reshape(len(stations), -1) for column in reader.get_batch(0).columns]
    return KeptProfile(np.datetime64(head["start"], "m"), head["interval"], stations, np.stack(values))


def write_kept(store: Store, profile: KeptProfile, origins: Origins) -> None:
    """Keep a profile; where that fails the next forecast makes it again."""
    head = origins.head() | {"start": str(profile.start), "stations": profile.stations}
    columns = [pa.array(np.ascontiguousarray(values).ravel()) for values in profile.values]
    names = [f"target_{number}" for number in range(len(columns))]
    write_arrow(store, PATH, head, [pa.record_batch(columns, names=names)])
