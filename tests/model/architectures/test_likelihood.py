"""The negative binomial likelihood of an hour against SciPy's distributions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from support import tiny_city

from tasks.arrays import Float
from tasks.model.architectures._next_hour.inputs import InputSettings, prepare
from tasks.model.architectures._next_hour.row_weights import shared_dispersion
from tasks.model.architectures._next_hour.samples import UNOBSERVED, Samples

SPREAD = np.array([0.3, 0.02], np.float32)
ROWS, STEPS = 4, 12


def deviance(truth: Float, mean: Float, spread: Float | None) -> npt.NDArray[np.float64]:
    from tasks.model.architectures._next_hour.network import likelihood

    output = np.concatenate([mean, np.zeros((len(mean), 7, *mean.shape[2:]), np.float32)], axis=1)
    return np.asarray(likelihood(truth, output, spread), np.float64)


def log_likelihood(truth: Float, mean: Float) -> float:
    """Of one row [target, step]: the hour's sum is negative binomial, its steps given the sum multinomial."""
    from scipy import stats

    found = 0.0
    for count, expected, spread in zip(truth, mean, SPREAD.astype(float), strict=True):
        seen = count >= 0
        people, total = int(count[seen].sum()), float(expected[seen].sum())
        found += stats.nbinom.logpmf(people, 1 / spread, 1 / (1 + spread * total))
        shares = expected[seen].astype(float)
        found += stats.multinomial.logpmf(count[seen], people, shares / shares.sum())
    return found


def test_deviances_differ_as_the_log_likelihoods_do() -> None:
    rng = np.random.default_rng(4)
    truth = rng.poisson(3, (ROWS, 1, 2, STEPS)).astype(np.float32)
    truth[1, 0, 0, :5] = UNOBSERVED
    one, other = (rng.gamma(2, 2, truth.shape).astype(np.float32) for _ in range(2))
    found = deviance(truth, one, SPREAD) - deviance(truth, other, SPREAD)
    for row in range(ROWS):
        wanted = -2 * (log_likelihood(truth[row, 0], one[row, 0]) - log_likelihood(truth[row, 0], other[row, 0]))
        assert found[row] * 2 * STEPS == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_without_spread_hours_are_poisson() -> None:
    rng = np.random.default_rng(5)
    truth = rng.poisson(3, (ROWS, 1, 2, STEPS)).astype(np.float32)
    mean = rng.gamma(2, 2, truth.shape).astype(np.float32)
    np.testing.assert_allclose(deviance(truth, mean, np.zeros(2, np.float32)), deviance(truth, mean, None), rtol=1e-3)


def test_an_hour_that_is_wholly_off_costs_less_where_hours_vary() -> None:
    mean = np.full((1, 1, 2, STEPS), 5, np.float32)
    assert deviance(2 * mean, mean, SPREAD)[0] < 0.5 * deviance(2 * mean, mean, None)[0]


def test_dispersion_is_the_variance_of_the_factor_that_hours_share() -> None:
    tensors = tiny_city.features().tensors(tiny_city.START + np.array([36, 37]) * np.timedelta64(1, "D"))
    windows = prepare(tensors, tiny_city.STATIONS, InputSettings())
    rng, rows = np.random.default_rng(6), 20_000
    base = rng.gamma(4, 2, (rows, 2, STEPS)).astype(np.float32)
    shared = np.stack([rng.gamma(1 / s, s, rows) for s in SPREAD.astype(float)], axis=1)
    truth = rng.poisson(base * shared[..., None]).astype(np.float32)
    many = type(windows)(windows.weeks, windows.context, windows.station, base)
    samples = Samples(many, truth, np.zeros(rows, np.int32), np.zeros(rows, "datetime64[m]"))
    np.testing.assert_allclose(shared_dispersion(samples), SPREAD, rtol=0.1)
    calm = Samples(many, rng.poisson(base).astype(np.float32), samples.place, samples.origin)
    assert (shared_dispersion(calm) < 0.002).all()
