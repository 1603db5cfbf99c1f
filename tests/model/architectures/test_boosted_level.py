"""Trees on top of the ridge: what they learn, how far they are believed, and that a bundle answers as the fit did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import support.small_network as town

from tasks.contracts import FitLog, Split
from tasks.errors import ModelError
from tasks.grid import Grid
from tasks.model.architectures import architecture, load
from tasks.model.architectures._boosted.fit import (
    HALF,
    count_share,
    fit_boosted,
    grow_folds,
    prior_weight,
    tree_rows,
)
from tasks.model.architectures._boosted.forecaster import BoostedForecaster
from tasks.model.architectures._boosted.trees import FOLDS, BoostedConfig, HourRows, day_folds, hour_rows, tree_inputs
from tasks.model.architectures._linear.fit import LinearConfig, fit_linear
from tasks.model.architectures._linear.inputs import linear_rows

CONFIG, LINEAR = BoostedConfig(), LinearConfig()
FEATURES = town.SmallFeatures(town.grid())
TENSORS = FEATURES.tensors(town.SPLIT.holdout)


def chance_rows(rng: np.random.Generator) -> tuple[HourRows, np.ndarray]:
    """Hours whose factor two inputs say together only, on ten days; and these factors."""
    inputs = rng.normal(size=(4000, 3)).astype(np.float32)
    factor = np.where(inputs[:, 0] * inputs[:, 1] > 0, 1.5, 0.75).astype(np.float32)
    counts = rng.poisson(40 * factor).astype(np.float32)
    weight = np.full(4000, 40, np.float32)
    return HourRows(inputs, counts / np.float32(40), weight, np.arange(4000) // 400 % FOLDS), factor


def test_trees_find_what_two_inputs_say_together_only() -> None:
    rows, factor = chance_rows(np.random.default_rng(1))
    every, folds = grow_folds(rows, CONFIG, 7)
    found = every({"rows": rows.inputs})[:, 0]
    assert np.abs(np.log(found / factor)).mean() < 0.1
    each = np.stack([fold({"rows": rows.inputs})[:, 0] for fold in folds])
    np.testing.assert_allclose(found, np.exp(np.log(each).mean(axis=0)), rtol=1e-4)


def test_what_judges_a_day_was_grown_without_it() -> None:
    rows, _ = chance_rows(np.random.default_rng(1))
    ratio = np.where(rows.fold == 2, np.float32(3), rows.ratio)
    before, after = (grow_folds(each, CONFIG, 7)[1] for each in (rows, replace(rows, ratio=ratio)))
    assert [a.data == b.data for a, b in zip(before, after, strict=True)] == [False, False, True, False, False]


def test_an_input_that_only_one_part_of_the_days_has_tells_the_others_nothing() -> None:
    rows, _ = chance_rows(np.random.default_rng(1))
    inputs = rows.inputs.copy()
    inputs[rows.fold != 1, 2] = np.nan
    every, folds = grow_folds(replace(rows, inputs=inputs), CONFIG, 7)
    changed = np.where(np.arange(3) == 2, np.float32(9), inputs)
    np.testing.assert_array_equal(folds[1]({"rows": changed}), folds[1]({"rows": inputs}))
    assert np.isfinite(every({"rows": inputs})).all()


def test_a_row_is_an_hour_over_the_steps_that_were_observed() -> None:
    rows = linear_rows(TENSORS)
    mean = np.full(rows.base.shape, 2, np.float32)
    truth = np.full(rows.base.shape, np.nan, np.float32)
    truth[0, 1, 2, :3] = 7
    inputs = tree_inputs(rows, mean)
    folds = day_folds(TENSORS.origins, TENSORS.origins[0] - np.timedelta64(5, "D"), TENSORS.origins[-1] + 1)
    counted, empty = hour_rows(inputs, mean, truth, [np.full(mean.shape[1:3], 3, np.float32)] * 2, folds)
    assert counted.ratio.tolist() == [1, np.float32(26 / 11)]
    assert counted.weight.tolist() == [15, 33]
    assert counted.fold.tolist() == [1, 1]
    assert empty.ratio.tolist() == [1]
    assert counted.inputs[1, -1 - rows.hour.shape[-1]] == np.float32(np.log1p(2 * rows.base.shape[-1]))


def test_an_hour_counts_the_more_the_more_weeks_its_profile_has() -> None:
    np.testing.assert_allclose(count_share(np.array([0, 1, 8], np.float32)), [0.1, 0.55, 0.9])
    grid = town.grid()
    values = grid.values.copy()
    values[:, 3, : 26 * town.DAY] = np.nan  # the station "middle" opens
    features = town.SmallFeatures(replace(grid, values=values))
    linear = fit_linear(features, town.SPLIT, LINEAR)
    before, after = (replace(drawn, weeks=np.full_like(drawn.weeks, 8)) for drawn in linear.drawn)
    first, held = town.SPLIT.train[0], town.SPLIT.validation[0]
    young, grown = (tree_rows(fit, first, held)[0].weight for fit in (linear, replace(linear, drawn=(before, after))))
    np.testing.assert_allclose(np.unique((young / grown).round(3)), [0.111, 0.611, 0.861], atol=1e-3)


def test_before_any_hour_was_judged_trees_count_by_the_length_of_the_history() -> None:
    short = Split(town.origins(22, 24), town.origins(24.1, 25.1), town.origins(25.2, 26))
    few, many = (prior_weight(fit_linear(FEATURES, split, LINEAR)) for split in (short, town.SPLIT))
    assert 0.05 < few < 0.15 < 0.25 < many < HALF


def test_a_weight_of_none_is_the_ridge_and_one_of_half_goes_half_of_the_way() -> None:
    fitted = fit_boosted(FEATURES, town.SPLIT, CONFIG, 7).fitted
    ridge, half, whole = (replace(fitted, weights=(w, w)).mean(TENSORS) for w in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(ridge, fitted.ridge.mean(TENSORS))
    assert np.abs(whole / np.maximum(ridge, 1e-6) - 1).max() > 0.005
    np.testing.assert_allclose(half**2, ridge * whole, rtol=1e-4, atol=1e-6)


def test_a_day_of_the_fit_is_answered_by_trees_that_do_not_know_it_and_by_a_ridge_of_the_training_days() -> None:
    fit = fit_boosted(FEATURES, town.SPLIT, CONFIG, 7)
    linear = fit_linear(FEATURES, town.SPLIT, LINEAR)
    assert fit.for_validation.ridge is linear.for_validation
    assert fit.for_refit.ridge is fit.fitted.ridge is linear.fitted
    origins = np.concatenate([town.SPLIT.train[-200:], town.SPLIT.validation])
    first, held = town.SPLIT.train[0], town.SPLIT.validation[0]
    tensors, part = FEATURES.tensors(origins), day_folds(origins, first, held)
    together = fit.for_validation.mean(tensors)
    assert set(part) == set(range(FOLDS))
    assert set(part[-len(town.SPLIT.validation) :]) == {FOLDS - 1}
    for fold in np.unique(part):
        alone = BoostedForecaster(linear.for_validation, fit.for_validation.folds[fold], fit.fitted.weights)
        at = part == fold
        np.testing.assert_allclose(alone.mean(tensors)[:, at], together[:, at], rtol=1e-5)


def test_a_bundle_from_before_the_trees_saw_the_hour_answers_as_it_did(tmp_path: Path) -> None:
    fitted = fit_boosted(FEATURES, town.SPLIT, CONFIG, 7).fitted
    rows = linear_rows(TENSORS)
    inputs = tree_inputs(rows, fitted.ridge.mean(TENSORS), hour=False)
    ratio = np.resize(np.array([0.5, 2], np.float32), inputs[0].shape[:2]).ravel()
    flat = [x.reshape(len(ratio), -1) for x in inputs]
    trees = tuple(
        grow_folds(HourRows(x, ratio, np.ones_like(ratio), np.asarray(ratio > 1, np.int64)), CONFIG, 7)[0] for x in flat
    )
    old = replace(fitted, trees=trees, hour=False)
    config = {key: value for key, value in old.export(tmp_path).items() if key != "hour"}
    np.testing.assert_array_equal(load("boosted_level", tmp_path, config).predict(TENSORS).mean, old.mean(TENSORS))


def test_a_target_that_nobody_counted_is_left_as_the_ridge_has_it() -> None:
    grid = town.grid()
    values = grid.values.copy()
    values[1] = np.nan
    silent = town.SmallFeatures(replace(grid, values=values))
    fitted = fit_boosted(silent, town.SPLIT, CONFIG, 7).fitted
    tensors = silent.tensors(town.SPLIT.holdout)
    np.testing.assert_allclose(fitted.mean(tensors)[1], fitted.ridge.mean(tensors)[1], rtol=1e-5)


def test_a_bundle_answers_as_the_fit_did_and_says_what_is_wrong_with_a_broken_one(tmp_path: Path) -> None:
    log = FitLog()
    fitted = architecture("boosted_level").fit(FEATURES, town.SPLIT, 7, log)
    config = fitted.export(tmp_path)
    again = load("boosted_level", tmp_path, config)
    np.testing.assert_array_equal(again.predict(TENSORS).quantiles, fitted.predict(TENSORS).quantiles)
    assert 0 <= log.notes["trees_weight_entries"] <= 1
    with pytest.raises(ModelError, match="not one of boosted_level"):
        load("boosted_level", tmp_path, {**config, "weights": None})
    (tmp_path / "trees-1" / "network.onnx").unlink()
    with pytest.raises(ModelError, match="trees-1"):
        load("boosted_level", tmp_path, config)


def forgetful(seed: int = 3) -> Grid:
    """The small network with levels that last for hours in one part of the day, and for a step in the other."""
    rng, grid = np.random.default_rng(seed), town.grid()
    shape = grid.values.shape[1:]
    noise, log = rng.normal(0, 0.3, shape), np.zeros(shape)
    for step in range(1, shape[1]):
        lasts = 30 <= step % town.DAY < 70
        log[:, step] = 0.98 * log[:, step - 1] + 0.2 * noise[:, step] if lasts else noise[:, step]
    values = rng.poisson(100 * np.exp(log) * np.ones((2, 1, 1))).astype(np.float32)
    return replace(grid, values=values)


def test_where_a_level_lasts_at_some_hours_only_it_beats_the_ridge() -> None:
    features, split = town.SmallFeatures(forgetful()), town.SPLIT
    truth = features.truth(split.holdout).sum(axis=-1)
    errors = {}
    for name in ("linear_level", "boosted_level"):
        mean = architecture(name).fit(features, split, 7, FitLog()).predict(features.tensors(split.holdout)).mean
        errors[name] = float(np.sqrt(np.nanmean((mean.sum(axis=-1) - truth) ** 2)))
    assert errors["boosted_level"] < 0.98 * errors["linear_level"], errors


def test_stations_some_at_a_time_give_the_bits_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    for at_once in (400, 3):
        monkeypatch.setattr("tasks.model.architectures._linear.fit.MOST_AT_ONCE", at_once)
        fits.append(fit_boosted(town.SmallFeatures(town.grid()), town.SPLIT, BoostedConfig(trees=5), 1))
    one, other = fits
    assert one.fitted.phi == other.fitted.phi
    assert one.notes == other.notes
    assert 0 < one.fitted.weights[0] < 1
