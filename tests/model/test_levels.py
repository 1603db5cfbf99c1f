"""How today runs over windows of several lengths: against slow sums, free of the level, silent where nothing is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import tiny_city

from tasks.contracts import Tensors
from tasks.model.levels import covered_windows, level_features, window_sums

FEATURES = tiny_city.features()
ORIGINS = tiny_city.START + np.timedelta64(30, "D") + np.arange(5) * np.timedelta64(165, "m")
WINDOWS = (10, 60, 120, 180, 720, 1440, 4000)
RECENT = 120


def test_windows_are_sums_of_the_steps_before_the_hour_that_have_a_count_and_a_profile() -> None:
    tensors = FEATURES.tensors(ORIGINS)
    windows = covered_windows(tensors, WINDOWS)
    people, expected = window_sums(tensors, windows)
    assert windows == [10, 60, 120, 180, 720, 1440]
    step = np.timedelta64(tiny_city.INTERVAL, "m")
    for w, minutes in enumerate(windows):
        for o, origin in enumerate(ORIGINS):
            past = np.arange(origin - np.timedelta64(minutes, "m"), origin, step)
            counts, profile = FEATURES.counts(past), FEATURES.profile(past)
            both = np.isfinite(counts) & np.isfinite(profile)
            np.testing.assert_allclose(people[:, o, :, w], np.where(both, counts, 0).sum(-1), rtol=1e-5)
            np.testing.assert_allclose(expected[:, o, :, w], np.where(both, profile, 0).sum(-1), rtol=1e-4)


def test_yesterday_s_hour_is_found_in_the_trail() -> None:
    tensors = FEATURES.tensors(ORIGINS)
    loud = tensors.hours.copy()
    at = loud.shape[-1] - (24 - RECENT // 60)  # ends 23 hours before the origin
    loud[0, ..., at] = 1000 * loud[1, ..., at] + 1e6
    before, after = (level_features(t, (60, 1440), 10, 2) for t in (tensors, replace(tensors, trail=loud)))
    last_hour, last_day, its_hour, hour_before = np.split(after - before, 4, axis=-1)
    assert not last_hour.any()
    assert (last_day > 0.1).all()
    np.testing.assert_allclose(hour_before, -last_day, rtol=1e-4)
    assert (its_hour - hour_before > 5).all()


def test_a_city_that_runs_alike_at_all_lengths_has_levels_that_are_all_one() -> None:
    tensors = FEATURES.tensors(ORIGINS)
    twice = replace(
        tensors,
        recent=(tensors.profile[..., : tensors.recent.shape[-1]] + 1) * 2e6,
        profile=(tensors.profile + 1) * 1e6,
        trail=np.stack([tensors.hours[1] * 2e6, tensors.hours[1] * 1e6]),
        level=np.full_like(tensors.level, 2),
    )
    np.testing.assert_allclose(level_features(twice, (15, 60, 720), 10, 2), 0, atol=1e-3)


@pytest.mark.parametrize("trail", [None, "zeros"])
def test_a_station_of_which_nothing_was_seen_runs_as_the_network_does(trail: str | None) -> None:
    tensors = silent(FEATURES.tensors(ORIGINS))
    if trail is None:
        tensors = replace(tensors, trail=None)
    found = level_features(tensors, (60, 120), 10, 2)
    targets = len(tensors.targets)
    assert found.shape[-1] == 4 * targets
    np.testing.assert_allclose(found[:, 0, :targets], found[:, 0, targets : 2 * targets], atol=1e-5)


def silent(tensors: Tensors) -> Tensors:
    """The first station saw nothing today."""
    recent, hours = tensors.recent.copy(), tensors.hours.copy()
    recent[:, :, 0], hours[:, :, :, 0] = np.nan, 0
    return replace(tensors, recent=recent, trail=hours)
