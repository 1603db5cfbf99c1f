"""Busy hours against a reference that looks at one hour at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.forecast_fakes import random_grid

from tasks.busy_hours import BusyHours, busy_limits, hour_sums, peak_counts, peak_figures
from tasks.grid import Grid

HOUR = np.timedelta64(60, "m")


def slow_limit(grid: Grid, c: int, s: int, origin: Any) -> float:
    """Sum minutes of each clock hour of 28 days before the day of the origin; the smallest that 90 % do not exceed."""
    day = origin.astype("datetime64[D]").astype("datetime64[m]")
    found = []
    for back in range(1, 28 * 24 + 1):
        start = int(grid.index(day - back * HOUR))
        if start >= 0:
            minutes = grid.values[c, s, start : start + 60 // grid.interval].tolist()
            if not any(math.isnan(each) for each in minutes):
                found.append(sum(minutes))
    if len(found) < 100:
        return math.nan
    return float(next(x for x in sorted(found) if sum(y <= x for y in found) >= 0.9 * len(found)))


@pytest.mark.parametrize("start", ["2024-03-01T00:00", "2024-03-01T07:30"])
def test_a_limit_is_that_of_the_hours_before_the_day_of_the_origin(start: str) -> None:
    grid = random_grid(start, 35, stations=2, interval=10)
    rng = np.random.default_rng(2)
    grid.values[rng.random(grid.values.shape) < 0.02] = np.nan
    origins = np.array(
        ["2024-03-02T12:00", "2024-03-09T03:10", "2024-03-09T23:50", "2024-04-03T17:00"], "datetime64[m]"
    )
    got = BusyHours(grid, origins).limits(origins)
    for c, o, s in np.ndindex(2, 4, 2):
        assert got[c, o, s] == pytest.approx(slow_limit(grid, c, s, origins[o]), nan_ok=True)
    assert np.isnan(got[:, 0]).all()
    assert np.isfinite(got[:, 3]).all()


def test_no_minute_of_the_day_of_the_origin_or_after_it_changes_a_limit() -> None:
    grid = random_grid("2024-03-01T00:00", 12, stations=2, interval=10)
    origin = np.array(["2024-03-10T12:00"], "datetime64[m]")
    before = BusyHours(grid, origin).limits(origin)
    grid.values[:, :, int(grid.index(np.datetime64("2024-03-10T00:00", "m"))) :] = 1e6
    np.testing.assert_array_equal(BusyHours(grid, origin).limits(origin), before)
    grid.values[:, :, : int(grid.index(np.datetime64("2024-03-10T00:00", "m")))] += 1
    assert (BusyHours(grid, origin).limits(origin) == before + 6).all()


def test_hours_are_summed_from_a_step_on_as_they_are_from_the_start() -> None:
    grid = random_grid("2024-03-01T07:30", 5, stations=2, interval=10)
    grid.values[1, 0, 300:320] = np.nan
    first, sums = hour_sums(grid)
    later, fewer = hour_sums(grid, since=200)
    skipped = int((later - first) // HOUR)
    assert skipped == 33
    np.testing.assert_array_equal(fewer, sums[:, :, skipped:])
    none = hour_sums(grid, since=grid.steps)[1]
    assert none.shape == (2, 2, 0)


def test_precision_and_recall_count_the_hours_above_each_stations_limit() -> None:
    rng = np.random.default_rng(3)
    mean, truth = (rng.poisson(5, (2, 30, 3, 6)).astype(np.float32) for _ in range(2))
    truth[0, 4, 1, 2] = np.nan
    limits = np.full((2, 30, 3), 32.0)
    limits[1, :, 2] = np.nan
    counts = peak_counts(mean, truth, limits)
    slow = np.zeros((2, 3, 4))
    for c, o, s in np.ndindex(2, 30, 3):
        hour, actual, limit = mean[c, o, s].sum(), truth[c, o, s].sum(), limits[c, o, s]
        if not (math.isnan(actual) or math.isnan(limit)):
            slow[c, s] += [1, hour > limit, actual > limit, hour > limit and actual > limit]
    np.testing.assert_array_equal(counts, slow)
    whole = slow.sum(axis=(0, 1))
    figures = peak_figures(counts.sum(axis=(0, 1)))
    assert figures == {"peak_precision": whole[3] / whole[1], "peak_recall": whole[3] / whole[2]}
    assert all(math.isnan(value) for value in peak_figures(np.array([5.0, 0, 0, 0])).values())


def test_a_history_without_hours_sets_no_limit() -> None:
    assert np.isnan(busy_limits(np.zeros((2, 3, 0)))).all()
