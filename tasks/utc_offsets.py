"""UTC offsets of a time zone as arrays, from `zoneinfo`; importing pandas for them would cost seconds a process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Int = npt.NDArray[np.int64]

_PROBE = timedelta(hours=6)


class Offsets(NamedTuple):
    """A zone's history as runs of one offset, ascending.

    Attributes:
        starts: first UTC second of each run; the first one reaches back before any time asked for.
        offsets: seconds to add to UTC in each run.
    """

    starts: Int
    offsets: Int

    def of_utc(self, seconds: Int) -> Int:
        """Offset at each UTC second."""
        return self.offsets[np.searchsorted(self.starts, seconds, side="right") - 1]

    def to_utc(self, wall: Int, last: npt.NDArray[np.bool_]) -> tuple[Int, npt.NDArray[np.bool_]]:
        """UTC seconds of wall-clock seconds, and which of them the clocks skipped.

        Args:
            wall: wall-clock seconds since 1970.
            last: whether the last occurrence of a repeated time is meant, else the first.
        """
        begins = self.starts + self.offsets
        ends = np.append(self.starts[1:] + self.offsets[:-1], np.iinfo(np.int64).max)
        first_run = np.searchsorted(ends, wall, side="right")
        last_run = np.searchsorted(begins, wall, side="right") - 1
        skipped = wall < begins[first_run]
        return wall - self.offsets[np.where(last & ~skipped, last_run, first_run)], skipped


def offsets(zone: ZoneInfo, first: int, last: int) -> Offsets:
    """Runs of one offset that cover the UTC or wall-clock seconds from `first` to `last`."""
    return _runs_of_years(zone, _year(first - 2 * 86_400), _year(last + 2 * 86_400))


@lru_cache(maxsize=64)
def _runs_of_years(zone: ZoneInfo, first: int, last: int) -> Offsets:
    """Runs of one offset of the UTC years from `first` to `last`, both included; to be read only."""
    pieces = [_year_runs(zone, year) for year in range(first, last + 1)]
    starts = np.concatenate([np.array([s for s, _ in piece], np.int64) for piece in pieces])
    values = np.concatenate([np.array([o for _, o in piece], np.int64) for piece in pieces])
    changes = np.append(True, values[1:] != values[:-1])
    return Offsets(starts[changes], values[changes])


def _year(second: int) -> int:
    return (datetime(1970, 1, 1) + timedelta(seconds=second)).year


@lru_cache(maxsize=1024)
def _year_runs(zone: ZoneInfo, year: int) -> tuple[tuple[int, int], ...]:
    """(first UTC second, offset) of each run that begins in a UTC year, the year's start among them."""
    moment, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    runs = [(_second(moment), _offset(zone, moment))]
    while moment < end:
        after = min(moment + _PROBE, end)
        if _offset(zone, after) != runs[-1][1]:
            start = _change(zone, moment, after)
            runs.append((_second(start), _offset(zone, start)))
            moment = start
        else:
            moment = after
    return tuple(runs)


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """First second at which the offset is no longer that of `before`."""
    old = _offset(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    found = moment.astimezone(zone).utcoffset()
    return int(found.total_seconds()) if found is not None else 0


def _second(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
