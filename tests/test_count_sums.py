"""Sums of counts against exact distributions and against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.arrays import QUANTILES
from tasks.count_sums import band_of_sum, chance_above, interval_variance, standard_error, surprise


def slow_negative_binomial_tail(limit: float, mean: float, phi: float) -> float:
    """1 less the probabilities of 0, 1, 2 … up to the limit, by their definition."""
    if phi <= 1:
        return 1 - sum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(int(limit) + 1))
    size, p = mean / (phi - 1), 1 / phi
    logs = (
        math.lgamma(k + size) - math.lgamma(size) - math.lgamma(k + 1) + size * math.log(p) + k * math.log(1 - p)
        for k in range(int(limit) + 1)
    )
    return 1 - sum(map(math.exp, logs))


@pytest.mark.parametrize("phi", [1.0, 1.5, 4.0])
@pytest.mark.parametrize(("mean", "limit"), [(0.5, 2), (3.0, 0), (12.0, 20), (30.0, 38)])
def test_the_chance_of_few_people_is_the_sum_of_the_negative_binomial(mean: float, limit: float, phi: float) -> None:
    got = chance_above(np.array([limit]), np.array([mean]), np.array([phi * mean]))
    assert got[0] == pytest.approx(slow_negative_binomial_tail(limit, mean, phi), abs=1e-9)


@pytest.mark.parametrize(("mean", "phi"), [(4.0, 1.0), (30.0, 1.0), (30.0, 3.0), (600.0, 6.0)])
def test_nine_of_ten_sums_lie_in_their_band(mean: float, phi: float) -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(mean / (phi - 1), phi - 1, 20_000) if phi > 1 else mean, 20_000)
    low, high = band_of_sum(np.array(mean), np.array(phi * mean))
    assert 0.87 < ((counts >= low) & (counts <= high)).mean() < 0.97
    assert np.isnan(band_of_sum(np.array(np.nan), np.array(1.0))).all()


@pytest.mark.parametrize("phi", [1.0, 2.0, 6.0])
@pytest.mark.parametrize("mean", [45.0, 300.0, 5000.0])
def test_the_chance_of_many_people_is_near_the_negative_binomial(mean: float, phi: float) -> None:
    for sigmas in (-1.5, 0.5, 1.3, 2.3):
        limit = math.floor(mean + sigmas * math.sqrt(phi * mean))
        got = chance_above(np.array([float(limit)]), np.array([mean]), np.array([phi * mean]))[0]
        far = 0.12 * math.sqrt(phi / mean)  # the skewness that the square root leaves
        assert got == pytest.approx(slow_negative_binomial_tail(limit, mean, phi), abs=0.002 + far)


def test_what_is_not_known_stays_unknown_and_a_limit_below_zero_is_always_exceeded() -> None:
    arrays = (np.array([np.nan, 5, 5, -1.0]), np.array([3, np.nan, 3, 3.0]), np.array([3, 3, np.nan, 3.0]))
    got = chance_above(*arrays)
    assert np.isnan(got[:3]).all()
    assert got[3] == 1
    assert surprise(np.array([0.0]), np.array([5.0]), np.array([5.0]))[0] == 0
    assert chance_above(*(np.zeros((0, 3)),) * 3).shape == (0, 3)


def test_surprise_counts_tenths_of_probability() -> None:
    tail = slow_negative_binomial_tail(11, 5.0, 1.0)  # 12 or more
    assert surprise(np.array([12.0]), np.array([5.0]), np.array([5.0]))[0] == pytest.approx(-math.log10(tail), rel=1e-6)
    assert surprise(np.array([1e6]), np.array([5.0]), np.array([5.0]))[0] == 12


@pytest.mark.parametrize(
    ("mean", "phi", "off"), [(2.0, 1.0, 1.5), (20.0, 1.0, 0.3), (20.0, 3.0, 0.3), (400.0, 5.0, 0.1)]
)
def test_the_variance_of_an_interval_comes_from_the_width_of_its_quantiles(mean: float, phi: float, off: float) -> None:
    rng = np.random.default_rng(1)
    draws = rng.poisson(mean, 100_000) if phi == 1 else rng.negative_binomial(mean / (phi - 1), 1 / phi, 100_000)
    quantiles = np.quantile(draws, QUANTILES, method="inverted_cdf")[:, None]
    assert interval_variance(np.array([mean]), quantiles)[0] == pytest.approx(draws.var(), rel=off)
    errors = standard_error(draws.astype(float), np.full(len(draws), mean), np.full(len(draws), phi * mean))
    assert np.mean(errors > 1.2816) == pytest.approx(0.1, abs=0.03 if mean >= 20 else 0.05)  # few people come in steps
