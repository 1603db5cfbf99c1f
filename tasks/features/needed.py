"""Which minutes the features of a few origins need, and a grid that holds these and no others.

Of 14 weeks they need a day and some hours before the origins, and the same hours of the days from which lags and
profile are made. At 3,000 stations that is 0.8 GB in place of 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int, Minutes
from tasks.clock import DAY, MISSING, Steps, WallClock
from tasks.contracts import NOT_LOADED, Grid, PastDays
from tasks.features.lags import lag_index
from tasks.features.profile import half_window, profile_lags
from tasks.largest_hours import HourSums, largest_of_days
from tasks.settings.tree import FeatureSettings
from tasks.tables.day_grids import DayGrid, DayGrids
from tasks.total import OPEN_MINUTES

LONGEST_DAY = DAY + 60

Mask = npt.NDArray[np.bool_]


def needed_steps(clock: WallClock, minutes: Minutes, settings: FeatureSettings, *, total: bool) -> Mask:
    """Which steps of a grid some minutes need: themselves and their lags, with what smoothing reads around them.

    Args:
        clock: of the grid.
        minutes: UTC, ascending; those beyond the grid count by their lags only.
        settings: of lags and profile.
        total: whether a total is summed, which looks back most of a day.

    Returns:
        bool [step].
    """
    lags = profile_lags(clock, minutes, settings, lag_index(clock, minutes, settings.weeks)).source
    needed = np.zeros(len(clock.minutes), bool)
    needed[np.searchsorted(clock.minutes, minutes[minutes <= clock.minutes[-1]])] = True
    needed[lags[lags != MISSING]] = True
    half = half_window(settings, clock.interval)
    return _widen(needed, half + (OPEN_MINUTES // clock.interval if total else 0), half)


def load_needed(reader: DayGrids, days: Sequence[str], clock: WallClock, needed: Mask, margin: int) -> Grid:
    """The grid of the needed steps, from the days that have any; without stations where nothing is known of them.

    Args:
        reader: of the days.
        days: service days that the table has.
        clock: of the grid.
        needed: bool [step].
        margin: steps around an observed day that smoothing reads.
    """
    known, touched = np.zeros_like(needed), sorted({str(day) for day in np.unique(clock.days[needed])} & set(days))
    for day in touched:
        first, stop = (_step(clock, edge) for edge in reader.span(day))
        known[max(first, 0) : max(stop, 0)] = True
    wanted = needed & _widen(known, margin, margin)
    held = np.where(needed, MISSING, NOT_LOADED).astype(np.int32)
    held[wanted] = np.arange(wanted.sum())
    columns = _Columns(len(reader.targets), int(wanted.sum()))
    for day in reversed(touched):
        grid = reader.read(day)
        if grid is not None:
            columns.add(grid, held, _step(clock, grid.start))
    return columns.to_grid(reader, clock, held)


def _step(clock: WallClock, moment: np.datetime64) -> int:
    return int((moment - clock.minutes[0]).astype("timedelta64[m]").astype(np.int64)) // clock.interval


def _spans(mask: Mask) -> list[tuple[int, int]]:
    """First position, and position after the last, of each run of a mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _widen(mask: Mask, before: int, after: int) -> Mask:
    """The mask with so many positions before and after each of its runs."""
    wide = np.zeros_like(mask)
    for a, b in _spans(mask):
        wide[max(a - before, 0) : b + after] = True
    return wide


class _Columns:
    """The columns of a grid while its days are read, newest first; stations are added as they come."""

    def __init__(self, targets: int, columns: int) -> None:
        self.values = np.full((targets, 0, columns), np.nan, np.float32)
        self.place: dict[str, int] = {}
        self.hours: dict[int, tuple[HourSums, Int]] = {}
        self.newest = -1

    def add(self, day: DayGrid, held: Steps, first: int) -> None:
        """Take in a day that begins at step `first`."""
        at = np.array([self.place.setdefault(name, len(self.place)) for name in day.stations], np.int64)
        new = len(self.place) - self.values.shape[1]
        if new:
            more = np.full((len(self.values), new, self.values.shape[2]), np.nan, np.float32)
            self.values = more if not self.values.shape[1] else np.concatenate([self.values, more], axis=1)
        rows = slice(0, len(at)) if np.array_equal(at, np.arange(len(at))) else at
        mine = held[first : first + day.steps]
        for a, b in _spans(mine >= 0):
            day.fill(self.values[:, :, mine[a] : mine[a] + b - a], a, rows)
        self.hours[first] = day.hours, at
        if day.newest >= 0:
            self.newest = max(self.newest, first + day.newest)

    def to_grid(self, reader: DayGrids, clock: WallClock, held: Steps) -> Grid:
        """The grid, its stations in order."""
        names = sorted(self.place)
        order = np.array([self.place[name] for name in names], np.int64)
        values = self.values if names == list(self.place) else self.values[:, order]
        days = {first: _at_stations(sums, at, len(names)) for first, (sums, at) in self.hours.items()}
        longest = LONGEST_DAY // clock.interval
        largest = largest_of_days(days, longest)[:, order] if days else np.zeros((len(values), 0), np.float32)
        return Grid(
            values,
            clock.minutes[0],
            clock.interval,
            tuple(names),
            tuple(reader.targets),
            held=held,
            past=PastDays(largest, self.newest),
        )


def _at_stations(sums: HourSums, at: Int, stations: int) -> HourSums:
    """The sums of a day at the places of its stations among all."""
    array = sums.to_array()
    placed = np.zeros((len(array), stations, array.shape[-1]), np.float32)
    placed[:, at] = array
    return HourSums.from_array(placed)
