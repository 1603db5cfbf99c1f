"""Every minute of a span as one grid, read day by day: no more than a day's rows are in memory beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.arrays import Float
from tasks.features.lags import as_rows
from tasks.grid import Grid
from tasks.large_arrays import make_array
from tasks.storage.roots import folder_here
from tasks.storage.store import Store
from tasks.tables.day_grids import DayGrids
from tasks.tables.minutes import days_of
from tasks.total import check_total, sum_up

MIB = 2**20


def read_span(reader: DayGrids, start: np.datetime64, steps: int, total: str | None, mapped_mib: int) -> Grid | None:
    """Counts of every step of a span; None where there is none.

    Args:
        reader: of the days.
        start: first step, UTC.
        steps: how many.
        total: name of the network's total, which becomes the last station; None without.
        mapped_mib: size from which on the counts are mapped from a file beside the data root.

    Raises:
        ConfigError: if a station has the name of the total.
        StoreError: if the minutes cannot be read, or the file cannot be made.
    """
    table = "minutes" if reader.as_of is None else "observations"
    days = days_of(reader.store, table, start, reader.end, reader.timezone)
    names = sorted({name for day in days if (grid := reader.read(day)) is not None for name in grid.stations})
    if not names:
        return None
    check_total(names, total)
    shape = len(reader.targets), len(names) + (total is not None), steps
    mapped = _folder(reader.store, 4 * int(np.prod(shape, dtype=np.int64)), mapped_mib)
    values = make_array(shape, mapped)
    _fill(values[:, : len(names)], reader, days, start, names)
    if total is not None:
        sum_up(values, reader.interval)
        names.append(total)
    return Grid(values, start, reader.interval, tuple(names), tuple(reader.targets), total, mapped=mapped)


def _folder(store: Store, size: int, mapped_mib: int) -> Path | None:
    """Where the counts are mapped from; None where they are few enough for memory."""
    return None if size < mapped_mib * MIB else folder_here(store.root) / "derived"


def _fill(values: Float, reader: DayGrids, days: Sequence[str], start: np.datetime64, names: Sequence[str]) -> None:
    """Write the counts of the days into [target, station, step]; NaN elsewhere."""
    done, place = 0, {name: number for number, name in enumerate(names)}
    for day in days:
        grid = reader.read(day)
        if grid is None:
            continue
        first = int((grid.start - start) // np.timedelta64(reader.interval, "m"))
        begin, stop = max(first, done), min(first + grid.steps, values.shape[2])
        values[:, :, done:stop] = np.nan
        if begin < stop:
            grid.fill(values[:, :, begin:stop], begin - first, as_rows([place[name] for name in grid.stations]))
        done = max(done, stop)
    values[:, :, done:] = np.nan
