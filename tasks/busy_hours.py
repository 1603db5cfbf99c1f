"""Busy hours: the tenth of a station's hours that counted most people, and how well forecasts find them.

Every (target, station) has a limit of its own, learnt from the hours of the weeks before the day of the origin, so that
a quiet station has busy hours as well, and no forecast is measured against a limit that knows its future.
"""

from __future__ import annotations

import numpy as np

from tasks.arrays import HORIZON_MINUTES, Minutes
from tasks.grid import Grid
from tasks.large_arrays import pieces
from tasks.metrics import Double, Real

SHARE = 0.9
"""An hour is busy if it counts more people than this share of the hours before."""
HISTORY_DAYS = 28
LEAST_HOURS = 100
"""Fewer observed hours set no limit."""
PEAK_SUMS = ("hours", "forecast_peaks", "actual_peaks", "hits")
HOURS_AT_ONCE = 24
"""Hours that are summed at once."""
_DAY = np.timedelta64(1, "D")


class BusyHours:
    """Limits above which an hour is busy, at any origin, from the clock hours of a grid.

    Args:
        grid: minutes of the weeks before the origins; those at or after the day of an origin are not looked at.
        origins: those of which limits will be asked.
    """

    def __init__(self, grid: Grid, origins: Minutes) -> None:
        first = origins.min().astype("datetime64[D]") - HISTORY_DAYS * _DAY if len(origins) else grid.minutes[-1]
        self._first, self._sums = hour_sums(grid, max(int(grid.index(first)), 0))

    def limits(self, origins: Minutes) -> Double:
        """People per hour above which an hour is busy, float64 [C, O, S]; NaN where too few hours were observed."""
        days, place = np.unique(origins.astype("datetime64[D]"), return_inverse=True)
        of_day = np.stack([self._of_day(day) for day in days], axis=1)
        return np.asarray(of_day[:, place])

    def _of_day(self, day: np.datetime64) -> Double:
        stop = int((day.astype("datetime64[h]") - self._first).astype(np.int64))
        history = self._sums[:, :, max(stop - HISTORY_DAYS * 24, 0) : max(stop, 0)]
        return busy_limits(history)


def hour_sums(grid: Grid, since: int = 0) -> tuple[np.datetime64, Double]:
    """First clock hour (UTC) that a grid holds whole, and people per clock hour, float64 [C, S, hour].

    NaN where a minute of the hour was not observed.

    Args:
        grid: all of whose steps are held.
        since: step from which on hours are summed.
    """
    steps = HORIZON_MINUTES // grid.interval
    start = grid.start + since * np.timedelta64(grid.interval, "m")
    skip = int(grid.index((start - np.timedelta64(1, "m")).astype("datetime64[h]") + np.timedelta64(1, "h")))
    sums = np.zeros((*grid.values.shape[:2], max(grid.steps - skip, 0) // steps))
    for hours in pieces(sums.shape[2], HOURS_AT_ONCE):
        counts = grid.values[:, :, skip + hours.start * steps : skip + hours.stop * steps]
        counts = np.ascontiguousarray(counts).reshape(*sums.shape[:2], -1, steps)
        sums[..., hours] = counts.sum(axis=-1, dtype=np.float64)
    return grid.minutes[skip].astype("datetime64[h]") if sums.shape[2] else start.astype("datetime64[h]"), sums


def busy_limits(history: Double) -> Double:
    """The limit of each series of hours, [..., hour] -> [...]; NaN where fewer than `LEAST_HOURS` were observed."""
    hours = np.sort(history, axis=-1)  # NaN last
    count = np.isfinite(hours).sum(axis=-1, keepdims=True)
    if not history.shape[-1]:
        return np.full(history.shape[:-1], np.nan)
    at = np.clip(np.ceil(SHARE * count).astype(np.int64) - 1, 0, None)
    limit = np.take_along_axis(hours, at, axis=-1)
    return np.asarray(np.where(count >= LEAST_HOURS, limit, np.nan)[..., 0])


def peak_counts(mean: Real, truth: Real, limits: Double) -> Double:
    """Hours that were compared, busy ones by forecast and by truth, and those that both call busy; float64 [C, S, 4].

    Args:
        mean: [C, O, S, H], expected count per step.
        truth: [C, O, S, H]; an hour with a step that is NaN does not count.
        limits: [C, O, S], people per hour; NaN does not count.
    """
    forecast, actual = (values.sum(axis=-1, dtype=np.float64) for values in (mean, truth))
    known = np.isfinite(actual) & np.isfinite(limits)
    expected, happened = known & (forecast > limits), known & (actual > limits)
    parts = (known, expected, happened, expected & happened)
    return np.stack([part.sum(axis=1, dtype=np.float64) for part in parts], axis=-1)


def peak_figures(counts: Double) -> dict[str, float]:
    """Figures of counts [4] by `PEAK_SUMS`.

    Returns:
        `peak_precision`, the share of the hours forecast busy that were; `peak_recall`, the share of the busy hours
        that were forecast busy; NaN where there was none.
    """
    at = dict(zip(PEAK_SUMS, counts.tolist(), strict=True))
    ratio = {"peak_precision": at["forecast_peaks"], "peak_recall": at["actual_peaks"]}
    return {name: at["hits"] / whole if whole else float("nan") for name, whole in ratio.items()}
