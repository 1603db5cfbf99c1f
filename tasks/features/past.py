"""Features at past moments, from what was known then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from tasks.arrays import Int, Minutes
from tasks.features.availability import Availability
from tasks.features.channel_tensors import Channels
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.large_arrays import copy_array
from tasks.settings.tree import FeatureSettings
from tasks.total import sum_up

RECENT_MINUTES = 720
"""Nothing within so many minutes before an origin serves as its lag: lags lie most of a day back, or more."""


@dataclass(frozen=True)
class PastFeatures:
    """Features of today's minutes, and when these were known.

    Attributes:
        today: with every count known today; the truth of scores.
        known: None where every count was known as soon as its interval ended.
    """

    today: MinuteFeatures
    known: Availability | None = None

    def share(self, file: Path) -> SharedPast:
        """Write the counts, and when they were known, to files beside one another that other processes can open.

        The rest is small enough to be sent.
        """
        t = self.today
        np.save(file, t.grid.values if t.grid.mapped is None else t.grid.values.transpose(2, 0, 1))
        if self.known is not None:
            self.known.save(file.with_suffix(".npz"))
        empty = replace(t.grid, values=t.grid.values[:, :, :0])
        return SharedPast(file, empty, t.clock.timezone, t.settings, t.holidays, t.channels)

    def before(self, moment: np.datetime64) -> MinuteFeatures:
        """Features for a fit at a moment: minutes before it as they were known then; nothing at or after it."""
        grid = self.today.grid
        at = int(grid.index(moment.astype("datetime64[m]")))
        values = copy_array(grid.values, grid.mapped)
        values[:, :, max(at, 0) :] = np.nan
        if self.known is not None:
            station, step, since = self.known.late(0)
            self._rewind(values, station, step, since, at)
        return self._like(values, None)

    def at(self, origins: Minutes) -> Iterator[tuple[MinuteFeatures, Minutes]]:
        """Runs of ascending origins with the features to forecast them from."""
        if self.known is None or not len(origins):
            yield self.today, origins
            return
        station, step, since = self.known.late(RECENT_MINUTES // self.today.grid.interval)
        at = self.today.grid.index(origins)
        run = np.searchsorted(np.unique(since), at, side="right")
        for number in np.unique(run):
            part, last = origins[run == number], int(at[run == number][-1])
            if (since <= last).all():
                yield self._like(self.today.grid.values, self.known), part
                continue
            values = copy_array(self.today.grid.values, self.today.grid.mapped)
            self._rewind(values, station, step, since, last)
            yield self._like(values, self.known), part

    def _rewind(self, values: np.ndarray, station: Int, step: Int, since: Int, at: int) -> None:  # type: ignore[type-arg]
        """Put into some cells what stood in them at origin `at`."""
        assert self.known is not None
        open_ = (since > at) & (step < at)
        station, step = station[open_], step[open_]
        values[:, station, step] = self.known.values_at(station, step, np.full(len(station), at)).T
        if self.today.grid.total is not None and len(station):
            sum_up(values, self.today.grid.interval)

    def _like(self, values: np.ndarray, known: Availability | None) -> MinuteFeatures:  # type: ignore[type-arg]
        t = self.today
        if values is t.grid.values:
            return t.with_availability(known)
        grid = replace(t.grid, values=values)
        return MinuteFeatures(grid, t.clock.timezone, t.settings, t.holidays, t.delay_steps, known, t.channels)


@dataclass(frozen=True)
class SharedPast:
    """A past whose counts are in a file, to be opened in another process.

    Attributes:
        file: the counts, an array that NumPy can map; by time, as the mapped ones that it was made of.
        grid: the grid of the counts, without a minute.
        timezone, settings, holidays, channels: of the features; see `MinuteFeatures`.
    """

    file: Path
    grid: Grid
    timezone: str
    settings: FeatureSettings
    holidays: frozenset[date]
    channels: Channels

    def open(self) -> PastFeatures:
        """The past, its counts mapped and not read."""
        values = np.load(self.file, mmap_mode="r")
        grid = replace(self.grid, values=values if self.grid.mapped is None else values.transpose(1, 2, 0))
        today = MinuteFeatures(grid, self.timezone, self.settings, self.holidays, channels=self.channels)
        known = self.file.with_suffix(".npz")
        return PastFeatures(today, Availability.load(known) if known.exists() else None)
