"""Fold observations into the minute table: from everything that sources stated to today's truth.

Per (station, minute, part) and target the last statement counts, by availability, then receipt; of two that are equal
in both the one of the later source by name, then the one of the higher counts. A null says nothing. Parts are summed;
a sum of which a part is `NOT_KNOWN` is null, and a row without any count is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.tables import schemas


def fold(observations: pa.Table, targets: Sequence[str]) -> pa.Table:
    """Minute table of a set of observations, sorted by station and minute.

    Args:
        observations: rows of `tables.observations(targets)`, any order.
        targets: counts to fold.

    Returns:
        Rows of `tables.minutes(targets)`: the same set of observations gives the same bytes, in whatever order.
    """
    if observations.num_rows == 0:
        return schemas.minutes(targets).empty_table()
    station, names = schemas.name_codes(observations["station_id"])
    minute = schemas.numpy_times(observations["minute_utc"]).view(np.int64)
    if schemas.ascending((station, minute), strictly=True):  # everything is stated once
        columns = [_null_unknown(schemas.one_array(observations[target])) for target in targets]
        return _minutes(station, minute, names, columns, targets)
    part, _ = schemas.name_codes(observations["part"])
    available = schemas.numpy_times(observations["available_at"]).astype(np.int64)
    received = schemas.numpy_times(observations["received_at"]).astype(np.int64)
    keys: list[npt.NDArray[np.integer]] = [station, minute, part, available, received]
    if not schemas.ascending(keys, strictly=True):
        order = np.lexsort(keys[::-1])
        if not schemas.ascending([key[order] for key in keys], strictly=True):
            order = np.lexsort((*_by_content(observations, targets), *reversed(keys)))
        station, minute, part = station[order], minute[order], part[order]
        observations = observations.select(targets).take(pa.array(order))
    share = _starts(station, minute, part)
    key = _starts(station[share], minute[share])
    if len(key) == len(station):
        columns = [_null_unknown(schemas.one_array(observations[target])) for target in targets]
    else:
        columns = [_total(_last(observations[target], share), key) for target in targets]
    rows = share[key]
    return _minutes(station[rows], minute[rows], names, columns, targets)


def _minutes(
    station: npt.NDArray[np.int32],
    minute: npt.NDArray[np.int64],
    names: Sequence[str],
    columns: list[pa.Array],
    targets: Sequence[str],
) -> pa.Table:
    """Rows of the minute table; those of which no target was observed are left out."""
    if all(column.null_count for column in columns):
        stated = np.any([column.is_valid().to_numpy(zero_copy_only=False) for column in columns], axis=0)
        station, minute = station[stated], minute[stated]
        columns = [column.filter(pa.array(stated)) for column in columns]
    return pa.Table.from_arrays(
        [schemas.name_array(station, names), schemas.time_array(minute.view("datetime64[us]")), *columns],
        schema=schemas.minutes(targets),
    )


def has_unknown(observations: pa.Table, targets: Sequence[str]) -> bool:
    """Whether a count of some observations is `NOT_KNOWN`, so that a sum of theirs may have been left out."""
    lowest = (pc.min(observations[target]).as_py() for target in targets)
    return any(value is not None and value < 0 for value in lowest)


def _null_unknown(column: pa.Array) -> pa.Array:
    """A column of counts, null where they are not known."""
    lowest = pc.min(column).as_py()
    return column if lowest is None or lowest >= 0 else pc.if_else(pc.less(column, 0), None, column)


def _by_content(observations: pa.Table, targets: Sequence[str]) -> list[npt.NDArray[np.integer]]:
    """Keys that settle what moments leave open, the last one first: source, then counts, a null lowest."""
    source, _ = schemas.name_codes(observations["source"])
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
    column: pa.ChunkedArray, starts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Last non-null value of each group, and whether it has one."""
    valid = column.is_valid().combine_chunks().to_numpy(zero_copy_only=False)
    values = column.fill_null(0).combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64)
    position = np.where(valid, np.arange(len(column)), -1)
    newest = np.maximum.reduceat(position, starts)
    return np.where(newest >= 0, values[newest], 0), newest >= 0


def _total(shares: tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]], starts: npt.NDArray[np.int64]) -> pa.Array:
    """Sum of the parts of each key; null where no part says anything, or one is not known."""
    values, valid = shares
    total = np.minimum(np.add.reduceat(values, starts), np.iinfo(np.int32).max)
    seen = np.logical_or.reduceat(valid, starts)
    if (unknown := valid & (values < 0)).any():
        seen &= ~np.logical_or.reduceat(unknown, starts)
    return pa.array(total, pa.int64(), mask=~seen).cast(pa.int32())
