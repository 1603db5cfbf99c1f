"""Extra channels in the tensors: what was known of every minute at each origin, and what the lag days had.

Values are looked up once a piece of a window, in which neither the minute's nor any lag's value changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Int
from tasks.channels import Channel
from tasks.features.lags import StationIndex
from tasks.grid import Grid

NEVER = np.int64(-(2**40))
"""A minute that no value stands at."""
_DAY = 1440
_WIDE = np.int64(2**32)


class Channels:
    """All channels over the stations and the span of a grid; empty where there are none."""

    def __init__(self, channels: Sequence[Channel], grid: Grid) -> None:
        self.names = tuple(channel.name for channel in channels)
        self.given = tuple(channels)
        self._histories = [ChannelHistory(channel, grid) for channel in channels]
        self._stations = len(grid.stations)

    def windows(self, origins: Int, wanted: Int, recency: float, rows: StationIndex) -> Float | None:
        """Values of minutes and of their weekly lags as they stood at the origins; see `Tensors.channels`.

        Args:
            origins: UTC minutes since 1970, int64 [O].
            wanted: int64 [1 + week, O, step], the minutes of each window, then their lags, `NEVER` for none.
            recency: weight of a week over the one after it.
            rows: stations wanted.

        Returns:
            float32 [2, channel, O, S, step]; None where there is no channel.
        """
        if not self.names:
            return None
        stations = len(np.arange(self._stations)[rows])
        out = np.empty((2, len(self.names), len(origins), stations, wanted.shape[2]), np.float32)
        for i, history in enumerate(self._histories):
            history.fill(out[:, i], origins, wanted, recency, rows)
        return out


class ChannelHistory:
    """One channel: its values by the minutes that they stand at, and since when each was known.

    The rows of one series (a station, or all) and start are a slot. A later start wins over one that still stands, the
    last version available at an origin over earlier ones. Cells are the largest steps in which no slot begins or ends.
    """

    def __init__(self, channel: Channel, grid: Grid) -> None:
        self.interval, self.shared = channel.interval, channel.stations is None
        series, inside = _series(channel, grid)
        keys = channel.available[inside], channel.start[inside], series[inside]
        order = np.lexsort(keys)
        available, start, of = (key[order] for key in keys)
        begins, ends = _changes(of, start), _ends(_changes(of, start, available))
        slot, values = np.cumsum(begins) - 1, channel.values[inside][order]
        self._start, self._of = start[begins], of[begins]
        self._final, self._since = values[_ends(begins)], available[_ends(begins)]
        self._slot, self._values = slot[ends], values[ends]  # of rows alike the last in the files counts
        self._keys = self._slot * _WIDE + available[ends]
        self.first = int(self._start.min()) if len(self._start) else 0
        self.unit = int(np.gcd.reduce(np.append(self._start - self.first, self.interval)))
        self._table = self._cells(1 if self.shared else len(grid.stations))

    def _cells(self, series: int) -> npt.NDArray[np.int32]:
        """Slot that stands at each cell, the one that begins last, int32 [series, cell]; -1 for none."""
        width = self.interval // self.unit
        place = (self._start - self.first) // self.unit
        table = np.full((series, int(place.max(initial=-width)) + width), -1, np.int32)
        for later in range(width - 1, -1, -1):
            table[self._of, place + later] = np.arange(len(place))
        return table

    def fill(self, out: Float, origins: Int, wanted: Int, recency: float, rows: StationIndex) -> None:
        """Write values and weighted means of the lags into float32 [2, O, S, step]; NaN for what is not known."""
        weeks, _, width = wanted.shape
        cells = ((wanted - self.first) // self.unit).reshape(weeks, -1)
        new = np.ones(cells.shape[1], bool)
        new[1:] = (cells[:, 1:] != cells[:, :-1]).any(axis=0)
        new[::width] = True
        heads, piece = np.flatnonzero(new), np.cumsum(new) - 1
        at = origins[heads // width]
        value = self.values_at(cells[0, heads], at)
        total, weights = np.zeros_like(value), np.zeros_like(value)
        for week in range(1, weeks):
            lag = self.values_at(cells[week, heads], at)
            weight, seen = np.float32(recency ** (week - 1)), ~np.isnan(lag)
            weights += seen * weight
            np.add(total, lag * weight, out=total, where=seen)
        usual = np.divide(total, weights, out=np.full_like(total, np.nan), where=weights > 0)
        for side, found in zip(out, (value, usual), strict=True):
            picked = found if self.shared else found[rows]
            side[:] = picked[:, piece].reshape(len(picked), len(origins), width).swapaxes(0, 1)

    def values_at(self, cell: Int, at: Int) -> Float:
        """Values of cells as they stood at origins, float32 [series, cell]; NaN where nothing was known."""
        inside = (cell >= 0) & (cell < self._table.shape[1])
        out = np.full((len(self._table), len(cell)), np.nan, np.float32)
        if not inside.any():
            return out
        slot = np.where(inside, self._table[:, np.where(inside, cell, 0)], np.int32(-1))
        there = slot >= 0
        np.copyto(out, self._final[np.where(there, slot, 0)], where=there)
        open_ = there & (self._since[np.where(there, slot, 0)] > at)
        column = np.nonzero(open_)[1]
        out[open_] = self._earlier(slot[open_].astype(np.int64), self.first + cell[column] * self.unit, at[column])
        return out

    def _earlier(self, slot: Int, minute: Int, at: Int) -> Float:
        """Values of slots whose last version was not known yet: an earlier version's, else an earlier slot's."""
        out, left = np.full(len(slot), np.nan, np.float32), np.arange(len(slot))
        while len(left):
            here = slot[left]
            place = np.searchsorted(self._keys, here * _WIDE + at[left], side="right") - 1
            hit = (place >= 0) & (self._slot[np.maximum(place, 0)] == here)
            out[left[hit]] = self._values[place[hit]]
            left, here = left[~hit], here[~hit]
            under = np.maximum(here - 1, 0)
            stands = (here > 0) & (self._of[under] == self._of[here])
            stands &= self._start[under] + self.interval > minute[left]
            slot[left] = under
            left = left[stands]
        return out


def _series(channel: Channel, grid: Grid) -> tuple[Int, npt.NDArray[np.bool_]]:
    """Number of the series of each row, and which rows stand somewhere in the span of a grid or the hour after."""
    begin = int(grid.start.astype("datetime64[m]").astype(np.int64)) - _DAY
    inside = channel.start + channel.interval > begin
    inside &= channel.start < begin + grid.steps * grid.interval + 2 * _DAY
    if channel.stations is None:
        return np.zeros(len(channel.start), np.int64), inside
    place = {name: i for i, name in enumerate(grid.stations)}
    series = np.array([*(place.get(name, -1) for name in channel.stations), -1], np.int64)[channel.station]
    return series, inside & (series >= 0)


def _changes(*keys: Int) -> npt.NDArray[np.bool_]:
    """Where a sorted row differs in any key from the one before it."""
    new = np.ones(len(keys[0]), bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return new


def _ends(begins: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The last row of each run, of the first ones."""
    return np.append(begins[1:], True)[: len(begins)]
