"""Stations that are the sum of others wherever they are counted: totals of lines, of complexes, of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int

_MOST_STATIONS = 600
_FEWEST = 8
"""Intervals with people that must add up, of the sum and of each of its parts; fewer can do so by chance."""
_PER_STATION = 4
_ZERO = 1e-6
Numbers = npt.NDArray[np.float64]


def find_sums(station: Int, cell: Int, numbers: Sequence[Numbers]) -> dict[int, list[int]]:
    """Stations that are sums of at least two others, by code, each with its parts; those of few rows are not judged.

    Args:
        station: code [row], -1 for none.
        cell: code [row] of what must be alike in rows that are added up: time, direction.
        numbers: counts [row] of each target, NaN for none.
    """
    stations, place = np.unique(station, return_inverse=True)
    if not numbers or not 3 <= len(stations) <= _MOST_STATIONS:
        return {}
    counts = np.concatenate([_by_cell(place.reshape(-1), cell, values, len(stations)) for values in numbers])
    counts = counts[~np.isnan(counts).any(axis=1) & counts.any(axis=1)]
    often = np.flatnonzero(((counts > 0).sum(axis=0) >= _FEWEST) & (stations >= 0))
    order = often[np.argsort(counts[:, often].sum(axis=0), kind="stable")]
    if len(counts) < len(order) + _FEWEST or len(order) < 3:
        return {}
    found = dict[int, list[int]]()
    for number in _dependent(counts[:, order]):
        smaller = [each for each in order[:number] if int(stations[each]) not in found]
        if parts := _parts(counts, int(order[number]), smaller):
            found[int(stations[order[number]])] = [int(stations[part]) for part in parts]
    return found


def _by_cell(place: Int, cell: Int, values: Numbers, stations: int) -> Numbers:
    """Counts [cell, station]; NaN where one is not known, 0 where there is no row."""
    cells, which = np.unique(cell, return_inverse=True)
    at = which.reshape(-1) * stations + place
    sums = np.bincount(at, weights=values, minlength=len(cells) * stations)
    return np.asarray(sums.reshape(-1, stations), dtype=np.float64)


def _dependent(counts: Numbers) -> list[int]:
    """Columns that are combinations of those before them, measured on some of the rows."""
    step = max(len(counts) // (_PER_STATION * counts.shape[1] + 200), 1)
    some = counts[::step]
    if len(some) < some.shape[1]:
        some = counts
    left = np.abs(np.diag(np.linalg.qr(some, mode="r")))
    return np.flatnonzero(left <= _ZERO * np.maximum(np.linalg.norm(some, axis=0), 1)).tolist()


def _parts(counts: Numbers, whole: int, smaller: Sequence[int]) -> list[int]:
    """Which of smaller stations add up to one in every interval; none where no two do."""
    share = np.linalg.lstsq(counts[:, smaller], counts[:, whole], rcond=None)[0]
    parts = [each for each, part in zip(smaller, share, strict=True) if part > 0.5]
    return parts if len(parts) > 1 and (counts[:, parts].sum(axis=1) == counts[:, whole]).all() else []
