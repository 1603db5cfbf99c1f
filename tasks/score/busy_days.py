"""Limits above which an hour is busy, per service day of forecasts: learnt once, kept, and read again by every scoring.

`busy_hours/service_date=D/part.parquet` holds them. They come from the minutes of the 28 days before D as they were
known when D was scored first, so that a score changes with its truth and not with what it is held against.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from tasks.busy_hours import HISTORY_DAYS, busy_limits
from tasks.metrics import Double
from tasks.score.day_hours import HOURS, HoursByDay
from tasks.settings.tree import Settings
from tasks.storage.parquet import decode_table, encode_table
from tasks.storage.store import Store
from tasks.tables import schemas


class BusyDays:
    """Reads or makes the limits of service days."""

    def __init__(self, settings: Settings, hours: HoursByDay) -> None:
        self._network, self._store, self._hours = settings.network, Store(settings.data_root), hours

    def limits(self, day: np.datetime64, stations: tuple[str, ...]) -> Double:
        """People per hour above which an hour of a service day is busy, float64 [C, S]; NaN where that is not known.

        Raises:
            StoreError: if a table cannot be read or written.
        """
        return _spread(decode_table(self._content(day), schemas.BUSY_HOURS), self._network.targets, stations)

    def digest(self, day: np.datetime64) -> str:
        """Digest of the limits of a service day.

        Raises:
            StoreError: if a table cannot be read or written.
        """
        return hashlib.sha256(self._content(day)).hexdigest()

    def _content(self, day: np.datetime64) -> bytes:
        """The file of a service day, which is made where there is none."""
        path = f"{schemas.day_folder('busy_hours', day)}/part.parquet"
        data = self._store.read_bytes(path)
        if data is None:
            data = encode_table(self._learn(day))
            self._store.write_bytes(path, data)
        return data

    def _learn(self, day: np.datetime64) -> pa.Table:
        """The limits of a service day from the minutes of the days before it."""
        hours = [(each.stations, each.sums) for each in self._hours.before(day, HISTORY_DAYS)]
        names = tuple(sorted({name for stations, _ in hours for name in stations}))
        place = {name: s for s, name in enumerate(names)}
        history = np.full((len(self._network.targets), len(names), len(hours) * HOURS), np.nan)
        for n, (stations, sums) in enumerate(hours):
            history[:, [place[name] for name in stations], n * HOURS : n * HOURS + sums.shape[2]] = sums
        limits = busy_limits(history)
        c, s = np.nonzero(np.isfinite(limits))
        columns = [schemas.name_array(s, names), schemas.name_array(c, self._network.targets), pa.array(limits[c, s])]
        return pa.Table.from_arrays(columns, schema=schemas.BUSY_HOURS)


def _spread(table: pa.Table, targets: tuple[str, ...], stations: tuple[str, ...]) -> Double:
    """Rows of `tables.BUSY_HOURS` as an array [C, S]."""
    known = zip(*(table[name].to_pylist() for name in ("target", "station_id", "limit")), strict=True)
    limit = {(target, station): value for target, station, value in known}
    return np.array([[limit.get((target, station), np.nan) for station in stations] for target in targets])
