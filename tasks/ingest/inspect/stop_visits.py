"""Rows of vehicles at stops, each with the people of that moment: neither intervals nor journeys."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tasks.arrays import Int
from tasks.ingest.inspect.profile import Column

_DAY = 86_400
_FEWEST = 5
"""Trips that come by at a station, on average of all days: fewer may be something else."""


def are_stop_visits(station: Int, seconds: Int, columns: Iterable[Column]) -> bool:
    """Whether a column names trips, each of which is at a station once a day, at one time.

    Args:
        station: code [row].
        seconds: since 1970 [row], on the wall clock.
        columns: that are neither time, station nor counts.
    """
    day = seconds // _DAY
    for column in columns:
        if column.hints_at("vehicle trip") and len(column.texts) >= _FEWEST and not column.blank:
            visits = _count(station, day, column.codes)
            if visits >= _FEWEST * _count(station, day) and visits == _count(station, day, column.codes, seconds):
                return True
    return False


def _count(*codes: Int) -> int:
    return int(np.unique(np.stack(codes), axis=1).shape[1])
