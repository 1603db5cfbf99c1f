"""The minute table as an array: of a whole span, or of the steps that a few origins need."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Int, Minutes
from tasks.clock import MISSING, Steps
from tasks.errors import HistoryError
from tasks.large_arrays import pieces


def parts_of(stations: Sequence[str], total: str | None) -> slice:
    """Positions of the stations but for a total at their end."""
    return slice(0, len(stations) - (total is not None and tuple(stations[-1:]) == (total,)))


NOT_LOADED = -2
"""A step of a grid that nobody asked for."""


@dataclass(frozen=True)
class PastDays:
    """What whole days show of which a grid holds some hours only.

    Attributes:
        largest: most people in an hour, float32 [target, station] without the total; NaN where nobody was counted.
        newest: last step at which anything was observed; -1 where nothing was.
    """

    largest: Float
    newest: int


def people_per_station(counts: Float) -> npt.NDArray[np.float64]:
    """People counted in a span, float64 [station], whose counts [target, station, step] are read in `pieces`."""
    people = np.zeros(counts.shape[1])
    for part in pieces(counts.shape[2]):
        people += np.nansum(counts[..., part], axis=(0, 2), dtype=np.float64)
    return people


@dataclass(frozen=True)
class Grid:
    """The minute table of a span as an array: of all its steps, or of those that a few origins need.

    Its counts are written before it is made, and not after.

    Attributes:
        values: float32 [target, station, column], counts; NaN where not observed.
        start: first minute, UTC.
        interval: minutes per step.
        stations, targets: names of the axes.
        total: the last station, where that is the sum of all others; None without.
        held: int32 [step], column of each step: `MISSING` where nothing was ever observed, `NOT_LOADED` where nobody
            asked for it. None where every step is a column.
        past: what whole days show, where `held` leaves some of their steps out.
        mapped: folder of the file that the counts are mapped from; None where they are in memory.
    """

    values: Float
    start: np.datetime64
    interval: int
    stations: tuple[str, ...]
    targets: tuple[str, ...]
    total: str | None = None
    held: Steps | None = None
    past: PastDays | None = None
    mapped: Path | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the counts, day by day; the same wherever they lie."""
        found = hashlib.sha256()
        for part in pieces(self.values.shape[2]):
            found.update(np.ascontiguousarray(self.values[..., part]).data)
        return found.hexdigest()

    @cached_property
    def observed_share(self) -> float:
        """Share of the counts that were observed."""
        parts = pieces(self.values.shape[2])
        observed = sum(int(np.count_nonzero(np.isfinite(self.values[..., part]))) for part in parts)
        return observed / max(self.values.size, 1)

    @property
    def parts(self) -> slice:
        """Stations but for their total."""
        return parts_of(self.stations, self.total)

    @property
    def steps(self) -> int:
        """Length of the minute axis."""
        return int(self.values.shape[2]) if self.held is None else len(self.held)

    @property
    def held_steps(self) -> Int:
        """Step of each column, ascending."""
        return np.arange(self.steps) if self.held is None else np.flatnonzero(self.held >= 0)

    def columns(self, steps: Steps | Int) -> Steps:
        """Column of each step, `MISSING` for a step outside the grid, or at which nothing was ever observed.

        Raises:
            HistoryError: if a step was not loaded, as nobody asked for it.
        """
        inside = (steps >= 0) & (steps < self.steps)
        found = np.where(inside, steps, MISSING).astype(np.int32)
        if self.held is None:
            return found
        found = np.where(inside, self.held[np.where(inside, steps, 0)], np.int32(MISSING))
        if (found == NOT_LOADED).any():
            first = self.start + int(steps[found == NOT_LOADED].min()) * np.timedelta64(self.interval, "m")
            raise HistoryError(f"the counts of {first}Z were not loaded for this origin: this is a fault of nexthour")
        return found

    @property
    def minutes(self) -> Minutes:
        """UTC start of every step, datetime64[m]."""
        return self.start + np.arange(self.steps) * np.timedelta64(self.interval, "m")

    def index(self, minutes: Minutes | np.datetime64) -> Int:
        """Positions on the minute axis (outside 0..steps-1 when the grid does not hold them)."""
        delta = np.asarray(minutes, dtype="datetime64[m]") - self.start.astype("datetime64[m]")
        return np.asarray(delta // np.timedelta64(self.interval, "m"), dtype=np.int64)
