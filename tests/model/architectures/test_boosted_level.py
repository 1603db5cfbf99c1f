"""Trees on top of the ridge: what they learn, how far they are believed, and that a bundle answers as the fit did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import support.small_network as town

from tasks.contracts import FitLog
from tasks.errors import ModelError
from tasks.grid import Grid
from tasks.model.architectures import architecture, load
from tasks.model.architectures._boosted.fit import fit_boosted
from tasks.model.architectures._boosted.trees import BoostedConfig, HourRows, grow_trees, hour_rows
from tasks.model.architectures._linear.fit import LinearConfig, fit_linear
from tasks.model.architectures._linear.forecaster import correct
from tasks.model.architectures._linear.inputs import linear_rows

CONFIG, LINEAR = BoostedConfig(), LinearConfig()
FEATURES = town.SmallFeatures(town.grid())
TENSORS = FEATURES.tensors(town.SPLIT.holdout)


def test_trees_find_what_two_inputs_say_together_only() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(4000, 3)).astype(np.float32)
    factor = np.where(inputs[:, 0] * inputs[:, 1] > 0, 1.5, 0.75).astype(np.float32)
    counts = rng.poisson(40 * factor).astype(np.float32)
    rows = HourRows(inputs, counts / np.float32(40), np.full(4000, 40, np.float32))
    found = grow_trees(rows, CONFIG, 7)({"rows": inputs})[:, 0]
    assert np.abs(np.log(found / factor)).mean() < 0.1


def test_a_row_is_an_hour_over_the_steps_that_were_observed() -> None:
    rows = linear_rows(TENSORS)
    mean = np.full(rows.base.shape, 2, np.float32)
    truth = np.full(rows.base.shape, np.nan, np.float32)
    truth[0, 1, 2, :3] = 7
    counted, empty = hour_rows(rows, mean, truth, [np.full(mean.shape[1:3], 3, np.float32)] * 2)
    assert counted.ratio.tolist() == [1, np.float32(26 / 11)]
    assert counted.weight.tolist() == [15, 33]
    assert empty.ratio.tolist() == [1]
    assert counted.inputs[1, -1] == np.float32(np.log1p(2 * rows.base.shape[-1]))


def test_a_weight_of_none_is_the_ridge_and_one_of_half_goes_half_of_the_way() -> None:
    fitted = fit_boosted(FEATURES, town.SPLIT, CONFIG, 7).fitted
    ridge, half, whole = (replace(fitted, weights=(w, w)).mean(TENSORS) for w in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(ridge, fitted.ridge.mean(TENSORS))
    assert np.abs(whole / np.maximum(ridge, 1e-6) - 1).max() > 0.005
    np.testing.assert_allclose(half**2, ridge * whole, rtol=1e-4, atol=1e-6)


def test_what_judges_the_trees_has_not_seen_the_validation_days() -> None:
    fit = fit_boosted(FEATURES, town.SPLIT, CONFIG, 7)
    linear = fit_linear(FEATURES, town.SPLIT, LINEAR)
    train = linear.drawn[0]
    assert train.origins.max() <= town.SPLIT.train[-1]
    rows = hour_rows(train.rows, correct(train.rows, linear.for_validation.own), train.truth, linear.weights[0])
    assert [grow_trees(of_target, CONFIG, 7).data for of_target in rows] == [t.data for t in fit.for_validation.trees]
    assert fit.fitted.trees[0].data != fit.for_validation.trees[0].data
    assert fit.fitted.weights == fit.for_validation.weights


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
