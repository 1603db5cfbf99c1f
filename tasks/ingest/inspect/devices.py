"""Whether counts are readings of counters that run on, and which columns tell the counters of a station apart."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np

from tasks.arrays import Int
from tasks.ingest.inspect.answers import Question
from tasks.ingest.inspect.profile import Column
from tasks.ingest.rows.parse_times import Times

_FEWEST, _MANY, _RISING = 5, 20, 0.9
"""Changes of readings that may tell, and that do; and the share of them that are rises."""
_LIKELY_HIGH, _HIGH = 20, 100
"""Average rises in a reading from which it may be, and is, that of a counter."""
MOST_DEVICES = 5000
"""Distinct values that a column of devices may have."""


class Growth(Enum):
    """Whether counts are readings of counters, which only grow."""

    NONE, LIKELY, SURE = range(3)


def find_growth(
    series: Sequence[Int], utc: Times, numbers: Sequence[np.ndarray[tuple[int], np.dtype[np.float64]]]
) -> Growth:
    """How likely counts are readings: their steps are small beside their height, and hardly ever down.

    Args:
        series: codes [row] of all that tells devices apart.
        utc: time of each row.
        numbers: counts [row] of each target.
    """
    found = Growth.NONE
    for values in numbers:
        known = ~np.isnat(utc) & ~np.isnan(values)
        order = np.lexsort((utc[known].astype(np.int64), *(codes[known] for codes in series)))
        same = np.all([np.diff(codes[known][order]) == 0 for codes in series], axis=0)
        steps = np.diff(values[known][order])[same]
        moved = steps[steps != 0]
        if len(moved) < _FEWEST or (moved > 0).mean() < _RISING:
            continue
        height = np.median(values[known]) / np.median(np.abs(moved))
        if len(moved) >= _MANY and height > _HIGH:
            return Growth.SURE
        found = Growth.LIKELY if height > _LIKELY_HIGH else found
    return found


def ask_numbers(column: Column) -> Question:
    """Asked of a column that may hold readings of counters."""
    text = f"Column {column.name!r} hardly ever falls ({', '.join(column.texts[:4])}, ...): what are its numbers?"
    note = ("--numbers readings", "of a counter: people are the differences"), ("--numbers people", "of each row")
    return Question("--numbers", text, note)


def find_devices(place: Int, times: Times, columns: Sequence[Column]) -> tuple[Int, list[str]]:
    """Code of each row's counter, and the columns that name it.

    Columns that tell no rows of one time apart are named, too, where they part no counter in two: other files may need
    them.

    Args:
        place: code of each row's station.
        times: of each row.
        columns: that may name a device.
    """
    series, needed = place, list[str]()
    for column in columns:
        finer = _join_codes(series, column)
        if repeated_times(finer, times) < repeated_times(series, times):
            series, needed = finer, [*needed, column.name]
    every = series
    for column in columns:
        every = _join_codes(every, column)
    whole = len(np.unique(every)) == len(np.unique(series))
    return series, [column.name for column in columns] if whole and needed else needed


def _join_codes(series: Int, column: Column) -> Int:
    pairs = series.astype(np.int64) * (len(column.texts) + 1) + column.codes + 1
    return np.asarray(np.unique(pairs, return_inverse=True)[1].reshape(-1))


def repeated_times(series: Int, times: Times) -> int:
    """Rows that share series and time with a row before them."""
    cells = np.stack([series, times.astype("datetime64[s]").astype(np.int64)])
    return int(cells.shape[1] - np.unique(cells, axis=1).shape[1])
