"""Quantiles of counts are those of the distribution they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.arrays import QUANTILES, Float
from tasks.model.uncertainty.counts import EXACT, DispersionSums, count_quantiles

means = hnp.arrays(np.float32, (3, 4), elements=st.floats(0, 3000, width=32))
spreads = st.floats(0.5, 12)


@given(means, spreads)
def test_quantiles_are_whole_never_cross_and_never_fall_below_zero(mean: Float, phi: float) -> None:
    quantiles = count_quantiles(mean, phi)
    assert quantiles.shape == (len(QUANTILES), 3, 4)
    assert quantiles.dtype == np.float32
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=0) >= 0).all()
    assert np.array_equal(quantiles, np.round(quantiles))


@given(st.lists(st.floats(0, 3000, width=32), min_size=2, max_size=20), spreads)
def test_quantiles_grow_with_the_mean(values: list[float], phi: float) -> None:
    quantiles = count_quantiles(np.array(sorted(values), np.float32), phi)
    assert (np.diff(quantiles, axis=1) >= -1).all()  # a step back of one, at most, where the two ways of counting meet


@pytest.mark.parametrize("phi", [1.0, 1.5, 4.0])
@pytest.mark.parametrize("mean", [0.01, 0.1, 0.7, 3.0, 31.0, 100.0, 1000.0])
def test_quantiles_are_those_of_drawn_counts(mean: float, phi: float) -> None:
    rng = np.random.default_rng(5)
    people = rng.poisson(mean, 200_000) if phi == 1 else rng.negative_binomial(mean / (phi - 1), 1 / phi, 200_000)
    found = count_quantiles(np.array([mean], np.float32), phi)[:, 0]
    slack = 0.002 if mean < EXACT else 0.02
    for quantile, level in zip(found, QUANTILES, strict=True):
        assert (people < quantile).mean() < level + slack
        assert (people <= quantile).mean() >= level - slack


def test_an_empty_station_has_quantiles_of_zero() -> None:
    assert not count_quantiles(np.zeros((2, 3), np.float32), 2.0).any()


def test_each_station_has_its_own_spread() -> None:
    mean = np.full((1, 2, 2, 3), 8, np.float32)
    wide = count_quantiles(mean, np.array([1.0, 6.0], np.float32).reshape(1, 1, 2, 1))
    assert np.array_equal(wide[:, :, :, 0], count_quantiles(mean[:, :, 0], 1.0))
    assert (wide[-1, :, :, 1] > wide[-1, :, :, 0]).all()


def dispersion(*parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    sums = DispersionSums()
    for truth, mean in parts:
        sums.add(truth, mean)
    return sums.dispersion()


def test_a_dispersion_is_the_same_to_the_bit_however_its_origins_come() -> None:
    rng = np.random.default_rng(1)
    mean = rng.gamma(3, 1, (2, 30, 4, 60)).astype(np.float32)
    truth = rng.poisson(mean).astype(np.float32)
    truth[rng.random(truth.shape) < 0.1] = np.nan
    cut = [(truth[:, a:b], mean[:, a:b]) for a, b in ((0, 1), (1, 18), (18, 30))]
    assert dispersion(*cut).tobytes() == dispersion((truth, mean)).tobytes()
    seen = np.isfinite(truth)
    squares, people = (np.where(seen, x, 0).sum(axis=(1, 3)) for x in ((truth - mean).astype(float) ** 2, mean))
    np.testing.assert_allclose(dispersion((truth, mean)), np.maximum((squares + 50) / (people + 50), 1), rtol=1e-5)


@pytest.mark.parametrize("phi", [1.0, 2.5])
def test_the_dispersion_of_drawn_counts_is_found_again(phi: float) -> None:
    rng = np.random.default_rng(6)
    mean = np.full((1, 400, 2, 60), 3, np.float32)
    drawn = rng.poisson(3, mean.shape) if phi == 1 else rng.negative_binomial(3 / (phi - 1), 1 / phi, mean.shape)
    assert dispersion((drawn.astype(np.float32), mean)) == pytest.approx(phi, rel=0.05)


def test_dispersion_is_poisson_where_little_was_observed() -> None:
    mean = np.full((1, 2, 2, 4), 1, np.float32)
    truth = np.full_like(mean, np.nan)
    truth[0, 0, 1, 0] = 4
    found = dispersion((truth, mean))
    assert found[0, 0] == 1
    assert 1 < found[0, 1] < 1.2
