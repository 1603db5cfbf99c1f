"""The baselines say what they are said to say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import support.small_network as town

from tasks.base_forecast import shrink_to_share
from tasks.contracts import FitLog, Split
from tasks.errors import HistoryError, ModelError
from tasks.model.architectures import architecture, initial_forecaster, load

FEATURES = town.SmallFeatures(town.grid())
TENSORS = FEATURES.tensors(town.SPLIT.holdout)
HOUR = TENSORS.profile[..., town.RECENT :]
LIVE = [0, 3, 4]
BASELINES = ("weekday_mean", "weekday_level", "last_known")


def test_the_weekday_mean_is_the_profile() -> None:
    mean = initial_forecaster("weekday_mean").predict(TENSORS).mean
    assert np.array_equal(mean[:, :, LIVE], HOUR[:, :, LIVE])


def test_the_weekday_level_is_the_profile_at_today_s_level() -> None:
    mean = initial_forecaster("weekday_level").predict(TENSORS).mean
    drawn = shrink_to_share(np.nan_to_num(HOUR).sum(axis=-1), TENSORS) * TENSORS.level
    np.testing.assert_allclose(mean[:, :, LIVE].sum(axis=-1), drawn[:, :, LIVE], rtol=1e-5)
    busy = replace(TENSORS, profile=TENSORS.profile * np.float32(1e6))
    expected = (HOUR * TENSORS.level[..., None])[:, :, LIVE] * 1e6
    np.testing.assert_allclose(
        initial_forecaster("weekday_level").predict(busy).mean[:, :, LIVE], expected, rtol=1e-4, atol=10
    )


@pytest.mark.parametrize("people", [0.01, 2.0, 500.0])
def test_few_people_spread_evenly_over_the_hour_and_many_as_the_profile_does(people: float) -> None:
    profile = np.zeros_like(TENSORS.profile)
    profile[..., -1] = people  # all of the hour in its last step
    mean = (
        initial_forecaster("weekday_level").predict(replace(TENSORS, profile=profile)).mean / TENSORS.level[..., None]
    )
    even = people / HOUR.shape[-1] * 2 / (people + 2)
    np.testing.assert_allclose(mean[..., 0], even, rtol=1e-5)
    np.testing.assert_allclose(mean[..., -1], people * people / (people + 2) + even, rtol=1e-5)


@pytest.mark.parametrize("name", ["weekday_mean", "weekday_level"])
def test_a_minute_without_a_profile_takes_the_mean_of_the_recent_hours(name: str) -> None:
    profile = TENSORS.profile.copy()
    profile[..., -1] = np.nan
    mean = initial_forecaster(name).predict(replace(TENSORS, profile=profile)).mean
    recent = TENSORS.recent[0, 5, 0]
    assert mean[0, 5, 0, -1] == pytest.approx(np.nanmean(recent))
    assert mean[0, 5, 0, 0] != mean[0, 5, 0, -1]


@pytest.mark.parametrize("name", BASELINES)
def test_a_station_of_which_nothing_is_known_is_forecast_as_zero(name: str) -> None:
    prediction = initial_forecaster(name).predict(town.blank(TENSORS, recent=True, lags=True))
    assert not prediction.mean.any()
    assert not prediction.quantiles.any()


def test_last_known_is_the_mean_of_the_last_half_hour_that_was_observed() -> None:
    recent = TENSORS.recent.copy()
    recent[0, 0, 0] = [100, 6, 8, np.nan]
    mean = initial_forecaster("last_known").predict(replace(TENSORS, recent=recent)).mean
    assert (mean[0, 0, 0] == 7).all()


def test_a_station_that_is_silent_is_as_it_was_in_the_newest_week_that_has_the_hour() -> None:
    silent = town.blank(TENSORS, recent=True)
    lags = silent.lags.copy()
    lags[0, 0, 0, 0] = np.nan
    lags[1, 0, 0, 0, town.RECENT :] = [3, np.nan, 5, np.nan]
    lags[:, 0, 0, 3, town.RECENT :] = np.nan
    lags[0, 0, 0, 3, : town.RECENT] = [np.nan, np.nan, 9, 11]
    prediction = initial_forecaster("last_known").predict(replace(silent, lags=lags))
    assert (prediction.mean[0, 0, 0] == 4).all()
    assert prediction.quantiles[-1, 0, 0, 0].min() > 4 > prediction.quantiles[0, 0, 0, 0].max()
    assert (prediction.mean[0, 0, 3] == 10).all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_fit_learns_how_much_wider_than_poisson_a_station_runs(name: str, tmp_path: Path) -> None:
    grid = town.grid()
    noisy = grid.values.copy()
    noisy[:, 3] = np.random.default_rng(8).negative_binomial(2, 0.2, noisy[:, 3].shape)  # variance 5 times the mean
    features = town.SmallFeatures(replace(grid, values=noisy))
    log = FitLog()
    fitted = architecture(name).fit(features, town.SPLIT, 1, log)
    phi = fitted.export(tmp_path)["phi"]
    assert set(phi) == set(town.TARGETS)
    assert phi["entries"]["middle"] > 2.5
    assert phi["entries"]["closed"] == 1
    assert phi["entries"]["lost"] == 1
    assert log.notes["dispersion_median"] >= 1
    tensors = features.tensors(town.SPLIT.holdout)
    width = np.diff(fitted.predict(tensors).quantiles[[0, -1]], axis=0)[0]
    plain = np.diff(initial_forecaster(name).predict(tensors).quantiles[[0, -1]], axis=0)[0]
    assert width[:, :, 3].mean() > 1.3 * plain[:, :, 3].mean()


def test_quantiles_of_the_weekday_level_hold_what_they_promise() -> None:
    fitted = architecture("weekday_level").fit(FEATURES, town.SPLIT, 1, FitLog())
    truth, quantiles = FEATURES.truth(town.SPLIT.holdout), fitted.predict(TENSORS).quantiles
    inside = (truth >= quantiles[1]) & (truth <= quantiles[5])
    assert inside[:, :, [0, 3]][~np.isnan(truth[:, :, [0, 3]])].mean() == pytest.approx(0.8, abs=0.08)


def test_a_station_that_the_fit_did_not_know_spreads_as_poisson_does(tmp_path: Path) -> None:
    fitted = architecture("weekday_level").fit(FEATURES, town.SPLIT, 1, FitLog())
    renamed = replace(TENSORS, stations=("new", *TENSORS.stations[1:]))
    ours, plain = fitted.predict(renamed).quantiles, initial_forecaster("weekday_level").predict(renamed).quantiles
    assert np.array_equal(ours[:, :, :, 0], plain[:, :, :, 0])


def test_a_fit_without_origins_says_so() -> None:
    none = town.SPLIT.train[:0]
    with pytest.raises(HistoryError, match="weekday_level: no training origins"):
        architecture("weekday_level").fit(FEATURES, Split(none, none, none), 1, FitLog())


def test_a_bundle_that_lost_its_state_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no phi"):
        load("weekday_level", tmp_path, {})
