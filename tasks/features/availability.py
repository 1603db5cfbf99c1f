"""Availability of each count, so that a replay sees exactly what a live forecast would have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Float, Int, Minutes
from tasks.grid import Grid
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.fold import fold
from tasks.tables.minutes import observed_days
from tasks.tables.observations import read_observations

LATEST = int(np.iinfo(np.uint32).max)


@dataclass(frozen=True)
class Availability:
    """When each cell of a grid became available, and its earlier values. Origins are counted in steps of the grid.

    Attributes:
        delay: uint32 [station, step]: steps after a cell's end until its count of today was known, 0 at its end,
            `LATEST` for that many or more.
        cells: int64 [earlier], ascending: station * steps + step of each earlier value that differs from today's.
        since: int64 [earlier], ascending within a cell: first origin that sees it.
        values: float32 [earlier, target]: the earlier values, NaN for none.
    """

    delay: npt.NDArray[np.uint32]
    cells: Int
    since: Int
    values: Float

    def save(self, file: Path) -> None:
        """Write the arrays as a NumPy archive."""
        np.savez(file, delay=self.delay, cells=self.cells, since=self.since, values=self.values)

    @classmethod
    def load(cls, file: Path) -> Availability:
        """What `save` wrote."""
        with np.load(file, allow_pickle=False) as held:
            return cls(**{name: held[name] for name in ("delay", "cells", "since", "values")})

    def values_at(self, station: Int, step: Int, at: Int) -> Float:
        """Values at origins `at` of cells not yet known as today: float32 [cell, target], NaN where there was none."""
        steps = self.delay.shape[1]
        wide = np.int64(LATEST) + 1
        keys, wanted = self.cells * wide + np.minimum(self.since, LATEST), (station * steps + step) * wide + at
        place = np.searchsorted(keys, wanted, side="right") - 1
        out = np.full((len(station), self.values.shape[1]), np.nan, np.float32)
        found = place >= 0
        found[found] = self.cells[place[found]] == (station * steps + step)[found]
        out[found] = self.values[place[found]]
        return out

    def late(self, longer: int) -> tuple[Int, Int, Int]:
        """Cells that were known as today, or changed, more than `longer` steps after their end.

        Returns:
            station, step, and the first origin that sees them so.
        """
        steps = self.delay.shape[1]
        station, step = (x.astype(np.int64) for x in np.nonzero(self.delay > longer))
        since = step + 1 + self.delay[station, step]
        changed = self.since - self.cells % steps - 1 > longer
        cells = self.cells[changed]
        return (
            np.concatenate([station, cells // steps]),
            np.concatenate([step, cells % steps]),
            np.concatenate([since, self.since[changed]]),
        )


def load_availability(store: Store, grid: Grid, timezone: str) -> Availability | None:
    """When the cells of a grid of today's minutes were known; None where all were as soon as their interval ended."""
    delay = np.zeros(grid.values.shape[1:], np.uint32)
    parts = []
    for day in observed_days(store, grid.start, grid.start + grid.steps * _step(grid), timezone):
        schema = schemas.observations(grid.targets)
        times = pa.schema([schema.field(name) for name in ("minute_utc", "available_at")])
        quick = read_observations(store, day, times)
        if not (_since(grid, quick) > _steps(grid, quick) + 1).any():
            continue
        parts.append(_day(grid, read_observations(store, day, schema), delay))
    if not parts:
        return None
    cells, since, values = (np.concatenate([part[i] for part in parts]) for i in range(3))
    order = np.lexsort([since, cells])
    return Availability(delay, cells[order], since[order], np.asarray(values[order], np.float32))


def _day(grid: Grid, rows: pa.Table, delay: npt.NDArray[np.uint32]) -> tuple[Int, Int, Float]:
    """Write the delays of one day's cells; returns their earlier values: cell, since when, values."""
    codes, names = schemas.name_codes(rows["station_id"])
    place = {name: i for i, name in enumerate(grid.stations)}
    station = np.array([*(place.get(name, -1) for name in names), -1], np.int64)[codes]
    step, since = _steps(grid, rows), _since(grid, rows)
    inside = (station >= 0) & (step >= 0) & (step < grid.steps)
    rows, station, step, since = rows.filter(pa.array(inside)), station[inside], step[inside], since[inside]
    since = np.maximum(since, step + 1)
    cell = station * grid.steps + step
    cells, at = np.unique(cell, return_inverse=True)
    first, last = np.full(len(cells), np.iinfo(np.int64).max), np.zeros(len(cells), np.int64)
    np.minimum.at(first, at, since)
    np.maximum.at(last, at, since)
    several = first < last
    _delay(delay, cells[~several], last[~several])
    many = several[at]
    return _versions(grid, rows.filter(pa.array(many)), cell[many], since[many], delay)


def _versions(
    grid: Grid, rows: pa.Table, cell: Int, since: Int, delay: npt.NDArray[np.uint32]
) -> tuple[Int, Int, Float]:
    """The same for cells with statements of several moments: one fold per moment."""
    _, rank = _ranks(cell, since)
    found: list[tuple[Int, Int, Float]] = []
    for number in range(int(rank.max(initial=-1)) + 1):
        here = np.unique(np.stack([cell[rank == number], since[rank == number]]), axis=1)
        until = np.isin(cell, here[0]) & (rank <= number)
        found.append((here[0], here[1], _fold_cells(grid, rows.filter(pa.array(until)), here[0])))
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros((0, len(grid.targets)), np.float32)
    cells, origin, values = (np.concatenate([part[i] for part in found]) for i in range(3))
    order = np.lexsort([origin, cells])
    cells, origin, values = cells[order], origin[order], values[order]
    again = np.zeros(len(cells), bool)
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    again[1:] = (cells[1:] == cells[:-1]) & same.all(axis=1)
    cells, origin, values = cells[~again], origin[~again], values[~again]
    final = np.append(cells[1:] != cells[:-1], True)
    _delay(delay, cells[final], origin[final])
    return cells[~final], origin[~final], values[~final]


def _ranks(cell: Int, since: Int) -> tuple[Int, Int]:
    """Distinct (cell, since), and of each row the number of its moment among those of its cell."""
    pairs, at = np.unique(np.stack([cell, since]), axis=1, return_inverse=True)
    at = at.reshape(-1)
    starts = np.flatnonzero(np.append(True, pairs[0, 1:] != pairs[0, :-1])) if pairs.shape[1] else np.zeros(0, int)
    lengths = np.diff(np.append(starts, pairs.shape[1]))
    rank = np.arange(pairs.shape[1]) - np.repeat(starts, lengths)
    return pairs, rank[at]


def _fold_cells(grid: Grid, rows: pa.Table, cells: Int) -> Float:
    """Fold of some observations at some cells, float32 [cell, target]."""
    table = fold(rows, grid.targets)
    codes, names = schemas.name_codes(table["station_id"])
    place = np.array([grid.stations.index(name) for name in names], np.int64)
    at = np.searchsorted(cells, place[codes] * grid.steps + _steps(grid, table))
    values = np.full((len(cells), len(grid.targets)), np.nan, np.float32)
    for c, target in enumerate(grid.targets):
        values[at, c] = table[target].cast(pa.float32(), safe=False).combine_chunks().to_numpy(zero_copy_only=False)
    return values


def _delay(delay: npt.NDArray[np.uint32], cells: Int, since: Int) -> None:
    station, step = np.divmod(cells, delay.shape[1])
    delay[station, step] = np.minimum(since - step - 1, LATEST)


def _step(grid: Grid) -> np.timedelta64:
    return np.timedelta64(grid.interval, "m")


def _steps(grid: Grid, rows: pa.Table) -> Int:
    """Step of the grid that a row counts; -1 for minutes off the grid's interval."""
    step, rest = np.divmod(schemas.numpy_times(rows["minute_utc"]) - grid.start, _step(grid))
    return np.where(rest == np.timedelta64(0), step, -1).astype(np.int64)


def _since(grid: Grid, rows: pa.Table) -> Int:
    """First origin, in steps, at which a row was available."""
    waited = (schemas.numpy_times(rows["available_at"]) - grid.start).astype("timedelta64[us]")
    steps = -(-waited.astype(np.int64) // (grid.interval * 60_000_000))
    return np.asarray(np.where(np.isnat(waited), LATEST, steps), np.int64)


def unavailable_cells(known: Availability, at: Minutes | Int, before: int) -> Sequence[npt.NDArray[np.int64]]:
    """Station, origin number and place in the window of the cells not known as today.

    Args:
        known: of the grid.
        at: origins, in steps.
        before: width of the windows that end at the origins.
    """
    window = np.arange(before)
    step = np.asarray(at, np.int64)[:, None] - before + window
    inside = (step >= 0) & (step < known.delay.shape[1])
    delays = known.delay[:, np.where(inside, step, 0)]
    return [x.astype(np.int64) for x in np.nonzero((delays > before - 1 - window) & inside)]
