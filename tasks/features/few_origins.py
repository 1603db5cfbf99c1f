"""Features of a few origins, from the minutes that these can see and the profile kept from the forecast before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from tasks.arrays import Minutes
from tasks.channels import Channel
from tasks.clock import WallClock, day_bounds, service_dates
from tasks.features.channel_tensors import Channels
from tasks.features.kept_profile import ABSENT, KeptProfile, Origins, read_kept, write_kept
from tasks.features.lags import lag_index
from tasks.features.needed import Mask, days_of_steps, load_needed, needed_steps
from tasks.features.profile import half_window, profile_lags
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.day_grids import DayGrids
from tasks.tables.minutes import days_of
from tasks.total import with_total

MINUTE = np.timedelta64(1, "m")
LEAST_BEFORE = np.timedelta64(6, "h")
"""Time before an origin that levels and alerts look at, and at its lags, whatever the settings of features."""
FEWEST_SERIES = 100
"""Series (a target at a station) below which the profile is made faster than it is kept."""
KEEP_AFTER = 15
"""Minutes that are new in a profile from which on it is kept again."""


@dataclass(frozen=True)
class Asked:
    """Which origins features are wanted of.

    Attributes:
        start, end: first and last origin, UTC.
        begin, stop: first minute of the history, and the one after the last hour.
        before: how far the tensors of an origin look back on its own day and the one before.
        as_of: what was known then; today's truth without it.
        whole_day: whether profile and lags of the first origin's service day are wanted, too.
    """

    start: np.datetime64
    end: np.datetime64
    begin: np.datetime64
    stop: np.datetime64
    before: np.timedelta64
    as_of: np.datetime64 | None
    whole_day: bool


def load_few(
    settings: Settings, asked: Asked, holidays: frozenset[date], channels: Sequence[Channel]
) -> MinuteFeatures | None:
    """Features of these origins; None where nothing at all is known."""
    few = _Few(settings, asked, holidays)
    kept = few.read_kept()
    grid = few.load(kept)
    if not grid.stations:
        return None
    grid = with_total(grid, settings.network.total)
    old = None if kept is None else kept.of(grid.stations)
    extra = Channels(channels, grid)
    features = MinuteFeatures(grid, few.clock.timezone, settings.features, holidays, channels=extra, kept=old)
    features.kept = KeptProfile(few.minutes[0], grid.interval, grid.stations, features.profile(few.minutes))
    few.keep(features.kept, kept)
    return features


class _Few:
    """What the features of a few origins need, step by step."""

    def __init__(self, settings: Settings, asked: Asked, holidays: frozenset[date]) -> None:
        network = settings.network
        self.settings, self.asked, self.holidays = settings, asked, holidays
        self.store, self.features = Store(settings.data_root), settings.features
        step = network.interval_minutes * MINUTE
        steps = int((asked.stop - asked.begin) // step)
        self.clock = WallClock(asked.begin, steps, network.interval_minutes, network.timezone, holidays)
        self.day = day_bounds(service_dates(np.array([asked.start]), network.timezone)[0], network.timezone)
        self.half, self.total = half_window(self.features, network.interval_minutes), network.total is not None
        first, last = asked.start - np.maximum(asked.before, LEAST_BEFORE), asked.stop
        if asked.whole_day:
            first, last = min(first, self.day[0] - step), max(last, self._end_of_bins())
        first = asked.begin + (first - asked.begin) // step * step
        self.minutes: Minutes = np.arange(first, last, step)
        self.weeks = lag_index(self.clock, self.minutes, self.features.weeks)
        self.sources = profile_lags(self.clock, self.minutes, self.features, self.weeks).source
        until = asked.stop if asked.as_of is None else min(asked.stop, asked.as_of.astype("datetime64[m]"))
        self.reader = DayGrids(
            self.store, network.targets, network.interval_minutes, network.timezone, until, asked.start, asked.as_of
        )
        table = "minutes" if asked.as_of is None else "observations"
        held = set(days_of(self.store, table, asked.begin, until, network.timezone))
        self.touched = days_of_steps(self.clock, self._profile_steps(np.ones(len(self.minutes), bool)))
        self.days = [day for day in self.touched if day in held]
        self.counted = self._counted_days()
        self.origins = self._origins()

    def _end_of_bins(self) -> np.datetime64:
        """The minute after the last bin of the first origin's service day."""
        first, stop = (int(edge.astype("datetime64[m]").astype(np.int64)) for edge in self.day)
        width = self.settings.publish.day_minutes
        return np.datetime64(first - (first - stop) // width * width, "m")

    def _counted_days(self) -> list[str]:
        """Days of the history of the origins, whatever else is loaded: those of which the largest hours are."""
        own = self.minutes >= self.asked.start - np.maximum(self.asked.before, LEAST_BEFORE)
        own &= self.minutes < self.asked.stop
        return days_of_steps(
            self.clock, needed_steps(self.clock, self.minutes[own], (self.sources[:, own],), 0, total=False)
        )

    def _profile_steps(self, profile: Mask) -> Mask:
        """Steps needed where the profile is made of some of the minutes."""
        recent = self.minutes >= self.asked.start - np.maximum(self.features.recent_minutes * MINUTE, LEAST_BEFORE)
        weeks = self.weeks if self.asked.whole_day else self.weeks[:, recent]
        return needed_steps(self.clock, self.minutes, (weeks, self.sources[:, profile]), self.half, total=self.total)

    def _origins(self) -> Origins | None:
        """What the profile is made of; None where it cannot be kept: a day that is over is not known in full."""
        today = str(service_dates(np.array([self.asked.start]), self.clock.timezone)[0])
        contents = self.reader.contents([day for day in self.days if day < today])
        if contents is None:
            return None
        past = {day: contents.get(day, ABSENT) for day in self.touched if day < today}
        ends = self.clock.days[[0, -1]]
        return Origins(
            self.settings.network, self.features, self.holidays, ends[0], ends[1] + np.timedelta64(1, "D"), past
        )

    def read_kept(self) -> KeptProfile | None:
        """The profile kept from the forecast before, where it is still right."""
        return None if self.origins is None else read_kept(self.store, self.origins)

    def load(self, kept: KeptProfile | None) -> Grid:
        """The minutes that are needed beside a kept profile."""
        new = np.ones(len(self.minutes), bool) if kept is None else kept.positions(self.minutes) < 0
        return load_needed(self.reader, self.days, self.clock, self._profile_steps(new), self.half, self.counted)

    def keep(self, profile: KeptProfile, before: KeptProfile | None) -> None:
        """Keep the part of a profile that no count of today or later changes, where much of it is new."""
        if self.origins is None or profile.values[..., 0].size < FEWEST_SERIES:
            return
        ready = int((self.day[0].astype("datetime64[m]") - self.asked.begin) // (self.clock.interval * MINUTE))
        open_ = np.flatnonzero((self.sources + self.half >= ready).any(axis=0))
        steps = int(open_[0]) if len(open_) else len(self.minutes)
        minutes = self.minutes[:steps]
        new = len(minutes) if before is None else int((before.positions(minutes) < 0).sum())
        if new * self.clock.interval >= KEEP_AFTER:
            values = profile.values[..., :steps]
            write_kept(self.store, KeptProfile(profile.start, profile.interval, profile.stations, values), self.origins)
