"""The ridge on levels: what its rows hold, that it finds what is there, and that it does no harm where it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import support.small_network as town
from support import tiny_city
from threadpoolctl import threadpool_info, threadpool_limits

from tasks.arrays import Float, Minutes
from tasks.contracts import FitLog, Split
from tasks.errors import HistoryError, ModelError
from tasks.grid import Grid
from tasks.model.architectures import architecture, initial_forecaster, load
from tasks.model.architectures._linear.fit import RUN, UNTOLD, LinearConfig, batches, choose_penalties, fit_linear
from tasks.model.architectures._linear.inputs import linear_rows
from tasks.model.architectures._linear.ridge import Rows, StationFit, fit_pooled
from tasks.model.training.train import split_of

FEATURES = town.SmallFeatures(town.grid())
TENSORS = FEATURES.tensors(town.SPLIT.holdout)
HOUR = np.timedelta64(60, "m")


def drifting(seed: int = 3) -> Grid:
    """The small network with a level per station that wanders and falls back to one within two hours or so."""
    rng, grid = np.random.default_rng(seed), town.grid()
    shape, log = grid.values.shape[1:], np.zeros(grid.values.shape[1:])
    for step in range(1, shape[1]):
        log[:, step] = 0.9 * log[:, step - 1] + rng.normal(0, 0.25, shape[0])
    rates = np.array([20, 0, 0, 12, 8])[:, None] * np.exp(log) * np.ones((2, 1, 1))
    values = rng.poisson(rates).astype(np.float32)
    values[:, 2] = np.nan
    return replace(grid, values=values)


def rmse(model: str, grid: Grid) -> float:
    features = town.SmallFeatures(grid)
    fitted = architecture(model).fit(features, town.SPLIT, 1, FitLog())
    mean, truth = fitted.predict(features.tensors(town.SPLIT.holdout)).mean, features.truth(town.SPLIT.holdout)
    return float(np.sqrt(np.nanmean((mean.sum(axis=-1) - truth.sum(axis=-1)) ** 2)))


def made_up_rows(rng: np.random.Generator, numbers: np.ndarray) -> Rows:
    """Counts whose log factors are those numbers, [station, feature], times what the rows hold."""
    shape = (4000, *numbers.shape)
    features = rng.normal(0, 0.3, shape).astype(np.float32)
    base = rng.uniform(20, 60, shape[:2]).astype(np.float32)
    truth = rng.poisson(base * np.exp((features * numbers).sum(axis=-1))).astype(np.float32)
    truth[rng.random(shape[:2]) < 0.1] = np.nan
    return Rows(features, base[..., None], truth[..., None], np.ones(shape[:2], np.float32))


def test_a_known_linear_model_is_found_again() -> None:
    numbers = np.tile(np.array([0.5, -0.8, 0.1], np.float32), (2, 1))
    found = fit_pooled(made_up_rows(np.random.default_rng(1), numbers), 1e-4)
    np.testing.assert_allclose(found, numbers[0], atol=0.02)


def test_a_station_that_is_unlike_the_others_gets_numbers_of_its_own() -> None:
    numbers = np.array([[0.4, 0], [0.4, 0], [-0.4, 0.3]], np.float32)
    rows = made_up_rows(np.random.default_rng(2), numbers)
    stations = StationFit(rows, fit_pooled(rows, 1e-4))
    np.testing.assert_allclose(stations.numbers(1e-3), numbers, atol=0.06)
    assert np.ptp(stations.numbers(np.inf), axis=0).max() == 0
    assert 0 < np.ptp(stations.numbers(10.0), axis=0)[0] < np.ptp(stations.numbers(0.1), axis=0)[0]


def test_no_station_has_numbers_of_its_own_before_a_week_of_training() -> None:
    odd = town.grid()
    odd.values[:, 3, ::2] *= 3  # "middle" swings from step to step, as no other station does
    features = town.SmallFeatures(odd)
    short = Split(town.origins(22, 27), town.origins(27.1, 28.1), town.origins(28.2, 29))
    for split, alike in ((short, True), (town.SPLIT, False)):
        own = fit_linear(features, split, LinearConfig()).fitted.own
        assert bool(np.ptp(own, axis=1).max() == 0) is alike


def test_a_strong_penalty_leaves_the_base_as_it_is() -> None:
    rows = made_up_rows(np.random.default_rng(1), np.array([[0.5, -0.8]], np.float32))
    assert np.abs(fit_pooled(rows, 1e4)).max() < 1e-3


def test_where_a_level_decays_it_beats_the_profile_at_today_s_level() -> None:
    grid = drifting()
    assert rmse("linear_level", grid) < 0.93 * rmse("weekday_level", grid)


def test_a_row_built_in_bulk_is_the_row_built_live_to_the_bit() -> None:
    features = tiny_city.features()
    origins = tiny_city.AS_OF.astype("datetime64[m]") - np.arange(12, 1, -3) * HOUR
    bulk = linear_rows(features.tensors(origins))
    for o in range(len(origins)):
        live = linear_rows(features.tensors(origins[o : o + 1]))
        assert np.array_equal(live.features[:, 0], bulk.features[:, o])
        assert np.array_equal(live.base[:, 0], bulk.base[:, o])
        assert np.array_equal(live.hour[:, 0], bulk.hour[:, o])


def test_no_minute_at_or_after_the_origin_changes_a_row() -> None:
    features = tiny_city.features()
    origin = tiny_city.AS_OF.astype("datetime64[m]") - 20 * HOUR
    values = features.grid.values.copy()
    values[..., int(features.grid.index(origin)) :] = 777
    rows, other = (linear_rows(f.tensors(np.array([origin]))) for f in (features, tiny_city.features(values)))
    assert np.array_equal(rows.features, other.features)
    assert np.array_equal(rows.base, other.base)
    assert np.array_equal(rows.hour, other.hour)
    values[..., int(features.grid.index(origin)) - 1] = 777
    assert not np.array_equal(
        linear_rows(tiny_city.features(values).tensors(np.array([origin]))).features, rows.features
    )


def test_columns_of_the_hour_hold_its_shape_and_the_last_minutes() -> None:
    profile = np.full_like(TENSORS.profile, 10)
    profile[..., -town.HORIZON :] = 30
    profile[..., -1] = np.nan
    recent = np.full_like(TENSORS.recent, 20)
    columns = linear_rows(replace(TENSORS, profile=profile, recent=recent)).hour[0, 0, 0]
    expected = [np.log(95 / 45), np.log(91), np.log(65 / 35), np.log(30 / 20), 0, 0]
    np.testing.assert_allclose(columns, expected, atol=1e-6)
    assert np.isfinite(linear_rows(town.blank(TENSORS, recent=True, lags=True)).hour).all()


def test_columns_of_the_hour_hold_what_came_after_it_yesterday() -> None:
    features = tiny_city.features()
    tensors = features.tensors(tiny_city.AS_OF.astype("datetime64[m]") - np.arange(12, 1, -3) * HOUR)
    trail = tensors.hours.copy()
    trail[:] = 10
    at = trail.shape[-1] - 24 + tensors.recent.shape[-1] // tensors.horizon + 1
    trail[0, ..., at], trail[0, ..., at + 1] = 30, 50
    columns = linear_rows(replace(tensors, trail=trail)).hour
    np.testing.assert_allclose(columns[..., -2], np.log(40 / 20), rtol=1e-6)
    np.testing.assert_allclose(columns[..., -1], np.log(60 / 20), rtol=1e-6)


def test_a_window_without_a_count_says_what_the_next_longer_one_does() -> None:
    whole = linear_rows(TENSORS).features
    last = TENSORS.recent.copy()
    last[..., -1] = np.nan
    late = linear_rows(replace(TENSORS, recent=last)).features
    assert np.abs(whole[:, :, 0, 0]).max() > 0.01
    assert np.abs(late[..., 0]).max() < 1e-6  # 15 minutes over 30
    assert np.isfinite(linear_rows(town.blank(TENSORS, recent=True, lags=True)).features).all()


def test_the_base_is_weekday_level_and_of_a_late_feed_the_level_of_longer_windows() -> None:
    origins = tiny_city.AS_OF.astype("datetime64[m]") - np.arange(100, 1, -1) * HOUR
    values = tiny_city.grid().values.copy()
    values[..., -6 * tiny_city.DAY :] = np.round(values[..., -6 * tiny_city.DAY :] / 4)
    for delay in (0, 24):
        features = tiny_city.features(values, delay)
        tensors, truth = features.tensors(origins), features.truth(origins).sum(axis=-1)
        base, level = linear_rows(tensors).base, initial_forecaster("weekday_level").predict(tensors).mean
        ours, theirs = (np.nanmean((x.sum(axis=-1) - truth) ** 2) for x in (base, level))
        assert ours < 0.4 * theirs if delay else np.allclose(base, level, rtol=1e-5)


class WithoutFirstDays(town.SmallFeatures):
    """Features whose hours without a profile were not counted."""

    def truth(self, origins: Minutes) -> np.ndarray:
        known = np.isfinite(self.tensors(origins).profile[..., -town.HORIZON :]).any(axis=-1, keepdims=True)
        return np.where(known, super().truth(origins), np.float32(np.nan))


def test_hours_without_a_profile_teach_nothing() -> None:
    grid = town.grid()
    values = grid.values.copy()
    values[:, 3, : 26 * town.DAY] = np.nan  # the station "middle" opens
    values[:, 3, 26 * town.DAY : 28 * town.DAY] *= 9
    fits = [
        fit_linear(features(replace(grid, values=values)), town.SPLIT, LinearConfig())
        for features in (town.SmallFeatures, WithoutFirstDays)
    ]
    drawn = fits[0].drawn[0]
    assert (np.isfinite(drawn.truth).any(axis=-1) & ~drawn.known).any()
    np.testing.assert_allclose(fits[0].fitted.own, fits[1].fitted.own, atol=2e-3)


def test_validation_days_without_a_count_choose_nothing() -> None:
    rows = made_up_rows(np.random.default_rng(3), np.array([[0.5], [0.5]], np.float32))
    assert choose_penalties(rows, replace(rows, truth=np.full_like(rows.truth, np.nan))) == UNTOLD


def test_penalties_are_strong_where_there_is_nothing_to_find_and_weak_where_there_is() -> None:
    rng = np.random.default_rng(4)
    nothing, much = np.zeros((2, 3), np.float32), np.full((2, 3), 0.5, np.float32)
    assert choose_penalties(made_up_rows(rng, nothing), made_up_rows(rng, nothing))[0] >= 3
    strength, own = choose_penalties(made_up_rows(rng, much), made_up_rows(rng, much))
    assert strength <= 0.1
    assert own == np.inf
    apart = np.array([[0.5, 0.5], [-0.5, 0.5]], np.float32)
    assert choose_penalties(made_up_rows(rng, apart), made_up_rows(rng, apart))[1] <= 1


def test_a_large_network_trains_on_runs_of_hours_from_all_of_its_days() -> None:
    origins = np.datetime64("2024-03-01T00:00", "m") + np.arange(70 * 96) * np.timedelta64(15, "m")
    chosen = batches(origins, 150, FEATURES)
    assert [len(part) for part in chosen] == [RUN] * 18
    assert {int(gap / HOUR) for part in chosen for gap in np.diff(part)} == {1}
    every = np.concatenate(chosen)
    assert len(np.unique(every)) == len(every)
    assert (every[0], every[-1]) == (origins[0], origins[-1])
    assert len(np.unique(every.astype("datetime64[D]"))) >= 18
    assert np.array_equal(np.concatenate(batches(origins, 9000, FEATURES)), origins)


def test_training_without_a_count_is_rejected_with_the_remedy() -> None:
    grid = town.grid()
    features = town.SmallFeatures(replace(grid, values=np.full_like(grid.values, np.nan)))
    with pytest.raises(HistoryError, match="linear_level: no training hour with a count: ingest more"):
        architecture("linear_level").fit(features, town.SPLIT, 1, FitLog())


def test_gate_and_network_of_a_night_share_one_fit() -> None:
    features = town.SmallFeatures(town.grid())
    first = fit_linear(features, town.SPLIT, LinearConfig())
    assert fit_linear(features, town.SPLIT, LinearConfig()) is first
    assert fit_linear(features, town.SPLIT, LinearConfig(fairness=1)) is not first
    assert fit_linear(features, replace(town.SPLIT), LinearConfig()) is not first
    assert fit_linear(town.SmallFeatures(town.grid()), town.SPLIT, LinearConfig()) is not first


def test_it_is_fitted_on_one_thread_whatever_the_machine_has() -> None:
    seen = list[int]()

    class Watched(town.SmallFeatures):
        def truth(self, origins: Minutes) -> Float:
            seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
            return super().truth(origins)

    with threadpool_limits(2, "blas"):
        fit_linear(Watched(town.grid()), town.SPLIT, LinearConfig())
        after = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert set(seen) == {1}
    assert set(after) == {2}


def test_it_does_not_forecast_before_it_was_fitted() -> None:
    with pytest.raises(ModelError, match="needs a fit"):
        initial_forecaster("linear_level")


def test_other_targets_and_windows_are_rejected_with_the_remedy() -> None:
    fitted = architecture("linear_level").fit(FEATURES, town.SPLIT, 1, FitLog())
    for other in (replace(TENSORS, targets=("boardings", "exits")), replace(TENSORS, recent=TENSORS.recent[..., 2:])):
        with pytest.raises(ModelError, match="run nexthour retrain"):
            fitted.predict(other)


def test_a_bundle_holds_plain_arrays_and_a_damaged_one_is_rejected(tmp_path: Path) -> None:
    fitted = architecture("linear_level").fit(FEATURES, town.SPLIT, 1, FitLog())
    config = fitted.export(tmp_path)
    with np.load(tmp_path / "ridge.npz", allow_pickle=False) as held:
        assert set(held.files) == {"pooled", "own", "bounds"}
    wild = replace(TENSORS, recent=TENSORS.recent * 60)
    assert np.array_equal(load("linear_level", tmp_path, config).predict(wild).mean, fitted.predict(wild).mean)
    (tmp_path / "ridge.npz").write_bytes(b"torn")
    with pytest.raises(ModelError, match="not one of linear_level"):
        load("linear_level", tmp_path, config)


def test_a_bundle_from_before_factors_were_bounded_answers_as_it_did(tmp_path: Path) -> None:
    fitted = fit_linear(FEATURES, town.SPLIT, LinearConfig()).fitted
    old = replace(fitted, bounds=None)
    config = old.export(tmp_path)
    with np.load(tmp_path / "ridge.npz", allow_pickle=False) as held:
        assert set(held.files) == {"pooled", "own"}
    wild = replace(TENSORS, recent=TENSORS.recent * 60)
    found = load("linear_level", tmp_path, config).predict(wild).mean
    assert np.array_equal(found, old.mean(wild))
    assert not np.array_equal(found, fitted.mean(wild))


def test_what_ordinary_levels_taught_is_not_drawn_out_to_levels_never_seen() -> None:
    features = town.SmallFeatures(drifting())
    bounded = fit_linear(features, town.SPLIT, LinearConfig()).fitted
    moved = {}
    for name, fitted in (("bounded", bounded), ("not", replace(bounded, bounds=None))):
        corrections = []
        for times in (40, 80):
            tensors = features.tensors(town.SPLIT.holdout)
            recent = np.nan_to_num(tensors.recent * np.float32(times))
            expected = np.nan_to_num(tensors.profile[..., : town.RECENT]).sum(axis=-1)
            odd = replace(tensors, recent=recent, level=(recent.sum(axis=-1) + 10) / (expected + 10))
            rows, mean = fitted.rows_and_mean(odd)
            corrections.append(mean[:, :, [0, 3]] / rows.base[:, :, [0, 3]])
        moved[name] = float(np.median(np.abs(np.log(corrections[1] / corrections[0]))))
    assert moved["bounded"] < 0.005
    assert moved["not"] > 0.05


def test_quantiles_hold_what_they_promise() -> None:
    fitted = architecture("linear_level").fit(FEATURES, town.SPLIT, 1, FitLog())
    truth, quantiles = FEATURES.truth(town.SPLIT.holdout), fitted.predict(TENSORS).quantiles
    inside = (truth >= quantiles[1]) & (truth <= quantiles[5])
    assert inside[:, :, [0, 3]][~np.isnan(truth[:, :, [0, 3]])].mean() == pytest.approx(0.8, abs=0.08)


def test_a_weekday_of_its_own_is_learnt_beside_the_profile_that_pools_days() -> None:
    """Fridays bring twice the people of other working days in half of the hours: the profile alone says less."""
    grid = town.grid()
    days = (grid.minutes - np.timedelta64(5, "h")).astype("datetime64[D]")
    late = (grid.minutes.astype(np.int64) // 60) % 2 == 0
    friday = ((days.astype(np.int64) + 3) % 7 == 4) & late
    values = np.random.default_rng(5).poisson(np.where(friday, 40.0, 20.0), grid.values.shape).astype(np.float32)
    features = town.SmallFeatures(replace(grid, values=values))
    fitted = architecture("linear_level").fit(features, town.SPLIT, 7, FitLog())
    base = initial_forecaster("weekday_level")
    tensors, truth = features.tensors(town.SPLIT.holdout), features.truth(town.SPLIT.holdout).sum(axis=-1)
    own, simple = (
        np.sqrt(np.nanmean((each.predict(tensors).mean.sum(axis=-1) - truth) ** 2)) for each in (fitted, base)
    )
    assert own < 0.95 * simple


def test_a_ridge_of_counts_in_a_file_has_the_bits_of_one_in_memory(tmp_path: Path) -> None:
    held, mapped = tiny_city.features(), tiny_city.mapped_features(tmp_path)
    split = split_of(held, tiny_city.settings(), tiny_city.AS_OF, tiny_city.settings().retrain)
    one, other = (fit_linear(each, split, LinearConfig()) for each in (held, mapped))
    for a, b in zip(one.drawn, other.drawn, strict=True):
        assert a.rows.features.tobytes() == b.rows.features.tobytes()
        assert a.rows.base.tobytes() == b.rows.base.tobytes()
        assert a.truth.tobytes() == b.truth.tobytes()
    assert one.fitted.own.tobytes() == other.fitted.own.tobytes()
