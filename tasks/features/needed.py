"""Which minutes the features of a few origins need, and a grid that holds these and no others.

Of 14 weeks they need a day and some hours before the origins, and the same hours of the days from which lags and
profile are made. At 3,000 stations that is 0.8 GB in place of 3.4.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int, Minutes
from tasks.clock import DAY, MISSING, Steps, WallClock
from tasks.grid import NOT_LOADED, Grid, PastDays
from tasks.largest_hours import LargestHours
from tasks.tables.day_grids import DayGrid, DayGrids
from tasks.total import OPEN_MINUTES

LONGEST_DAY = DAY + 60

Mask = npt.NDArray[np.bool_]


def needed_steps(clock: WallClock, minutes: Minutes, lags: Sequence[Steps], half: int, *, total: bool) -> Mask:
    """Which steps of a grid some minutes need: themselves and their lags, with what smoothing reads around them.

    Args:
        clock: of the grid.
        minutes: UTC, ascending; those beyond the grid are not needed themselves.
        lags: steps of lags, any shape, -1 for none.
        half: see `profile.half_window`.
        total: whether a total is summed, which looks back most of a day.

    Returns:
        bool [step].
    """
    needed = np.zeros(len(clock.minutes), bool)
    needed[np.searchsorted(clock.minutes, minutes[minutes <= clock.minutes[-1]])] = True
    for steps in lags:
        needed[steps[steps != MISSING]] = True
    return _widen(needed, half + (OPEN_MINUTES // clock.interval if total else 0), half)


def load_needed(
    reader: DayGrids,
    days: Sequence[str],
    clock: WallClock,
    needed: Mask,
    margin: int,
    counted: Collection[str],
) -> Grid:
    """The grid of the needed steps; without stations where nothing is known of these days.

    Args:
        reader: of the days.
        days: service days that are looked at, ascending, those of the needed steps among them.
        clock: of the grid.
        needed: bool [step].
        margin: steps on either side of one that smoothing reads.
        counted: days among which the largest hours are looked for.
    """
    known = np.zeros_like(needed)
    for day in days:
        first, stop = (_step(clock, edge) for edge in reader.span(day))
        known[max(first, 0) : max(stop, 0)] = True
    # Twice: a step beside a day needs columns for its own neighbours, or it is smoothed with those of another day.
    wanted = needed & _widen(known, 2 * margin, 2 * margin)
    held = np.where(needed, MISSING, NOT_LOADED).astype(np.int32)
    held[wanted] = np.arange(wanted.sum())
    columns = _Columns(len(reader.targets), int(wanted.sum()))
    largest = LargestHours(LONGEST_DAY // clock.interval)
    for day in reversed(days):
        grid = reader.read(day)
        if grid is not None:
            first = _step(clock, grid.start)
            columns.add(grid, held, first)
            if day in counted:
                largest.add(first, grid.hours, columns.rows)
    return columns.to_grid(reader, clock, held, largest)


def days_of_steps(clock: WallClock, needed: Mask) -> list[str]:
    """Service days that the needed steps lie in, ascending."""
    return [str(day) for day in np.unique(clock.days[needed])]


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
    """The columns of a grid while its days are read, newest first; stations are added as they come.

    Attributes:
        rows: places of the stations of the last day.
    """

    def __init__(self, targets: int, columns: int) -> None:
        self.values = np.full((targets, 0, columns), np.nan, np.float32)
        self.place: dict[str, int] = {}
        self.rows: slice | Int = slice(0, 0)
        self.newest = -1
        self._stations: tuple[str, ...] = ()

    def add(self, day: DayGrid, held: Steps, first: int) -> None:
        """Take in a day that begins at step `first`."""
        if day.stations != self._stations:
            self._place(day.stations)
        mine = held[first : first + day.steps]
        for a, b in _spans(mine >= 0):
            day.fill(self.values[:, :, mine[a] : mine[a] + b - a], a, self.rows)
        if day.newest >= 0:
            self.newest = max(self.newest, first + day.newest)

    def _place(self, stations: tuple[str, ...]) -> None:
        at = np.array([self.place.setdefault(name, len(self.place)) for name in stations], np.int64)
        new = len(self.place) - self.values.shape[1]
        if new:
            more = np.full((len(self.values), new, self.values.shape[2]), np.nan, np.float32)
            self.values = more if not self.values.shape[1] else np.concatenate([self.values, more], axis=1)
        self.rows = slice(0, len(at)) if np.array_equal(at, np.arange(len(at))) else at
        self._stations = stations

    def to_grid(self, reader: DayGrids, clock: WallClock, held: Steps, largest: LargestHours) -> Grid:
        """The grid, its stations in order."""
        names = sorted(self.place)
        order = np.array([self.place[name] for name in names], np.int64)
        values = self.values if names == list(self.place) else self.values[:, order]
        past = PastDays(largest.of(len(values), len(names))[:, order], self.newest)
        targets = tuple(reader.targets)
        return Grid(values, clock.minutes[0], clock.interval, tuple(names), targets, held=held, past=past)
