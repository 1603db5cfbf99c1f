"""Limits above which an hour is busy, per service day of forecasts: learnt once, kept, and read again by every scoring.

`busy_hours/service_date=D/part.parquet` holds them. They come from the minutes of the 28 days before D as they were
known when D was scored first, so that a score changes with its truth and not with what it is held against.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.busy_hours import HISTORY_DAYS, busy_limits, hour_sums
from tasks.clock import day_bounds
from tasks.metrics import Double
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import to_grid
from tasks.total import with_total

DAY = np.timedelta64(1, "D")
HOURS = 25
"""Most clock hours of a service day."""


class BusyDays:
    """Reads or makes the limits of service days; hours of a day are added up once per scoring."""

    def __init__(self, settings: Settings) -> None:
        self._network, self._store = settings.network, Store(settings.data_root)
        self._hours: dict[np.datetime64, tuple[tuple[str, ...], Double]] = {}

    def limits(self, day: np.datetime64, stations: tuple[str, ...]) -> Double:
        """People per hour above which an hour of a service day is busy, float64 [C, S]; NaN where that is not known.

        Raises:
            StoreError: if a table cannot be read or written.
        """
        path = f"{schemas.day_folder('busy_hours', day)}/part.parquet"
        if self._store.exists(path):
            table = self._store.read_tables([path], schemas.BUSY_HOURS)
        else:
            table = self._learn(day)
            self._store.write_table(path, table)
        return _spread(table, self._network.targets, stations)

    def _learn(self, day: np.datetime64) -> pa.Table:
        """The limits of a service day from the minutes of the days before it."""
        there = set(self._store.partitions("minutes"))
        days = [day - n * DAY for n in range(1, HISTORY_DAYS + 1) if str(day - n * DAY) in there]
        hours = [self._of_day(each) for each in days]
        names = tuple(sorted({name for stations, _ in hours for name in stations}))
        place = {name: s for s, name in enumerate(names)}
        history = np.full((len(self._network.targets), len(names), len(days) * HOURS), np.nan)
        for n, (stations, sums) in enumerate(hours):
            history[:, [place[name] for name in stations], n * HOURS : n * HOURS + sums.shape[2]] = sums
        limits = busy_limits(history)
        c, s = np.nonzero(np.isfinite(limits))
        columns = [schemas.name_array(s, names), schemas.name_array(c, self._network.targets), pa.array(limits[c, s])]
        return pa.Table.from_arrays(columns, schema=schemas.BUSY_HOURS)

    def _of_day(self, day: np.datetime64) -> tuple[tuple[str, ...], Double]:
        """Stations and clock hours of one service day."""
        if day not in self._hours:
            network = self._network
            rows = self._store.read_tables([schemas.minutes_file(day)], schemas.minutes(network.targets))
            grid = to_grid(rows, *day_bounds(day, network.timezone), network.interval_minutes, network.targets)
            grid = with_total(grid, network.total)
            self._hours[day] = grid.stations, hour_sums(grid)[1][:, :, :HOURS]
        return self._hours[day]


def _spread(table: pa.Table, targets: tuple[str, ...], stations: tuple[str, ...]) -> Double:
    """Rows of `tables.BUSY_HOURS` as an array [C, S]."""
    known = zip(*(table[name].to_pylist() for name in ("target", "station_id", "limit")), strict=True)
    limit = {(target, station): value for target, station, value in known}
    return np.array([[limit.get((target, station), np.nan) for station in stations] for target in targets])
