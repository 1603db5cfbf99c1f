"""Counters taken for counts: readings that only grow, such as the total of a turnstile since it was installed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.count_rows import CountRows
from tasks.ingest.rows.rows_in import InputColumns

READINGS = 8
"""Fewest different readings of a series that tell."""
ALONE = 24
"""Readings that tell of a counter whatever the other series are."""
FROM_HIGH, FROM_ZERO = 50, 150
"""Average rises below the lowest reading, or below the average one where a counter began near zero."""
RESET = 10
"""Readings per fall that a counter may have, for it is reset at times."""


def check_counters(file: InputColumns, columns: Mapping[str, tuple[str, ...]], rows: CountRows, order: Int) -> None:
    """Whether counts are those of their intervals, not the readings of counters.

    Args:
        file: where they are from.
        columns: our name -> the file's.
        rows: of the file.
        order: positions of those that count; each station and part forms a series for as long as its times go up.

    Raises:
        FileProblem: if series of a target only grow, by steps far smaller than their readings: one that is long,
            or those that hold half of the readings.
    """
    if len(rows.parts) > 1:
        order = order[np.lexsort((rows.part[order], rows.station[order]))]
    for target, counted in rows.counts.items():
        at = order[counted.given[order]]
        if (found := _find_counter(rows, at, counted.values[at])) is not None:
            column, station = columns[target][0], rows.stations[rows.station[found[0]]]
            first, last = (f"{counted.values[i]:,} at {rows.minute[i].astype('datetime64[m]')}Z" for i in found)
            raise FileProblem(
                "cumulative",
                f"{file.origin}: column {column!r} only grows at station {station!r}, from {first} to {last}: "
                "it is the reading of a counter: cumulative = true takes the differences of its readings; "
                "where a station has several counters, device = [...] names the columns that tell them apart",
            )


def _find_counter(rows: CountRows, at: Int, values: npt.NDArray[np.integer]) -> tuple[int, int] | None:
    """Positions of the first and the highest reading of a counter; None where there is none."""
    if len(at) < READINGS:
        return None
    keys, later = (rows.station[at], rows.part[at]), np.diff(rows.minute[at]) > 0
    goes_on = np.append(False, later & np.all([np.diff(key) == 0 for key in keys], axis=0))
    starts = np.flatnonzero(~goes_on)
    step = np.where(goes_on, np.diff(values.astype(np.int64), prepend=0), 0)
    rises, falls = np.add.reduceat(step > 0, starts, dtype=np.int64), np.add.reduceat(step < 0, starts, dtype=np.int64)
    readings = np.diff(np.append(starts, len(at)))
    pace = np.add.reduceat(np.maximum(step, 0), starts) / np.maximum(rises, 1)  # a slow ramp rises by one at a time
    average = np.add.reduceat(values, starts, dtype=np.int64) / readings
    tells = rises + falls >= READINGS - 1
    high = (np.minimum.reduceat(values, starts) > FROM_HIGH * pace) | (average > FROM_ZERO * pace)
    counters = tells & high & (RESET * falls <= readings)
    many = 2 * readings[counters].sum() >= readings[tells].sum()
    if not counters.any() or not (many or (counters & (rises >= ALONE)).any()):
        return None
    longest = int(np.where(counters, rises, -1).argmax())
    start, end = starts[longest], starts[longest] + readings[longest]
    return int(at[start]), int(at[start + values[start:end].argmax()])
