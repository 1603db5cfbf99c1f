"""What past weeks say of the rest of a day."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.arrays import Float
from tasks.levels.persistence import UNKNOWN_SPREAD, expect_from_older, learn_persistence
from tasks.rest_of_day import band

HOURS = np.arange(12, dtype=np.float64)


def weeks(hourly_level: Float, people: float = 200, stations: int = 4, seed: int = 1) -> Float:
    """Counts of 14 days of 96 quarters, at levels [K, C, S, 24] of so many people per hour."""
    rate = np.repeat(hourly_level, 4, axis=-1) * people / 4
    return np.random.default_rng(seed).poisson(np.broadcast_to(rate, (14, 1, stations, 96))).astype(np.float32)


def lognormal(shape: tuple[int, ...], sigma: float = 0.4) -> Float:
    return np.random.default_rng(2).lognormal(0, sigma, shape).astype(np.float32)


def test_a_level_that_lasts_all_day_is_carried_to_its_end() -> None:
    learnt = learn_persistence(weeks(lognormal((14, 1, 1, 1)) * np.ones((1, 1, 1, 24), np.float32)), 4, 9, 0.82)
    made = learnt.level(np.full((1, 4), 300.0), np.full((1, 4), 200.0), HOURS)
    assert made.shape == (1, 4, 12)
    assert made.min() > 1.3
    assert made.max() < 1.5


def test_a_level_that_says_nothing_of_the_next_hour_is_forgotten_at_once() -> None:
    learnt = learn_persistence(weeks(lognormal((14, 1, 1, 24))), 4, 9, 0.82)
    made = learnt.level(np.full((1, 4), 300.0), np.full((1, 4), 200.0), HOURS + 1)
    np.testing.assert_allclose(made, 1, atol=0.12)


def test_a_station_keeps_its_own_deviation_beside_the_networks() -> None:
    learnt = learn_persistence(
        weeks(lognormal((14, 1, 8, 1)) * np.ones((1, 1, 1, 24), np.float32), stations=8), 4, 9, 0.82
    )
    people = np.array([[400.0, *[200.0] * 7]])
    made = learnt.level(people, np.full((1, 8), 200.0), HOURS[:4])
    assert made[0, 0].min() > 1.4
    assert made[0, 1:].max() < 1.15


def test_an_hour_with_few_people_says_little_of_busy_ones() -> None:
    learnt = learn_persistence(weeks(lognormal((14, 1, 1, 1)) * np.ones((1, 1, 1, 24), np.float32)), 4, 9, 0.82)
    made = learnt.level(np.full((1, 4), 3.0), np.full((1, 4), 1.0), HOURS)
    assert made.max() < 1.15


def test_without_history_the_rest_of_the_day_is_the_usual_one_with_a_wide_band() -> None:
    learnt = learn_persistence(weeks(lognormal((14, 1, 1, 24)))[:2], 4, 9, 0.82)
    np.testing.assert_array_equal(learnt.level(np.full((1, 4), 300.0), np.full((1, 4), 200.0), HOURS), 1)
    assert learnt.spread(HOURS).min() >= UNKNOWN_SPREAD
    unseen = learn_persistence(np.full((14, 1, 4, 96), np.nan, np.float32), 4, 9, 0.82)
    assert np.isfinite(unseen.spread(HOURS)).all()


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.4])
def test_the_band_holds_nine_days_of_ten(sigma: float) -> None:
    rng = np.random.default_rng(5)
    levels = lognormal((14, 1, 60, 24), sigma)
    learnt = learn_persistence(weeks(levels, stations=60), 4, 9, 0.82)
    truth = rng.poisson(50 * rng.lognormal(0, sigma, (400, 60)))
    low, high = band(np.full(60, 50.0), learnt.spread(np.array([8.0]))[0, :, 0])
    covered = ((truth >= low) & (truth <= high)).mean()
    assert 0.87 < covered < 0.97


def test_what_was_usual_of_a_week_is_the_mean_of_older_weeks_newer_ones_weighing_more() -> None:
    values = np.array([[9.0], [4.0], [np.nan], [2.0], [1.0]])
    usual = expect_from_older(values, 0.5)
    older = (4 * 1 + 2 * 0.25 + 1 * 0.125) / (1 + 0.25 + 0.125)
    np.testing.assert_allclose(usual[0], older)
    np.testing.assert_allclose(usual[1], (2 * 1 + 1 * 0.5) / 1.5)
    np.testing.assert_allclose(usual[2], (2 + 0.5) / 1.5)
    assert np.isnan(usual[3:]).all()
