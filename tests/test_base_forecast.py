"""An hour that few people tell of is drawn to the station's share of the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.base_forecast import shrink_to_share
from tasks.contracts import Tensors

HOURS, STEPS = 24, 4
BUSY, QUIET = 100.0, 0.2


def tensors(rates: tuple[float, ...] = (BUSY, QUIET), weeks: int = 10, total: str | None = None) -> Tensors:
    """One origin at which every hour of a station is as every other one."""
    hour = np.array(rates, np.float32)[None, None]
    names = tuple(f"s{i}" for i in range(len(rates)))
    profile = np.repeat(hour[..., None] / np.float32(STEPS), 2 * STEPS, axis=-1)
    return Tensors(
        origins=np.array(["2024-05-01T00:00"], "datetime64[m]"),
        lags=np.repeat(profile[None], weeks, axis=0),
        recent=profile[..., :STEPS],
        profile=profile,
        level=np.ones_like(hour),
        calendar=np.zeros((1, STEPS, 12), np.float32),
        stations=names,
        targets=("entries",),
        interval=60 // STEPS,
        trail=np.repeat(hour[None, ..., None], 2, axis=0).repeat(HOURS, axis=-1),
        total=names[-1] if total else None,
    )


def test_an_hour_as_the_share_has_it_stays() -> None:
    hour = np.array([[[BUSY, QUIET]]], np.float32)
    np.testing.assert_allclose(shrink_to_share(hour, tensors()), hour, rtol=1e-5)


def test_a_gamma_prior_of_ten_people_draws_a_quiet_hour_and_leaves_a_busy_one() -> None:
    drawn = shrink_to_share(np.array([[[BUSY, 3.0]]], np.float32), tensors())[0, 0]
    # of 25 hours with 0.2 each and one of 3: 8 people, beside 2600 of the busy and 8 of its own; the hour has 103
    share = 8 / 2608 * 103
    own = 10 * share / (10 * share + 10)
    assert drawn[1] == pytest.approx(own * 3 + (1 - own) * share, rel=1e-5)
    assert drawn[0] == pytest.approx(BUSY, rel=0.02)


def test_an_hour_without_anyone_gets_what_its_share_leaves_to_chance() -> None:
    drawn = shrink_to_share(np.array([[[BUSY, 0.0]]], np.float32), tensors())[0, 0]
    share = 5 / 2605 * 100  # of 26 hours, this one too: that nobody comes in ten weeks may be chance
    assert drawn[1] == pytest.approx((1 - 10 * share / (10 * share + 10)) * share, rel=1e-5)


def test_with_fewer_weeks_the_share_says_more() -> None:
    hour = np.array([[[BUSY, 3.0]]], np.float32)
    few, many = (shrink_to_share(hour, tensors(weeks=weeks))[0, 0, 1] for weeks in (2, 14))
    assert few < many


def test_an_hour_of_which_the_first_minutes_are_closed_has_as_many_weeks() -> None:
    hour, whole = np.array([[[BUSY, 3.0]]], np.float32), tensors()
    lags, profile = whole.lags.copy(), whole.profile.copy()
    lags[..., -STEPS:-1] = profile[..., -STEPS:-1] = np.nan
    closed = replace(whole, lags=lags, profile=profile)
    np.testing.assert_array_equal(shrink_to_share(hour, closed), shrink_to_share(hour, whole))


@pytest.mark.parametrize("silent", [slice(None), slice(6, None)])
def test_hours_in_which_a_station_said_nothing_do_not_make_it_smaller(silent: slice) -> None:
    hour, whole = np.array([[[BUSY, 5.0, 5.0]]], np.float32), tensors((BUSY, 5.0, 5.0))
    trail = whole.hours.copy()
    trail[:, :, :, 1, silent] = 0
    drawn = shrink_to_share(hour, replace(whole, trail=trail))[0, 0]
    np.testing.assert_allclose(drawn, hour[0, 0], rtol=0.05)


def test_without_a_trail_the_recent_steps_tell_the_share() -> None:
    drawn = shrink_to_share(np.array([[[BUSY, 0.0]]], np.float32), replace(tensors(), trail=None))[0, 0]
    assert 0.05 < drawn[1] < QUIET


@pytest.mark.parametrize("hour", [0.0, 0.3, 7.0])
def test_a_station_that_is_the_network_and_a_total_are_left_as_they_are(hour: float) -> None:
    alone = shrink_to_share(np.array([[[hour]]], np.float32), tensors((QUIET,)))
    np.testing.assert_allclose(alone, [[[hour]]], rtol=1e-5)
    people = np.array([[[hour, 2.0, hour + 2.0]]], np.float32)
    total = shrink_to_share(people, tensors((QUIET, 1.0, QUIET + 1), total="s2"))[0, 0, -1]
    assert total == pytest.approx(hour + 2, rel=1e-5)


def test_a_network_that_nobody_uses_is_zero_without_a_warning() -> None:
    with np.errstate(all="raise"):
        assert not shrink_to_share(np.zeros((1, 1, 2), np.float32), tensors((0.0, 0.0))).any()
