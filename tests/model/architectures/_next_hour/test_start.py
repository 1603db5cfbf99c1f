"""What networks start from: each kind is fitted, kept in a bundle and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import support.small_network as town

from tasks.model.architectures._boosted.forecaster import BoostedForecaster, UnseenBoosted
from tasks.model.architectures._linear.forecaster import LinearForecaster
from tasks.model.architectures._next_hour.start import Base, choose_base, fit_start, load_beside, load_start, rows_of

FEATURES = town.SmallFeatures(town.grid())


@pytest.mark.parametrize(("base", "kind"), [("linear_level", LinearForecaster), ("boosted_level", BoostedForecaster)])
def test_a_start_is_read_from_a_bundle_as_it_was_fitted(base: Base, kind: type, tmp_path: Path) -> None:
    start = fit_start(base, FEATURES, town.SPLIT, 7)
    assert start is not None
    again = load_start(tmp_path, start.fitted.export(tmp_path))
    assert again is not None
    assert isinstance(again, kind)
    tensors = FEATURES.tensors(town.SPLIT.holdout)
    np.testing.assert_array_equal(again.mean(tensors), start.fitted.mean(tensors))
    assert np.abs(start.for_validation.mean(tensors) / np.maximum(again.mean(tensors), 1e-6) - 1).max() > 1e-4


def test_trees_help_until_the_history_is_as_long_as_the_weekly_lags_reach() -> None:
    grid = town.grid()
    newest = int(grid.index(town.SPLIT.validation[-1:])[0])
    late = grid.values.copy()
    late[:, :, : newest - town.WEEKS * town.WEEK + town.HORIZON] = np.nan
    assert choose_base("auto", FEATURES, town.SPLIT) == "linear_level"
    assert choose_base("auto", town.SmallFeatures(replace(grid, values=late)), town.SPLIT) == "boosted_level"
    assert choose_base("profile_times_level", FEATURES, town.SPLIT) == "profile_times_level"


def test_a_day_without_counts_at_the_end_of_a_long_history_does_not_make_it_short() -> None:
    grid = town.grid()
    gap = grid.values.copy()
    newest = int(grid.index(town.SPLIT.validation[-1:])[0]) - town.WEEKS * town.WEEK
    gap[:, :, newest - town.DAY // 2 : newest + town.HORIZON] = np.nan
    features = town.SmallFeatures(replace(grid, values=gap))
    assert np.isnan(features.tensors(town.SPLIT.validation[-1:]).lags[-1]).all()
    assert choose_base("auto", features, town.SPLIT) == "linear_level"


def test_rows_of_a_forecast_are_those_of_their_origins_and_stations() -> None:
    start = fit_start("linear_level", FEATURES, town.SPLIT, 7)
    assert start is not None
    assert start.beside is not None
    origins, place = town.SPLIT.validation[[5, 2, 5]], np.array([0, 3, 4], np.int32)
    rows = rows_of(start.beside, FEATURES, origins, place)
    for row, origin, station in zip(rows, origins, place, strict=True):
        np.testing.assert_allclose(row, start.beside.mean(FEATURES.tensors(origin[None]))[:, 0, station], rtol=1e-5)


def test_what_the_network_is_blended_with_on_validation_days_was_not_fitted_on_them() -> None:
    start = fit_start("linear_level", FEATURES, town.SPLIT, 7)
    assert start is not None
    assert start.beside is not None
    assert start.beside_for_validation is not None
    assert start.beside.ridge is start.fitted
    assert start.beside_for_validation.ridge is start.for_validation
    assert isinstance(start.beside_for_validation, UnseenBoosted)
    boosted = fit_start("boosted_level", FEATURES, town.SPLIT, 7)
    assert boosted is not None
    assert boosted.beside is None
    assert isinstance(boosted.for_validation, UnseenBoosted)
    assert isinstance(boosted.for_refit, UnseenBoosted)
    assert not isinstance(boosted.fitted, UnseenBoosted)


def test_profile_times_level_needs_no_start() -> None:
    assert fit_start("profile_times_level", FEATURES, town.SPLIT, 7) is None
    assert load_start(Path("nowhere"), None) is None
    assert load_beside(Path("nowhere"), None) is None
