"""Means add up, quantiles stay in order, and nothing happens where no total is asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.arrays import QUANTILES
from tasks.contracts import Prediction, Tensors
from tasks.total import DIRECT, MOST, coherent, scale_quantiles

TARGETS, ORIGINS, HORIZON = 2, 3, 4


def tensors(stations: int, total: str | None = "ALL", seen: float = 1.0, seed: int = 0) -> Tensors:
    """Of some stations and their total, of which a share of the last hour was observed."""
    rng = np.random.default_rng(seed)
    shape = (TARGETS, ORIGINS, stations + 1)
    recent = rng.poisson(4, (*shape, HORIZON)).astype(np.float32)
    recent[:, :, -1, : HORIZON - round(seen * HORIZON)] = np.nan
    wide = rng.poisson(4, (2, *shape, 2 * HORIZON)).astype(np.float32)
    calendar = np.zeros((ORIGINS, HORIZON, len(Tensors.CALENDAR)), np.float32)
    names = (*(f"s{i}" for i in range(stations)), "ALL")
    moments = np.datetime64("2024-01-01T00:00", "m") + 60 * np.arange(ORIGINS)
    level = np.ones(shape, np.float32)
    return Tensors(moments, wide, recent, wide[0], level, calendar, names, ("a", "b"), 15, total=total)


def prediction(stations: int, seed: int = 0, share: float = 1.0, zeros: float = 0.2) -> Prediction:
    """Whole quantiles around means, the total's being `share` of the stations' sum."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(0.7, 6, (TARGETS, ORIGINS, stations + 1, HORIZON)).astype(np.float32)
    mean[rng.random(mean.shape) < zeros] = 0
    mean[:, :, -1] = share * mean[:, :, :-1].sum(axis=2)
    spread = np.array([2.5 * (q - 0.5) for q in QUANTILES], np.float32)[:, None, None, None, None]
    return Prediction(mean, np.maximum(np.round(mean + spread * np.sqrt(mean)), 0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.floats(0, 5), st.sampled_from([0.0, 0.5, 1.0]))
def test_means_add_up_and_quantiles_stay_in_order(seed: int, stations: int, share: float, seen: float) -> None:
    made = coherent(prediction(stations, seed, share), tensors(stations, seen=seen))
    total = made.mean[:, :, :-1].sum(axis=2, dtype=np.float64)
    np.testing.assert_allclose(made.mean[:, :, -1], total, rtol=1e-6)
    assert (np.diff(made.quantiles, axis=0) >= 0).all()
    assert (made.mean >= 0).all()
    assert (made.quantiles >= 0).all()
    assert np.isfinite(made.quantiles).all()
    assert made.mean.dtype == made.quantiles.dtype == np.float32


def test_without_a_total_a_prediction_is_left_alone() -> None:
    before = prediction(3)
    assert coherent(before, tensors(3, total=None)) is before


def test_the_total_lies_between_its_own_forecast_and_the_sum() -> None:
    before = prediction(5, share=1.4, zeros=0)
    after = coherent(before, tensors(5))
    below, own = before.mean[:, :, :-1].sum(axis=2), before.mean[:, :, -1]
    np.testing.assert_allclose(after.mean[:, :, -1], below + DIRECT * (own - below), rtol=1e-5)
    ratio = after.mean[:, :, :-1] / before.mean[:, :, :-1]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :, :1], ratio.shape), rtol=1e-5)


def test_a_total_that_was_not_observed_of_late_does_not_move_the_stations() -> None:
    before = prediction(5, share=1.4)
    blind = coherent(before, tensors(5, seen=0.0))
    np.testing.assert_allclose(blind.mean[:, :, :-1], before.mean[:, :, :-1], rtol=1e-6)
    half = coherent(before, tensors(5, seen=0.5)).mean[:, :, -1]
    below, own = before.mean[:, :, :-1].sum(axis=2), before.mean[:, :, -1]
    np.testing.assert_allclose(half, below + DIRECT / 2 * (own - below), rtol=1e-5)


def test_a_mad_forecast_of_the_total_moves_the_stations_by_a_bounded_factor() -> None:
    before = prediction(4, share=1000.0, zeros=0)
    after = coherent(before, tensors(4))
    np.testing.assert_allclose(after.mean[:, :, :-1], MOST * before.mean[:, :, :-1], rtol=1e-5)


def test_quantiles_of_the_total_go_along_with_its_mean() -> None:
    before = prediction(40, share=1.2, zeros=0)
    after = coherent(before, tensors(40))
    ratio = after.mean[:, :, -1] / before.mean[:, :, -1]
    np.testing.assert_allclose(after.quantiles[..., -1, :], before.quantiles[..., -1, :] * ratio, atol=0.5)


def test_whole_numbers_stay_whole_and_those_a_hundredth_short_stay_short() -> None:
    quantiles = np.array([0, 0.01, 2, 2, 1.99, 3, 3.99], np.float32)[np.array([0, 1, 4, 2, 3, 5, 6])][:, None]
    after = scale_quantiles(quantiles, np.array([1.04]))
    np.testing.assert_allclose(after, quantiles, atol=1e-6)
    np.testing.assert_allclose(
        scale_quantiles(quantiles * 100, np.array([1.04])), np.sort(np.round(quantiles * 104), axis=0), atol=0.51
    )
