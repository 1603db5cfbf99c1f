"""Holt-Winters: the library's recursions for many series at once, over gaps, from tensors alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import support.small_network as town

from tasks.contracts import FitLog
from tasks.errors import HistoryError, ModelError
from tasks.model.architectures import architecture
from tasks.model.architectures._holt_winters import Smoothing, continue_series, find_smoothing, initial_state
from tasks.model.architectures.holt_winters import HoltWintersForecaster

TENSORS = town.SmallFeatures(town.grid()).tensors(town.SPLIT.holdout)
CYCLES = np.random.default_rng(1).poisson(20 + 9 * np.sin(np.arange(12)), (9, 12)).astype(np.float32)
SERIES = np.concatenate([CYCLES.ravel(), [31, 44, 40, 35, 30]]).astype(np.float32)
HOW = Smoothing(0.3, 0.2, 0.15, 0.9)
FORECASTER = HoltWintersForecaster(dict.fromkeys(town.TARGETS, HOW), 15)


def test_the_forecast_is_the_library_s() -> None:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    state = initial_state(CYCLES)
    model = ExponentialSmoothing(
        SERIES.astype(float),
        trend="add",
        damped_trend=True,
        seasonal="add",
        seasonal_periods=12,
        initialization_method="known",
        initial_level=float(state.level),
        initial_trend=0.0,
        initial_seasonal=state.season.astype(float),
    )
    given = {"smoothing_level": 0.3, "smoothing_trend": 0.2, "smoothing_seasonal": 0.15, "damping_trend": 0.9}
    expected = model.fit(optimized=False, **given).forecast(11)
    np.testing.assert_allclose(continue_series(SERIES, state, 11, HOW), expected, rtol=1e-4)


@pytest.mark.parametrize("damped", [True, False])
def test_the_library_finds_a_level_that_moves_and_one_that_stands(damped: bool) -> None:
    walk = (50 + np.cumsum(np.random.default_rng(3).normal(0, 4, 120))).astype(np.float32)
    state = initial_state(walk.reshape(10, 12))
    assert find_smoothing(walk, state, damped).alpha > 0.5
    assert find_smoothing(SERIES, initial_state(CYCLES), damped).alpha < 0.5
    assert (find_smoothing(SERIES, initial_state(CYCLES), damped).damping > 0) == damped


def test_series_side_by_side_are_those_by_themselves() -> None:
    both = np.stack([SERIES, SERIES[::-1]], axis=-1)
    together = continue_series(both, initial_state(both[:108].reshape(9, 12, 2)), 6, HOW)
    alone = continue_series(both[:, 1], initial_state(both[:108, 1].reshape(9, 12)), 6, HOW)
    np.testing.assert_allclose(together[:, 1], alone, rtol=1e-6)


def test_a_gap_leaves_the_level_where_it_was() -> None:
    series = SERIES.copy()
    series[-5:] = np.nan
    still = Smoothing(0.3, 0.0, 0.15, 0.0)
    state = initial_state(CYCLES)
    np.testing.assert_allclose(
        continue_series(series, state, 7, still), continue_series(series[:-5], state, 12, still)[5:], rtol=1e-5
    )


def test_the_first_state_is_the_oldest_observed_cycle_and_the_mean_season() -> None:
    cycles = np.array([[np.nan, np.nan], [10, 20], [30, 60]], np.float32)
    state = initial_state(cycles)
    assert state.level == 15
    assert state.season.tolist() == [-10, 10]


def test_a_busier_day_raises_the_forecast_and_a_late_feed_does_not_sink_it() -> None:
    plain = FORECASTER.mean(TENSORS)[0, :, 0]
    busy = FORECASTER.mean(replace(TENSORS, recent=TENSORS.recent * 2))[0, :, 0]
    assert (busy.sum(axis=-1) > plain.sum(axis=-1)).all()
    late = np.where(np.arange(town.RECENT) > 1, np.float32(np.nan), TENSORS.recent)
    assert FORECASTER.mean(replace(TENSORS, recent=late))[0, :, 0].sum() == pytest.approx(plain.sum(), rel=0.1)


def test_the_newest_week_counts_most() -> None:
    blind = town.blank(TENSORS, recent=True)
    sums = []
    for week in (0, town.WEEKS - 1):
        lags = blind.lags.copy()
        lags[week] *= 3
        sums.append(float(FORECASTER.mean(replace(blind, lags=lags))[0, :, 0].sum()))
    assert sums[0] > 1.1 * sums[1]


def test_a_bin_is_spread_to_its_minutes_as_the_profile_is() -> None:
    wide = replace(FORECASTER, bin_minutes=30)
    mean, profile = wide.mean(TENSORS)[0, :, 0], TENSORS.profile[0, :, 0, -town.HORIZON :]
    np.testing.assert_allclose(mean[:, 0] / mean[:, 1], profile[:, 0] / profile[:, 1], rtol=1e-4)
    nobody = replace(TENSORS, profile=np.zeros_like(TENSORS.profile))
    np.testing.assert_allclose(wide.mean(nobody)[0, :, 0, 0], wide.mean(nobody)[0, :, 0, 1], rtol=1e-6)


def test_the_parameters_are_found_by_target_on_a_bounded_number_of_series() -> None:
    log = FitLog()
    fitted = architecture("holt_winters", {"fit_series": 3}).fit(town.SmallFeatures(town.grid()), town.SPLIT, 1, log)
    assert set(fitted.smoothing) == set(town.TARGETS)  # type: ignore[attr-defined]
    assert 0 <= log.notes["alpha_entries"] <= 1
    with pytest.raises(ModelError, match=r"not trained on targets \['boardings'\]: run nexthour retrain"):
        fitted.predict(replace(TENSORS, targets=("boardings", "exits")))


def test_a_target_that_nobody_was_ever_counted_in_is_forecast_empty_and_one_never_observed_is_rejected() -> None:
    grid = town.grid()
    values = grid.values.copy()
    values[1] = np.where(np.isnan(values[1]), np.nan, 0)
    features = town.SmallFeatures(replace(grid, values=values))
    fitted = architecture("holt_winters", {"fit_series": 3}).fit(features, town.SPLIT, 1, FitLog())
    prediction = fitted.predict(features.tensors(town.SPLIT.holdout))
    assert prediction.mean[1, :, [0, 1, 3, 4]].max() == 0
    assert prediction.mean[0, :, 0].min() > 0
    values[1] = np.nan
    with pytest.raises(HistoryError, match="no training series with half of it observed: ingest more history"):
        architecture("holt_winters", {"fit_series": 3}).fit(features, town.SPLIT, 1, FitLog())
