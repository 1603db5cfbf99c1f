"""Departures and arrivals per interval, from stocks that are polled.

Between two polls only the difference is seen: of a bike that leaves and one that comes nothing is. An interval is
observed where polls cover all of it, none further from the next than an interval; what a station could not show in any
part of it is not observed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.sources.gbfs.snapshot import Flags, Snapshot

SLACK = 30
"""Seconds that a poll may come late, at most half an interval."""


@dataclass(frozen=True)
class Interval:
    """Flows of one interval.

    Attributes:
        minute: its start, UTC minutes since 1970.
        station: places in `FlowCounter.names`, of the stations of which something was observed [station].
        flows: bikes that left, and bikes that came [2, station].
        seen: whether that was observed [2, station].
    """

    minute: int
    station: Int
    flows: npt.NDArray[np.int64]
    seen: Flags


@dataclass
class _Sums:
    """What is known so far of an interval, by place of the station."""

    flows: npt.NDArray[np.int64]
    blank: Flags
    covered: Int

    @classmethod
    def of(cls, stations: int) -> _Sums:
        flows, covered = np.zeros((2, stations), dtype=np.int64), np.zeros(stations, dtype=np.int64)
        return cls(flows, flows.astype(bool), covered)

    def grown(self, stations: int) -> _Sums:
        """With room for as many stations."""
        more = stations - len(self.covered)
        if not more:
            return self
        new = _Sums.of(more)
        return _Sums(
            np.concatenate([self.flows, new.flows], axis=1),
            np.concatenate([self.blank, new.blank], axis=1),
            np.concatenate([self.covered, new.covered]),
        )


@dataclass
class FlowCounter:
    """Takes in snapshots in their order, and gives the intervals that are over.

    Attributes:
        interval: minutes of an interval.
        jump_limit: bikes; a larger change between two polls is a van's.
        stale: seconds after which a station that has not reported is not observed.
        names: stations that were ever seen, in the order in which they came.
        jumps: changes beyond the limit: station, moment, and bikes.
        gaps: seconds between polls too far apart, by the moment of the later one.
    """

    interval: int
    jump_limit: int
    stale: int
    names: list[str] = field(default_factory=list)
    jumps: list[tuple[str, int, int]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _open: dict[int, _Sums] = field(default_factory=dict)
    _last: Snapshot | None = None

    def add(self, new: Snapshot) -> list[Interval]:
        """The intervals that a snapshot ends; none where it is not newer than the one before."""
        last = self._last
        if last is not None and new.updated <= last.updated:
            return []
        self._last = new
        if last is None:
            return []
        longest = self._seconds + min(SLACK, self._seconds // 2)
        if new.updated - last.updated > longest:
            self.gaps.append((new.updated, new.updated - last.updated))
            self._open.clear()
            return []
        self._add_change(last, new)
        return self._take_ended(new.updated)

    @property
    def _seconds(self) -> int:
        return self.interval * 60

    def _add_change(self, last: Snapshot, new: Snapshot) -> None:
        """Add what changed between two snapshots to the intervals that they touch."""
        names, old, now = np.intersect1d(last.stations, new.stations, assume_unique=True, return_indices=True)
        place = self._place(names.tolist())
        change = new.bikes[now].astype(np.int64) - last.bikes[old]
        fresh = (last.updated - last.reported[old] <= self.stale) & (new.updated - new.reported[now] <= self.stale)
        fresh &= last.whole[old] == new.whole[now]
        jump = fresh & (np.abs(change) > self.jump_limit)
        self.jumps += [(str(names[i]), new.updated, int(change[i])) for i in np.flatnonzero(jump)]
        shows = np.stack(
            [
                last.renting[old] & new.renting[now] & ~last.empty[old],
                last.returning[old] & new.returning[now] & ~last.full[old],
            ]
        )
        flows = np.stack([np.maximum(-change, 0), np.maximum(change, 0)])
        # A change is no later than the station's report of it.
        reported = new.reported[now]
        moment = np.where(reported > last.updated, np.minimum(reported, new.updated), new.updated)
        for number in range(last.updated // self._seconds, (new.updated - 1) // self._seconds + 1):
            sums = self._open.setdefault(number, _Sums.of(len(self.names))).grown(len(self.names))
            start, end = number * self._seconds, (number + 1) * self._seconds
            sums.covered[place] += np.where(fresh, min(end, new.updated) - max(start, last.updated), 0)
            sums.blank[:, place] |= ~shows | jump
            sums.flows[:, place] += np.where((moment - 1) // self._seconds == number, flows, 0)
            self._open[number] = sums

    def _place(self, names: list[str]) -> Int:
        for name in names:
            if name not in self._places:
                self._places[name] = len(self.names)
                self.names.append(name)
        return np.array([self._places[name] for name in names], dtype=np.int64)

    def _take_ended(self, updated: int) -> list[Interval]:
        """Intervals that are over, with the stations that polls covered from their start to their end."""
        ended = sorted(number for number in self._open if (number + 1) * self._seconds <= updated)
        found = []
        for number in ended:
            sums = self._open.pop(number)
            station = np.flatnonzero((sums.covered == self._seconds) & ~sums.blank.all(axis=0))
            seen = ~sums.blank[:, station]
            found.append(Interval(number * self.interval, station, np.where(seen, sums.flows[:, station], 0), seen))
        return found
