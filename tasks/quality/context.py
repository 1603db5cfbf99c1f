"""Input of the quality checks: the days that an ingest touched, earlier days, and what the sources reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa

from tasks.clock import day_bounds, holiday_dates, service_dates, source_days
from tasks.grid import Grid
from tasks.quality.hourly import DayComparison, StationHours, beside, by_hour
from tasks.quality.results import NotRun
from tasks.settings.quality import QualitySettings
from tasks.settings.tree import Settings
from tasks.tables import schemas
from tasks.tables.minutes import to_grid

_DAY = np.timedelta64(1, "D")


class SourceFacts(Protocol):
    """What one ingest of one source did, as far as the checks look at it; see the report of the ingest."""

    @property
    def source(self) -> str:
        """Its name."""

    @property
    def rows(self) -> int:
        """Rows that landed."""

    @property
    def rejected(self) -> int:
        """Rows rejected."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many of each reason."""

    @property
    def last_minute(self) -> str | None:
        """Latest minute that it stated, ISO 8601 UTC."""

    @property
    def days(self) -> Sequence[str]:
        """Service days that it changed."""


@dataclass(frozen=True)
class Seen:
    """What a check may look at. What takes reading is read when a check first asks for it.

    Attributes:
        settings: the whole tree.
        as_of: now.
        sources: what this ingest did, one report per source that was read.
        days: service days to look at, ascending.
        minutes: rows of the minute table of a service day, as known now.
        last_minutes: latest minute that each configured source ever stated, None for never.
        known: service day on which each station was last seen; None before the first look.
        backfill: whether history was read.
        past_hours: an earlier service day by the hour, as known now; made of its minutes without it.
        observations: rows of the table of observations of a service day, in any order, some perhaps twice.
    """

    settings: Settings
    as_of: np.datetime64
    sources: tuple[SourceFacts, ...] = ()
    days: tuple[str, ...] = ()
    minutes: Callable[[str], pa.Table] = lambda day: schemas.minutes(()).empty_table()
    last_minutes: Callable[[], Mapping[str, np.datetime64 | None]] = dict
    known: Mapping[str, str] | None = None
    backfill: bool = False
    past_hours: Callable[[str], StationHours] | None = None
    observations: Callable[[str], pa.Table] | None = None
    _past: dict[str, StationHours] = field(default_factory=dict)
    _read: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def config(self) -> QualitySettings:
        """The limits."""
        return self.settings.quality

    @property
    def interval(self) -> int:
        """Minutes per step."""
        return self.settings.network.interval_minutes

    def rows(self, day: np.datetime64 | str) -> pa.Table:
        """Rows of the minute table of a service day, read once."""
        if str(day) not in self._read:
            self._read[str(day)] = self.minutes(str(day))
        return self._read[str(day)]

    @cached_property
    def grids(self) -> list[Grid]:
        """The days looked at as dense grids, days that follow one another in one.

        Raises:
            NotRun: if there are no minutes.
        """
        network, grids = self.settings.network, []
        days = np.array(self._days_with_minutes, dtype="datetime64[D]")
        for run in np.split(days, np.flatnonzero(np.diff(days) != _DAY) + 1):
            start, end = day_bounds(run[0], network.timezone)[0], day_bounds(run[-1], network.timezone)[1]
            table = pa.concat_tables([self.rows(day) for day in run])
            grids.append(to_grid(table, start, end, network.interval_minutes, network.targets))
        return grids

    @cached_property
    def hourly_days(self) -> list[DayComparison]:
        """The days looked at by the hour, each beside earlier ones of its kind.

        Raises:
            NotRun: if there are no minutes.
        """
        network, days = self.settings.network, np.array(self._days_with_minutes, dtype="datetime64[D]")
        holidays = holiday_dates(
            network.country, network.subdivision, days[0] - 7 * (self.config.weeks + 1) * _DAY, days[-1]
        )
        earlier = source_days(days, self.config.weeks, holidays)
        return [
            beside(self._hours(day), [self._hours(d) for d in earlier[:, i] if not np.isnat(d)])
            for i, day in enumerate(days)
        ]

    def _hours(self, day: np.datetime64) -> StationHours:
        """A service day by the hour; that of a day whose rows nobody asks for comes from `past_hours`."""
        network, name = self.settings.network, str(day)
        if self.past_hours is None or name in self.days:
            return by_hour(day, self.rows(name), network.timezone, network.interval_minutes)
        if name not in self._past:
            self._past[name] = self.past_hours(name)
        return self._past[name]

    @cached_property
    def stations(self) -> dict[str, str]:
        """Stations that were read, and the last service day that each is seen on.

        Raises:
            NotRun: if there are no minutes.
        """
        if not self._days_with_minutes:
            raise NotRun("no minutes to look at")
        read = {day: schemas.name_codes(rows["station_id"])[1] for day, rows in self._read.items()}
        read |= {day: list(hours.stations) for day, hours in self._past.items()}
        return {name: day for day in sorted(read) for name in read[day]}

    @property
    def _days_with_minutes(self) -> list[str]:
        """Days to look at that have minutes."""
        filled = [day for day in self.days if self.rows(day).num_rows]
        if not filled:
            raise NotRun("no minutes in the days that this ingest touched, nor in the last hours")
        return filled


def days_to_look_at(settings: Settings, touched: Sequence[str], as_of: np.datetime64) -> tuple[str, ...]:
    """The newest service days that an ingest touched, and those of the last hours; ascending."""
    config, now = settings.quality, as_of.astype("datetime64[m]")
    edges = np.array([now - np.timedelta64(config.recent_hours, "h"), now])
    first, last = map(str, service_dates(edges, settings.network.timezone))
    newest = sorted({day for day in touched if day <= last})[-config.days :]
    return tuple(sorted({*newest, first, last}))
