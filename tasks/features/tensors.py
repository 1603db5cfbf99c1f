"""The one maker of tensors: the same code, to the bit, for training and for the live forecast."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from tasks.arrays import HORIZON_MINUTES, Float, Int, Minutes
from tasks.clock import MISSING, Steps, WallClock
from tasks.contracts import Tensors
from tasks.errors import HistoryError
from tasks.features.availability import Availability, unavailable_cells
from tasks.features.calendar import calendar_features
from tasks.features.channel_tensors import NEVER, Channels
from tasks.features.kept_profile import KeptProfile
from tasks.features.lags import StationIndex, as_rows, gather, lag_index, lag_tensor, lag_windows, window_steps, windows
from tasks.features.profile import (
    Smoothed,
    damped_level,
    half_window,
    hourly,
    pooled_profile,
    profile_by_time,
    profile_in_parts,
    profile_lags,
)
from tasks.features.profile_blocks import ProfileBlocks
from tasks.features.total import total_then
from tasks.grid import Grid
from tasks.settings.tree import FeatureSettings


class MinuteFeatures:
    """Tensors of a grid; implements `contracts.Features`.

    A row sees only minutes before its origin: lags lie a day back or more, `recent` and `level` end at the origin.
    `truth` alone looks ahead.

    Args:
        grid: minutes with enough history before the first origin; it may end at the last one. Where it holds some
            steps only, those around them that smoothing reads are held, too; see `features.needed`.
        timezone: the network's.
        settings: weeks, windows, smoothing.
        holidays: dates that count as their own kind of day.
        delay_steps: how many steps before the origin have not arrived yet.
        known: when each count was known; the recent steps are then those known at the origin. None for at once.
        channels: what else is known of minutes; nothing by default.
        kept: profile of some minutes of the same grid, which is not made again.
    """

    def __init__(
        self,
        grid: Grid,
        timezone: str,
        settings: FeatureSettings | None = None,
        holidays: frozenset[date] = frozenset(),
        delay_steps: int = 0,
        known: Availability | None = None,
        channels: Channels | None = None,
        kept: KeptProfile | None = None,
    ) -> None:
        self.grid, self.settings, self.delay_steps = grid, settings or FeatureSettings(), delay_steps
        self.known, self.holidays, self.kept = known, holidays, kept
        self.channels = channels or Channels((), grid)
        self.extra = self.channels.given
        self.clock = WallClock(grid.start, grid.steps, grid.interval, timezone, holidays)
        self.horizon = HORIZON_MINUTES // grid.interval
        self.recent_steps = max(self.settings.recent_minutes // grid.interval, 1)
        self._level_steps = max(self.settings.level_minutes // grid.interval, 1)
        self._trail_steps = self.settings.trail_hours * self.horizon
        self._half = half_window(self.settings, grid.interval)
        self._smoothed = Smoothed(grid.values, self._half) if grid.held is None and grid.mapped is None else None
        self._blocks = ProfileBlocks(grid.values.shape[0] * grid.values.shape[1])

    def with_availability(self, known: Availability | None) -> MinuteFeatures:
        """The same features with other availability of the counts; shares all arrays."""
        other = copy.copy(self)
        other.known = known
        return other

    def since(self, moment: np.datetime64) -> MinuteFeatures:
        """The features as if nothing had been observed before `moment` (UTC), with counts of today and no channels."""
        assert self.grid.held is None, "only a grid of all steps can be cut"
        grid, first = self.grid, int(np.clip(self.grid.index(moment.astype("datetime64[m]")), 0, self.grid.steps))
        start = grid.start + first * np.timedelta64(grid.interval, "m")
        later = replace(grid, values=grid.values[:, :, first:], start=start)
        return MinuteFeatures(later, self.clock.timezone, self.settings, self.holidays, self.delay_steps)

    def tensors(self, origins: Minutes, stations: Sequence[int] | None = None) -> Tensors:
        """Tensors at these origins (UTC), each seeing only what lies before it.

        Args:
            origins: on the grid, from its first step to the end of its last.
            stations: positions of the stations wanted, all by default.

        Raises:
            HistoryError: if an origin is not on the grid.
        """
        origins = np.asarray(origins, dtype="datetime64[m]")
        at, rows = self._positions(origins), as_rows(stations)
        names = tuple(np.array(self.grid.stations, dtype=object)[rows])
        before = max(self.recent_steps, self._level_steps)
        far = max(before, self.recent_steps + self._trail_steps)
        skip = before - self.recent_steps
        steps, begin = window_steps(at - far, far + self.horizon)
        first = begin + far - before
        index = lag_index(self.clock, self._minutes(steps), self.settings.weeks)
        width = self.recent_steps + self.horizon
        if stations is None and self.grid.held is None and len(steps):
            dense = self._blocks.over(steps, self._profile_of)
        else:
            dense = self._profile(self._minutes(steps), index, rows)
        profile = windows(dense, first, before + self.horizon)
        recent = self._recent(at, before)[:, :, rows]
        recent[..., before - min(self.delay_steps, before) :] = np.nan
        hour = slice(before - self._level_steps, before)
        return Tensors(
            origins=origins,
            lags=lag_windows(self.grid.values, self._columns(index, first + skip, width), first + skip, width, rows),
            recent=recent[..., skip:],
            profile=profile[..., skip:],
            level=damped_level(recent[..., hour], profile[..., hour], self.settings.level_prior),
            calendar=self._calendar(at),
            stations=names,
            targets=self.grid.targets,
            interval=self.grid.interval,
            trail=self._trail(dense, steps, begin + far - self.recent_steps, at, rows),
            total=self.grid.total if names[-1:] == (self.grid.total,) else None,
            channels=self._channels(index, first + skip, at, rows),
            channel_names=self.channels.names,
        )

    def truth(self, origins: Minutes) -> Float:
        """Counts of the hour after each origin, float32 [C, O, S, H]; NaN where not observed.

        Raises:
            HistoryError: if an origin is not on the grid.
        """
        return self._windows(self._positions(np.asarray(origins, dtype="datetime64[m]")), self.horizon)

    def counts(self, minutes: Minutes) -> Float:
        """Observed counts of ascending UTC minutes, float32 [target, station, minute]; NaN where there are none."""
        columns = self.grid.columns(self.grid.index(minutes))
        return gather(self.grid.values, columns, np.empty((*self.grid.values.shape[:2], len(columns)), np.float32))

    def lag_tensor(self, minutes: Minutes, stations: Sequence[int] | None = None, out: Float | None = None) -> Float:
        """Every weekly lag of ascending UTC minutes, float32 [week, target, station, minute]; NaN where none."""
        index = lag_index(self.clock, minutes, self.settings.weeks)
        return lag_tensor(self.grid.values, self.grid.columns(index), as_rows(stations), out)

    def profile(self, minutes: Minutes) -> Float:
        """Profile of ascending UTC minutes, float32 [target, station, minute]; NaN where no week has a value."""
        return self._profile(minutes, lag_index(self.clock, minutes, self.settings.weeks))

    def _profile_of(self, steps: Int) -> Float:
        return self.profile(self._minutes(steps))

    def _profile(self, minutes: Minutes, weeks: Steps, rows: StationIndex = slice(None)) -> Float:
        if self.kept is None:
            return self._make_profile(minutes, weeks, rows)
        at, values = self.kept.positions(minutes), self.kept.values[:, rows]
        new = at < 0
        if not new.any():
            return np.take(values, at, axis=2)
        out = np.empty((*values.shape[:2], len(minutes)), np.float32)
        out[..., ~new] = values[..., at[~new]]
        out[..., new] = self._make_profile(minutes[new], weeks[:, new], rows)
        return out

    def _make_profile(self, minutes: Minutes, weeks: Steps, rows: StationIndex) -> Float:
        lags = profile_lags(self.clock, minutes, self.settings, weeks)
        lags = lags._replace(source=self.grid.columns(lags.source))
        if self._smoothed is not None:
            return pooled_profile(self._smoothed, lags, rows)
        if self.grid.mapped is not None:
            return profile_by_time(self.grid.values, self._half, lags, rows)
        return profile_in_parts(self.grid.values, self._half, lags, rows)

    def _columns(self, index: Steps, first: Int, width: int) -> Steps:
        """Columns of the windows that begin at `first` of `index` [week, step]; `MISSING` elsewhere."""
        if self.grid.held is None:
            return index
        columns = np.full_like(index, MISSING)
        inside = np.unique(first[:, None] + np.arange(width))
        columns[:, inside] = self.grid.columns(index[:, inside])
        return columns

    def _windows(self, first: Int, width: int) -> Float:
        """Counts of the windows of `width` steps from `first` on, float32 [C, O, S, width]."""
        if self.grid.held is None:
            return windows(self.grid.values, first, width)
        columns, values = self.grid.columns(first[:, None] + np.arange(width)), self.grid.values
        out = np.empty((len(values), len(first), values.shape[1], width), np.float32)
        for o, column in enumerate(columns):
            gather(values, column, out[:, o])
        return out

    def _recent(self, at: Int, before: int) -> Float:
        """Counts of the steps before origins as they stood there, float32 [C, O, S, before]."""
        recent = self._windows(at - before, before)
        if self.known is not None:
            station, origin, place = unavailable_cells(self.known, at, before)
            earlier = self.known.values_at(station, at[origin] - before + place, at[origin])
            recent[:, origin, station, place] = earlier.T
            if self.grid.total is not None:
                recent[:, :, -1] = total_then(self.grid, self.known, at, before)
        return recent

    def _trail(self, dense: Float, steps: Int, stop: Int, at: Int, rows: StationIndex) -> Float:
        """See `Tensors.trail`; the hours end at positions `stop` of `steps`, at which `dense` is the profile."""
        counts = gather(self.grid.values, self.grid.columns(steps), np.empty_like(dense), rows)
        ends = np.arange(self.settings.trail_hours)[::-1] * self.horizon
        trail = _hours(counts, dense, stop[:, None] - ends - self.horizon, self.horizon)
        if self.known is not None:
            self._rewind(trail, dense, stop, at, rows)
        trail[..., self.recent_steps + ends < self.delay_steps] = 0
        return trail

    def _rewind(self, trail: Float, dense: Float, stop: Int, at: Int, rows: StationIndex) -> None:
        """Put into a trail what was known at its origin, where that is not what is known today."""
        assert self.known is not None
        length, wanted = self._trail_steps, np.full(len(self.grid.stations), MISSING, np.int64)
        wanted[rows] = np.arange(len(wanted[rows]))
        first = np.arange(self.settings.trail_hours)[None] * self.horizon
        if self.grid.total is not None and wanted[-1] != MISSING:
            counts = total_then(self.grid, self.known, at, self.recent_steps + length)[..., :length]
            expected = dense[:, wanted[-1], stop[:, None] - length + np.arange(length)]
            trail[:, :, :, wanted[-1]] = _hours(counts, expected, first, self.horizon)[:, :, 0]
        station, origin, place = unavailable_cells(self.known, at, self.recent_steps + length)
        open_ = (place < length) & (wanted[station] != MISSING)
        station, origin, place = station[open_], origin[open_], place[open_]
        if not len(station):
            return
        (of, here), pair = np.unique(np.stack([origin, station]), axis=1, return_inverse=True)
        begin = at[of] - self.recent_steps - length
        window = begin[:, None] + np.arange(length)
        there = (window >= 0) & (window < self.grid.steps)
        counts = np.where(there, self.grid.values[:, here[:, None], np.where(there, window, 0)], np.float32(np.nan))
        pair = pair.reshape(-1)
        counts[:, pair, place] = self.known.values_at(station, begin[pair] + place, at[origin]).T
        expected = dense[:, wanted[here][:, None], stop[of][:, None] - length + np.arange(length)]
        trail[:, :, of, wanted[here]] = _hours(counts, expected, first, self.horizon)[:, :, 0]

    def _channels(self, index: Steps, first: Int, at: Int, rows: StationIndex) -> Float | None:
        """See `Tensors.channels`; the windows of the origins begin at `first` of `index` [week, step]."""
        if not self.channels.names:
            return None
        window = np.arange(self.recent_steps + self.horizon)
        lags = index[:, first[:, None] + window]
        now = self._minutes(at[:, None] - self.recent_steps + window).astype(np.int64)
        past = np.where(lags == MISSING, NEVER, self._minutes(lags.astype(np.int64)).astype(np.int64))
        origins = self._minutes(at).astype(np.int64)
        return self.channels.windows(origins, np.concatenate([now[None], past]), self.settings.recency, rows)

    def _minutes(self, steps: Int) -> Minutes:
        return np.asarray(self.grid.start.astype("datetime64[m]") + steps * np.timedelta64(self.grid.interval, "m"))

    def _calendar(self, at: Int) -> Float:
        hours = self._minutes(at[:, None] + np.arange(self.horizon))
        return calendar_features(hours, self.clock.timezone, self.clock.holidays)

    def _positions(self, origins: Minutes) -> Int:
        at = self.grid.index(origins)
        for wrong, why in (
            (self._minutes(at) != origins, f"is not on the {self.grid.interval}-minute grid"),
            ((at < 0) | (at > self.grid.steps), "lies outside the minutes loaded"),
        ):
            if wrong.any():
                span = f"{self.grid.start} to {self._minutes(np.array([self.grid.steps]))[0]}"
                raise HistoryError(f"origin {origins[wrong][0]}Z {why} ({span}, UTC): ask for one that is")
        return at


def _hours(counts: Float, expected: Float, first: Int, width: int) -> Float:
    """Sums of counts and of expectation over the steps that have both; see `profile.hourly` for the rest."""
    both = ~(np.isnan(counts) | np.isnan(expected))
    if not both.all():
        counts, expected = (np.where(both, x, np.float32(0)) for x in (counts, expected))
    return np.stack([hourly(x, first, width) for x in (counts, expected)])
