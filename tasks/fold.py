"""The fold: from everything that sources said to today's truth.

Per (station, minute, part) and target the last statement counts, by availability, then receipt; of two that are equal
in both the one of the later source by name, then the one of the higher counts. A null says nothing. Parts are summed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks import tables


def fold(observations: pa.Table, targets: Sequence[str]) -> pa.Table:
    """Minute table of a set of observations, sorted by station and minute.

    Args:
        observations: rows of `tables.observations(targets)`, any order.
        targets: counts to fold.

    Returns:
        Rows of `tables.minutes(targets)`: the same set of observations gives the same bytes, in whatever order.
    """
    if observations.num_rows == 0:
        return tables.minutes(targets).empty_table()
    station, names = tables.name_codes(observations["station_id"])
    part, _ = tables.name_codes(observations["part"])
    minute = tables.numpy_times(observations["minute_utc"]).astype(np.int64)
    available = tables.numpy_times(observations["available_at"]).astype(np.int64)
    received = tables.numpy_times(observations["received_at"]).astype(np.int64)
    order = _order(station, minute, part, available, received)
    if _tied(order, station, minute, part, available, received):
        order = np.lexsort((*_by_content(observations, targets), received, available, part, minute, station))
    station, minute, part = station[order], minute[order], part[order]
    share = _starts(station, minute, part)
    key = _starts(station[share], minute[share])
    columns = [_total(_last(observations[target], order, share), key) for target in targets]
    rows = share[key]
    return pa.Table.from_arrays(
        [
            tables.name_array(station[rows], names),
            tables.time_array(minute[rows].astype("datetime64[us]")),
            *columns,
        ],
        schema=tables.minutes(targets),
    )


def _order(*keys: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Stable order by several keys, the first one first; skips the sort where they are in order already."""
    tied = np.ones(max(len(keys[0]) - 1, 0), dtype=bool)
    for key in keys:
        if (tied & (key[1:] < key[:-1])).any():
            return np.lexsort(keys[::-1])
        tied &= key[1:] == key[:-1]
    return np.arange(len(keys[0]))


def _tied(order: npt.NDArray[np.int64], *keys: npt.NDArray[np.integer]) -> bool:
    """Whether two rows that follow each other in the order are equal in all keys."""
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        ordered = key[order]
        same &= ordered[1:] == ordered[:-1]
    return bool(same.any())


def _by_content(observations: pa.Table, targets: Sequence[str]) -> list[npt.NDArray[np.integer]]:
    """Keys that settle what moments leave open, the last one first: source, then counts, a null lowest."""
    source, _ = tables.name_codes(observations["source"])
    counts = [observations[target].fill_null(-1).combine_chunks().to_numpy() for target in targets]
    return [*reversed(counts), source]


def _starts(*keys: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Positions where any of the sorted keys changes."""
    change = np.zeros(len(keys[0]), dtype=bool)
    change[0] = True
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(change)


def _last(
    column: pa.ChunkedArray, order: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Last non-null value of each group, and whether it has one."""
    valid = column.is_valid().combine_chunks().to_numpy(zero_copy_only=False)[order]
    values = column.fill_null(0).combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64)[order]
    position = np.where(valid, np.arange(len(order)), -1)
    newest = np.maximum.reduceat(position, starts)
    return np.where(newest >= 0, values[newest], 0), newest >= 0


def _total(shares: tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]], starts: npt.NDArray[np.int64]) -> pa.Array:
    """Sum of the parts of each key; null where no part says anything."""
    values, valid = shares
    total = np.minimum(np.add.reduceat(values, starts), np.iinfo(np.int32).max)
    seen = np.logical_or.reduceat(valid, starts)
    return pa.array(total, pa.int64(), mask=~seen).cast(pa.int32())
