"""Drift of the counts against plain sums, on weeks that are alike, shifted, doubled, silent, or of other stations."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from score.test_scoring import config, observe
from support.forecast_fakes import random_grid

from tasks.grid import Grid
from tasks.score.drift import Drift, stability_index
from tasks.score.steps import find_drift
from tasks.settings.control import DriftSettings
from tasks.settings.tree import ScoreSettings

START = "2024-04-06T05:00"  # midnight in Chicago
DAYS = 15
TODAY = np.datetime64("2024-04-21T12:00", "s")
LAST_WEEK = slice(8 * 144, None)


def drift_of(root: Path, grid: Grid, batch: str = "a") -> tuple[Drift, ...]:
    observe(root, grid, batch)
    score = ScoreSettings(drift=DriftSettings(reference_days=8))
    return find_drift(config(root, interval=10).model_copy(update={"score": score}), TODAY)


@pytest.fixture
def grid() -> Grid:
    return random_grid(START, DAYS, stations=6, interval=10, rate=2.0)


def test_weeks_that_are_alike_have_not_drifted(tmp_path: Path, grid: Grid) -> None:
    found = drift_of(tmp_path, grid)
    assert [each.tier for each in found] == ["busiest third", "middle third", "quietest third"]
    assert not any(each.drifted for each in found)
    for each in found:
        assert each.figures["index"] < 0.01
        assert each.figures["level"] == pytest.approx(1, abs=0.05)


def test_the_index_is_that_of_the_shares_of_the_hours_of_the_day(tmp_path: Path, grid: Grid) -> None:
    grid.values[..., LAST_WEEK] = np.roll(grid.values[..., LAST_WEEK], 36, axis=-1)  # by six hours
    found = drift_of(tmp_path, grid)
    people = grid.values.sum(axis=0).reshape(6, DAYS, 24, 6).sum(axis=-1)
    busiest = np.argsort(-people.sum(axis=(1, 2)))[:2]
    now, then = (people[busiest][:, part].mean(axis=(0, 1)) for part in (slice(8, None), slice(0, 8)))
    p, q = now / now.sum(), then / then.sum()
    slow = sum((a - b) * math.log(a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True))
    assert found[0].figures["index"] == pytest.approx(slow, rel=0.01)
    assert found[0].drifted
    assert "other shares" in found[0].sentence


def test_twice_the_people_silent_minutes_and_stations_that_come_and_go_are_told(tmp_path: Path, grid: Grid) -> None:
    order = np.argsort(-grid.values.sum(axis=(0, 2)))
    grid.values[:, order[:2], LAST_WEEK] *= 2
    grid.values[:, order[2], LAST_WEEK] = np.nan
    grid.values[:, order[3], : 8 * 144] = np.nan
    grid.values[:, order[4:], 8 * 144 :: 2] = np.nan
    found = {name: each for each in drift_of(tmp_path, grid) for name in [each.tier]}
    assert found["busiest third"].figures["level"] == pytest.approx(2, rel=0.05)
    assert "times the people" in found["busiest third"].sentence
    sentences = "; ".join(each.sentence for each in found.values())
    assert f"vanished: {grid.stations[order[2]]}" in sentences
    assert f"appeared: {grid.stations[order[3]]}" in sentences
    assert all(each.drifted for each in found.values())


def test_drift_is_measured_again_only_where_counts_of_the_week_came_or_changed(
    tmp_path: Path, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Grid(grid.values[..., : -144 // 2], grid.start, 10, grid.stations, grid.targets)
    first = drift_of(tmp_path, late)
    assert first[0].figures["missing"] == pytest.approx(0.5 / 7)
    whole = drift_of(tmp_path, grid, "b")
    assert whole[0].figures["missing"] == 0
    monkeypatch.setattr("tasks.score.steps.measure_drift", lambda *given: pytest.fail("nothing has changed"))
    assert drift_of(tmp_path, grid, "b") == whole


def test_too_few_days_say_nothing(tmp_path: Path) -> None:
    assert drift_of(tmp_path, random_grid("2024-04-14T05:00", 7, stations=3, interval=10)) == ()


def test_an_hour_without_anybody_leaves_the_index_finite() -> None:
    now, then = np.array([0.0, 5, 5]), np.array([1.0, 4, 5])
    assert 0 < stability_index(now, then) < 2
    assert math.isnan(stability_index(np.zeros(3), then))
