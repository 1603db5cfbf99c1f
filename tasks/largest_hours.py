"""The largest hour of every station in the minutes that a forecast has loaded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays import HORIZON_MINUTES, Float, Int
from tasks.grid import Grid

QUARTER = 15
STATIONS_AT_ONCE = 64
"""Stations whose counts of some days stay in the processor's cache."""


@dataclass(frozen=True)
class HourSums:
    """What the largest hour of several days is found from, one of them at a time.

    Attributes:
        largest: most people in an hour within the day, float32 [target, station]; 0 for nobody.
        first, last: people of the quarters at its two ends that hours over midnight may have, float32
            [target, station, quarter]; 0 for nobody.
    """

    largest: Float
    first: Float
    last: Float

    def to_array(self) -> Float:
        """All three side by side, float32 [target, station, 1 + 2 quarters]."""
        return np.concatenate([self.largest[..., None], self.first, self.last], axis=-1)

    @classmethod
    def from_array(cls, values: Float) -> HourSums:
        """The reverse of `to_array`."""
        edge = values.shape[-1] // 2
        return cls(values[..., 0], values[..., 1 : 1 + edge], values[..., 1 + edge :])


def sum_hours(values: Float, interval: int) -> HourSums:
    """The sums of one day, float32 [target, station, step] from a quarter on; NaN counts as nobody."""
    hop, window = _bins(interval)
    shape = (*values.shape[:2], window - 1)
    largest, first, last = np.zeros(shape[:2], np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for start in range(0, values.shape[1], STATIONS_AT_ONCE):
        rows = slice(start, start + STATIONS_AT_ONCE)
        people = _sum_bins(values[:, rows], hop)
        edge = min(people.shape[-1], window - 1)
        first[:, rows, :edge] = people[..., :edge]
        last[:, rows, window - 1 - edge :] = people[..., people.shape[-1] - edge :]
        largest[:, rows] = _largest(people, window)
    return HourSums(largest, first, last)


class LargestHours:
    """The largest hours of several days, which are added newest first; stations may be added with each.

    Args:
        longest: steps from the start of a day to that of the next one, at most.
    """

    def __init__(self, longest: int) -> None:
        self._longest, self._largest = longest, np.zeros((0, 0), np.float32)
        self._next: tuple[int, Float] | None = None

    def add(self, first: int, day: HourSums, rows: slice | Int) -> None:
        """Take in a day that begins at step `first`, at the places `rows` of its stations."""
        stations = rows.stop if isinstance(rows, slice) else int(rows.max(initial=-1)) + 1
        self._largest = _with_rows(self._largest, len(day.largest), stations)
        hours = day.largest
        if self._next is not None and self._next[0] - first <= self._longest:
            later = _with_rows(self._next[1], len(hours), self._largest.shape[1])[:, rows]
            both = np.concatenate([day.last, later], axis=-1)
            hours = np.maximum(hours, _largest(both, day.last.shape[-1] + 1))
        self._largest[:, rows] = np.maximum(self._largest[:, rows], hours)
        edge = np.zeros((*self._largest.shape, day.first.shape[-1]), np.float32)
        edge[:, rows] = day.first
        self._next = first, edge

    def of(self, targets: int, stations: int) -> Float:
        """Most people in an hour, float32 [target, station]; NaN where nobody was counted."""
        largest = _with_rows(self._largest, targets, stations)
        return np.where(largest > 0, largest, np.float32(np.nan))


def _with_rows(values: Float, targets: int, stations: int) -> Float:
    """The values [target, station, ...] with zeros for stations that are new."""
    new = max(stations - values.shape[1], 0)
    if not new and len(values) == targets:
        return values
    more = np.zeros((targets, new, *values.shape[2:]), np.float32)
    return np.concatenate([values, more], axis=1) if len(values) else more


def largest_hours(grid: Grid) -> Float:
    """Most people in an hour that begins at a quarter, float32 [C, S]; NaN where nobody was counted.

    Minutes that were not observed count as nobody, so that an hour with a gap sets no record that was none.
    """
    if grid.past is not None:
        return grid.past.largest
    hop, window = _bins(grid.interval)
    record = np.zeros(grid.values.shape[:2], np.float32)
    for start in range(0, len(grid.stations), STATIONS_AT_ONCE):
        rows = slice(start, start + STATIONS_AT_ONCE)
        record[:, rows] = _largest(_sum_bins(grid.values[:, rows], hop), window)
    return np.where(record > 0, record, np.float32(np.nan))


def _bins(interval: int) -> tuple[int, int]:
    """Steps from one hour's start to the next one's, and how many such bins an hour has."""
    hop = QUARTER // interval if QUARTER % interval == 0 else 1
    return hop, HORIZON_MINUTES // (hop * interval)


def _sum_bins(values: Float, hop: int) -> Float:
    """People of every `hop` steps, [..., bin]; steps that fill no bin are left out."""
    bins = values.shape[-1] // hop
    parted = values[..., : bins * hop].reshape(*values.shape[:-1], bins, hop)
    people = parted @ np.ones(hop, np.float32)
    if np.isnan(people).any():  # fmax makes NaN 0, and takes thrice the time of the sums
        people = np.fmax(parted, np.float32(0)) @ np.ones(hop, np.float32)
    return np.asarray(people)


def _largest(people: Float, window: int) -> Float:
    """Largest sum of `window` bins, [...]; 0 where there are fewer."""
    hours = people.shape[-1] - window + 1
    if hours < 1:
        return np.zeros(people.shape[:-1], np.float32)
    return np.asarray(np.max(sum(people[..., i : hours + i] for i in range(window)), axis=-1))
