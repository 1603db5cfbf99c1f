"""What was counted on a service day and in the hour after it, and the week before at the same wall clock."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import pyarrow.compute as pc

from tasks.clock import day_bounds
from tasks.grid import Grid
from tasks.score.scoring import HOUR, WEEK, week_before
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import days_of, read_minutes, to_grid
from tasks.total import with_total

CLOCK_CHANGE = np.timedelta64(3, "h")
MINUTE, DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")
Span = tuple[np.datetime64, np.datetime64]


class Truth:
    """The counts that the forecasts of a service day are held against, read when they are asked for.

    Args:
        settings: the network and its data root.
        day: the service day.
        as_of: now, UTC; counts at or after it are not read.

    Attributes:
        end: the minute after the last one that is looked at, UTC.
    """

    def __init__(self, settings: Settings, day: np.datetime64, as_of: np.datetime64) -> None:
        self._network, self._store = settings.network, Store(settings.data_root)
        self._edge = as_of.astype("datetime64[m]")
        begin, stop = day_bounds(day, self._network.timezone)
        self.end = stop + HOUR
        begin = begin - np.timedelta64(int(begin.astype(np.int64)) % self._network.interval_minutes, "m")
        # a total has to know which stations were open, and so the day before
        spare = np.timedelta64(0, "D") if self._network.total is None else DAY
        self._today: Span = (begin - spare, stop + HOUR)
        self._earlier: Span = (begin - WEEK - CLOCK_CHANGE - spare, stop + HOUR - WEEK + CLOCK_CHANGE)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of every minute file that is read, by service day; to be asked for before the counts are.

        Raises:
            StoreError: if one cannot be read.
        """
        spans = (self._today, self._earlier)
        days = {day for span in spans for day in days_of(self._store, "minutes", *span, self._network.timezone)}
        content = {day: self._store.read_bytes(schemas.minutes_file(day)) for day in sorted(days)}
        return {day: hashlib.sha256(data or b"").hexdigest() for day, data in content.items()}

    @cached_property
    def actual(self) -> Grid:
        """Counts of the day and the hour after it."""
        return self._grid(self._today)

    @cached_property
    def baseline(self) -> Grid:
        """What the week before counted at the same wall clock."""
        return week_before(self.actual, self._grid(self._earlier), self._network.timezone)

    def digest(self, start: np.datetime64, end: np.datetime64) -> str:
        """Digest of the counts and of the baseline of a UTC span, of the stations that have some in it."""
        found = hashlib.sha256()
        for grid in (self.actual, self.baseline):
            first, last = (int(np.clip(grid.index(moment), 0, grid.steps)) for moment in (start, end))
            part = grid.values[:, :, first:last]
            some = np.isfinite(part).any(axis=(0, 2))
            found.update("\0".join(np.array(grid.stations, dtype=object)[some].tolist()).encode())
            found.update(np.ascontiguousarray(part[:, some]).tobytes())
        return found.hexdigest()

    def _grid(self, span: Span) -> Grid:
        first, last = span
        network = self._network
        end = max(min(last, self._edge), first + MINUTE)
        rows = read_minutes(self._store, first, end, network.timezone, network.targets)
        rows = rows.filter(pc.field("minute_utc") < schemas.to_time(self._edge))
        return with_total(to_grid(rows, first, last, network.interval_minutes, network.targets), network.total)
