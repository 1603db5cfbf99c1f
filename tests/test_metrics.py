from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import (
    slow_coverage,
    slow_crps,
    slow_hour_figures,
    slow_hours,
    slow_peak_wape,
    slow_pinball,
    slow_poisson_deviance,
    slow_total_hours,
)

from tasks import metrics
from tasks.arrays import QUANTILES


@st.composite
def forecasts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """mean [C, O, S, H], truth with holes, quantiles [Q, C, O, S, H]; at least one whole hour with people."""
    shape = tuple(draw(st.integers(1, n)) for n in (2, 3, 3, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = rng.poisson(draw(st.sampled_from([0.2, 3.0, 200.0])), shape).astype(np.float32)
    truth[rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.6]))] = np.nan
    truth[0, 0, 0] = 1 + rng.poisson(2, shape[3])
    mean = (rng.gamma(1.0, 3.0, shape) * (rng.random(shape) > 0.2)).astype(np.float32)
    quantiles = np.sort(rng.gamma(1.0, 3.0, (7, *shape)), axis=0).astype(np.float32)
    return mean, truth, quantiles


def test_horizon_spans_end_where_they_are_told_and_the_whole_hour_comes_last() -> None:
    assert metrics.horizon_spans((5, 15, 30, 60), 60, 1) == [
        ("1-5", slice(0, 5)), ("6-15", slice(5, 15)), ("16-30", slice(15, 30)), ("31-60", slice(30, 60)), ("1-60", slice(0, 60)),
    ]  # fmt: skip
    assert metrics.horizon_spans((60,), 60, 1) == [("1-60", slice(0, 60))]
    assert [s.name for s in metrics.horizon_spans((30, 5, 15, 60), 6, 10)] == ["6-15", "16-30", "31-60", "1-60"]
    assert [s.steps for s in metrics.horizon_spans((5, 15), 6, 10)] == [slice(0, 1), slice(0, 6)]


def test_an_hour_with_one_unseen_minute_does_not_count() -> None:
    truth = np.ones((1, 2, 1, 60), dtype=np.float32)
    truth[0, 1, 0, 17] = np.nan
    got = metrics.hour_metrics(np.full_like(truth, 2), truth)
    assert (got["spans"], got["minutes"], got["mae_hour"]) == (1, 119, 60)


@settings(deadline=None, max_examples=60)
@given(forecasts())
def test_hour_figures_equal_those_of_one_hour_at_a_time(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    mean, truth, quantiles = case
    got = metrics.hour_metrics(mean, truth, quantiles)
    pairs = slow_hours(mean.astype(float), truth.astype(float))
    assert got["spans"] == len(pairs)
    assert got["minutes"] == np.isfinite(truth).sum()
    for name, value in slow_hour_figures(pairs).items():
        assert got[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert got["peak_wape"] == pytest.approx(slow_peak_wape(pairs), rel=1e-5)
    forecast, actual = (values.sum(axis=-1, dtype=np.float64) for values in (mean, truth))
    assert metrics.rmse(forecast, actual) == pytest.approx(got["rmse_hour"])
    assert metrics.mae(forecast, actual) == pytest.approx(got["mae_hour"])
    assert metrics.wape(forecast, actual) == pytest.approx(got["wape"])
    assert metrics.bias(forecast, actual) == pytest.approx(got["bias"], abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(forecasts())
def test_minute_figures_equal_those_of_one_minute_at_a_time(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    mean, truth, quantiles = case
    got = metrics.hour_metrics(mean, truth, quantiles)
    wide = quantiles.astype(float)
    slow = {
        "poisson_deviance": slow_poisson_deviance(mean.astype(float), truth.astype(float)),
        "pinball": slow_pinball(wide, truth.astype(float), QUANTILES),
        "coverage_50": slow_coverage(quantiles[2], quantiles[4], truth),
        "coverage_80": slow_coverage(quantiles[1], quantiles[5], truth),
        "coverage_90": slow_coverage(quantiles[0], quantiles[6], truth),
    }
    for name, value in slow.items():
        assert got[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert metrics.poisson_deviance(mean, truth) == pytest.approx(slow["poisson_deviance"], rel=1e-5, abs=1e-9)
    assert metrics.pinball(quantiles, truth) == pytest.approx(slow["pinball"], rel=1e-4)
    assert metrics.coverage(quantiles[1], quantiles[5], truth) == pytest.approx(slow["coverage_80"])


@settings(deadline=None, max_examples=40)
@given(forecasts())
def test_the_network_total_sums_the_same_wholly_observed_stations_on_both_sides(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    mean, truth, _ = case
    pairs = slow_total_hours(mean.astype(float), truth.astype(float))
    got = metrics.hour_metrics(*metrics.network_total(mean, truth))
    assert got["spans"] == len(pairs)
    for name, value in slow_hour_figures(pairs).items():
        assert got[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@settings(deadline=None, max_examples=40)
@given(forecasts(), st.integers(1, 2))
def test_sums_over_parts_are_the_sums_over_all_and_bands_make_up_the_hour(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], cut: int
) -> None:
    mean, truth, quantiles = case
    spans = metrics.horizon_spans((2, 5, 60), mean.shape[-1], 1)
    whole = metrics.add_up(metrics.cells(mean, truth, quantiles, spans), (0, 1, 2))
    parts = [slice(0, cut), slice(cut, None)]
    pieces = sum(
        metrics.add_up(metrics.cells(mean[:, p], truth[:, p], quantiles[:, :, p], spans), (0, 1, 2)) for p in parts
    )
    np.testing.assert_allclose(pieces, whole, rtol=1e-9)
    additive = [metrics.SUMS.index(name) for name in ("minutes", "deviance", "pinball", "covered_80", "covered_90")]
    if len(spans) > 1:
        np.testing.assert_allclose(whole[:-1, additive].sum(axis=0), whole[-1, additive], rtol=1e-9, atol=1e-9)


def test_a_perfect_forecast_errs_nowhere_and_a_mean_of_zero_costs_finitely() -> None:
    truth = np.array([[[[0.0, 3.0, 5.0]]]], dtype=np.float32)
    perfect = metrics.hour_metrics(truth, truth)
    assert perfect["rmse_hour"] == perfect["mae_hour"] == perfect["wape"] == perfect["bias"] == 0
    assert perfect["poisson_deviance"] == pytest.approx(0, abs=1e-5)
    assert np.isfinite(metrics.poisson_deviance(np.zeros_like(truth), truth))


def test_what_nothing_supports_is_nan_and_left_out_of_json() -> None:
    truth = np.full((1, 1, 1, 3), np.nan, dtype=np.float32)
    got = metrics.hour_metrics(np.ones_like(truth), truth)
    assert metrics.finite(got) == {"spans": 0.0, "minutes": 0.0}
    assert np.isnan(metrics.hour_metrics(*metrics.network_total(np.ones_like(truth), truth))["rmse_hour"])
    assert all(np.isnan(f(truth, truth)) for f in (metrics.rmse, metrics.mae, metrics.wape, metrics.bias))


def test_the_crps_weighs_each_quantile_by_the_levels_that_are_nearest_to_it() -> None:
    rng = np.random.default_rng(4)
    truth = np.array([0.0, 3.0, np.nan, 11.0, 40.0])
    quantiles = np.sort(rng.gamma(2.0, 4.0, (7, 5)), axis=0)
    slow = slow_crps(quantiles, truth, QUANTILES)
    assert metrics.crps(quantiles, truth) == pytest.approx(slow, rel=1e-3)
    shaped = truth.reshape(1, 1, 1, 5), quantiles.reshape(7, 1, 1, 1, 5)
    assert metrics.hour_metrics(shaped[0], *shaped)["crps"] == pytest.approx(slow, rel=1e-3)
    assert sum(metrics.CRPS_WEIGHTS) == pytest.approx(2)


def test_the_crps_of_one_sure_number_is_its_absolute_error_and_a_true_spread_has_less_than_a_false_one() -> None:
    truth = np.random.default_rng(5).normal(100, 10, 4000)
    sure = np.full((7, 1), 90.0)
    assert metrics.crps(sure, np.array([100.0])) == pytest.approx(10)
    levels = np.array([-1.645, -1.282, -0.674, 0, 0.674, 1.282, 1.645])[:, None]
    right, narrow, wide = (metrics.crps(np.tile(100 + s * levels, 4000), truth) for s in (10, 2, 40))
    assert right < min(narrow, wide)
    assert right == pytest.approx(10 * 0.5642, rel=0.05)  # sigma / sqrt(pi) of a normal distribution


def test_busy_hours_decide_the_peak_weighted_error() -> None:
    truth = np.array([[[[10.0], [100.0]]]], dtype=np.float32)
    quiet, busy = truth.copy(), truth.copy()
    quiet[0, 0, 0], busy[0, 0, 1] = 20, 110
    assert metrics.hour_metrics(quiet, truth)["wape"] == metrics.hour_metrics(busy, truth)["wape"]
    assert metrics.hour_metrics(quiet, truth)["peak_wape"] == pytest.approx(100 / 10_100)
    assert metrics.hour_metrics(busy, truth)["peak_wape"] == pytest.approx(1000 / 10_100)
