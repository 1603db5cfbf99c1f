"""People per clock hour of service days, read one day at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays import Int
from tasks.busy_hours import hour_sums
from tasks.clock import day_bounds, to_local
from tasks.metrics import Double
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import minute_files, to_grid
from tasks.total import with_total

HOURS = 25
"""Most clock hours of a service day."""


@dataclass(frozen=True)
class DayHours:
    """A service day by clock hours.

    Attributes:
        stations: names of the axis S, the network's total last where there is one.
        sums: people, float64 [C, S, hour]; NaN where a minute of the hour was not observed.
        hour_of_day: local hour of each, [hour].
        missing: share of the intervals that were not observed, [S].
    """

    stations: tuple[str, ...]
    sums: Double
    hour_of_day: Int
    missing: Double


class HoursByDay:
    """Reads service days of the minute table, each once, and keeps their hours."""

    def __init__(self, settings: Settings) -> None:
        self._network, self._store = settings.network, Store(settings.data_root)
        self._read: dict[np.datetime64, DayHours] = {}

    def before(self, day: np.datetime64, days: int) -> list[DayHours]:
        """The service days before one that there are, of so many, newest first.

        Raises:
            StoreError: if a table cannot be read.
        """
        there = set(self._store.partitions("minutes"))
        wanted = [day - np.timedelta64(n, "D") for n in range(1, days + 1)]
        return [self._of_day(each) for each in wanted if str(each) in there]

    def _of_day(self, day: np.datetime64) -> DayHours:
        if day not in self._read:
            network = self._network
            rows = self._store.read_tables(minute_files(self._store, [str(day)]), schemas.minutes(network.targets))
            grid = to_grid(rows, *day_bounds(day, network.timezone), network.interval_minutes, network.targets)
            missing = np.isnan(grid.values).mean(axis=(0, 2))
            grid = with_total(grid, network.total)
            first, sums = hour_sums(grid)
            starts = first.astype("datetime64[m]") + np.arange(sums.shape[2]) * np.timedelta64(60, "m")
            hour = (to_local(starts, network.timezone).astype(np.int64) // 60) % 24
            self._read[day] = DayHours(grid.stations, sums[:, :, :HOURS], hour[:HOURS].astype(np.int64), missing)
        return self._read[day]
