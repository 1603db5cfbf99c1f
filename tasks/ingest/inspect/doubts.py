"""Tables of which each row can be read, and which are wrong as a whole: totals among the rows, hours of half a day."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.words import is_value_of, words_of
from tasks.ingest.rows.parse_times import Times

_TOTAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_FEWEST_DAYS = 2
_LEAST_HOURS = 8


def find_total(stations: Column, counted: npt.NDArray[np.bool_]) -> str | None:
    """The station that is the total of all others by its name; None where there is none.

    Args:
        stations: of each row.
        counted: rows with a time.

    Raises:
        SourceError: if there are several, or it has a name that the network cannot give its total.
    """
    used = np.unique(stations.codes[counted & (stations.codes >= 0)])
    totals = [name for name in (stations.texts[code] for code in used) if _is_total(name)]
    if len(totals) > 1 or any(not _TOTAL_NAME.fullmatch(name) for name in totals):
        raise SourceError(
            f"column {stations.name!r} has {', '.join(map(repr, totals[:4]))} among its stations: totals of other rows "
            "would count everybody twice: leave them out of the export"
        )
    return totals[0] if totals and len(used) > 1 else None


def _is_total(name: str) -> bool:
    words = words_of(name)
    return is_value_of(name, "total value") or (len(words) > 1 and words[-1] in ("total", "subtotal", "totals"))


def check_hours(wall: Times, formats: Sequence[str], names: Sequence[str]) -> None:
    """Whether hours are those of a whole day, or say AM and PM.

    Raises:
        SourceError: if they go from 1 to 12 and say neither.
    """
    known = wall[~np.isnat(wall)]
    hours = {*np.unique((known - known.astype("datetime64[D]")).astype("timedelta64[h]").astype(int)).tolist()}
    if any("%I" in text for text in formats) or not {1, 12} <= hours <= {*range(1, 13)} or len(hours) < _LEAST_HOURS:
        return
    raise SourceError(
        f"the hours of {' + '.join(names)} go from 1 to 12: half a day, or a clock of 12 hours without AM and PM, of "
        "which nothing tells the half: export 24 hours, or AM and PM"
    )


def check_day_sums(place: Int, wall: Times, numbers: Sequence[npt.NDArray[np.float64]]) -> None:
    """Whether the rows at midnight are counts of their interval.

    Args:
        place: code of the station and the direction of each row.
        wall: time of each row as it was written.
        numbers: counts [row] of each target.

    Raises:
        SourceError: if they are the sums of the rest of their days.
    """
    known = ~np.isnat(wall) & (place >= 0)
    day = wall.astype("datetime64[D]")
    midnight = known & (day == wall)
    if not midnight.any() or (known & ~midnight).sum() == 0:
        return
    series = np.stack([place, np.where(known, day, np.datetime64(0, "D")).astype(np.int64)])
    _, which = np.unique(series, axis=1, return_inverse=True)
    which = which.ravel()
    for values in numbers:
        told = known & ~np.isnan(values)
        rest, many = (np.bincount(which, weights=w) for w in (np.where(told & ~midnight, values, 0), told & ~midnight))
        own = np.bincount(which, weights=np.where(told & midnight, values, 0))
        compared = (many >= _FEWEST_DAYS) & (own > 0)
        if compared.sum() >= _FEWEST_DAYS and (own == rest)[compared].all():
            raise SourceError(
                "the rows at midnight are the sums of their days: they would count everybody twice: leave them out of "
                "the export"
            )
