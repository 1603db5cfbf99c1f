"""Boosted trees: what they see, what they multiply, and that ONNX answers as scikit-learn did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import support.small_network as town

from tasks.base_forecast import shrink_to_share
from tasks.contracts import FitLog
from tasks.errors import ModelError
from tasks.model.architectures import architecture, initial_forecaster
from tasks.model.architectures._boosting.inputs import RowSettings, boosting_rows
from tasks.model.architectures.gradient_boosting import mask_last, training_sizes
from tasks.model.networks.onnx_trees import Bins, export_trees

FEATURES = town.SmallFeatures(town.grid())
TENSORS = FEATURES.tensors(town.SPLIT.holdout)


def noisy_rows() -> np.ndarray:
    """Few and many distinct values, gaps in one column, a column that was never there."""
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(3000, 4)).astype(np.float32)
    rows[:, 1] = rng.integers(0, 5, 3000)
    rows[rng.random(3000) < 0.3, 2] = np.nan
    rows[:, 3] = np.nan
    return rows


def test_onnx_answers_as_the_trees_do_on_edges_gaps_and_what_was_never_there() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows = noisy_rows()
    gaps = np.isnan(rows[:, 2])
    truth = np.random.default_rng(5).poisson(np.exp(0.5 * rows[:, 0] + 0.3 * rows[:, 1] + gaps))
    bins = Bins.of(rows)
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=30, early_stopping=False)
    model.fit(bins.codes(rows), truth)
    on_edges = rows.copy()
    on_edges[:500, 0] = np.resize(bins.edges[0], 500)
    on_edges[500:900, :3] = np.nan
    on_edges[900:1000] = 1e9
    network = export_trees([model], 30, bins, on_edges)
    expected = model.predict(bins.codes(on_edges))
    assert expected.std() > 0.5
    np.testing.assert_allclose(network({"rows": on_edges})[:, 0], expected, rtol=1e-5)
    fewer = export_trees([model], 3, bins, rows)({"rows": rows})
    assert fewer.std() < network({"rows": rows}).std()


def test_the_base_is_weekday_level_however_late_the_feed_is() -> None:
    settings = RowSettings(level_minutes=60)
    rows = boosting_rows(TENSORS, {}, settings)
    np.testing.assert_allclose(rows.base, initial_forecaster("weekday_level").predict(TENSORS).mean, rtol=1e-5)
    late = replace(TENSORS, recent=np.where(np.arange(town.RECENT) > 1, np.float32(np.nan), TENSORS.recent))
    without = boosting_rows(late, {}, settings).base[0, :, 0]
    both = np.isfinite(late.recent[0, :, 0]) & np.isfinite(TENSORS.profile[0, :, 0, : town.RECENT])
    seen, usual = (np.where(both, x[0, :, 0, : town.RECENT], 0).sum(-1) for x in (late.recent, TENSORS.profile))
    hour = shrink_to_share(np.nan_to_num(TENSORS.profile[..., town.RECENT :]).sum(axis=-1), late)[0, :, 0]
    np.testing.assert_allclose(without.sum(axis=-1), hour * (seen + 10) / (usual + 10), rtol=1e-5)


def test_a_lag_that_is_missing_stays_missing() -> None:
    lags = TENSORS.lags.copy()
    lags[0] = np.nan
    whole, gap = (boosting_rows(replace(TENSORS, lags=x), {}, RowSettings()).features for x in (TENSORS.lags, lags))
    lost = np.isnan(gap[:, 0]).all(axis=(0, 1, 2)) & ~np.isnan(whole[:, 0]).all(axis=(0, 1, 2))
    assert lost.sum() == 2  # last week, and last week without its level


def test_hidden_minutes_are_the_last_ones_of_some_origins() -> None:
    full = replace(TENSORS, recent=np.ones_like(TENSORS.recent))
    hidden = np.isnan(mask_last(full, 30, np.random.default_rng(0)).recent)
    by_origin = hidden[0, :, 0].sum(axis=-1)
    assert set(by_origin) == {0, 1, 2}
    assert 0.3 < (by_origin > 0).mean() < 0.7
    assert not hidden[..., :2].any()
    assert (hidden == hidden[:1, :, :1]).all()
    assert mask_last(full, 0, np.random.default_rng(0)) is full


def test_sizes_are_those_of_the_training_hours() -> None:
    sizes = training_sizes(FEATURES, town.SPLIT.train)
    truth = FEATURES.truth(town.SPLIT.train)
    assert sizes["exits"]["middle"] == pytest.approx(np.nanmean(truth[1, :, 3]), rel=1e-5)
    assert "lost" not in sizes["entries"]


def test_trees_learn_what_the_profile_cannot_know() -> None:
    grid = town.grid()
    values = grid.values.copy()
    step = np.arange(grid.steps)
    surge = (step // 6) % 2 == 0  # an hour and a half at three times the count, an hour and a half as ever
    values[:, 0] = np.random.default_rng(2).poisson(
        np.where(surge & (step // town.WEEK % 2 == 0), 60, 20), (2, grid.steps)
    )
    features = town.SmallFeatures(replace(grid, values=values))
    log = FitLog()
    fitted = architecture("gradient_boosting", {"trees": 60, "l2": 20}).fit(features, town.SPLIT, 3, log)
    assert log.notes["best_epoch"] == 1 + int(np.argmin(log.epochs["val_loss"]))
    assert len(log.epochs["loss"]) == len(log.epochs["val_loss"]) == 60
    tensors, truth = features.tensors(town.SPLIT.holdout), features.truth(town.SPLIT.holdout)[:, :, 0]
    ours, base = (
        np.nanmean((model.predict(tensors).mean[:, :, 0] - truth) ** 2)
        for model in (fitted, initial_forecaster("weekday_level"))
    )
    assert ours < 0.9 * base


def test_other_targets_are_rejected_with_the_remedy() -> None:
    fitted = architecture("gradient_boosting", {"trees": 2, "max_samples": 500}).fit(FEATURES, town.SPLIT, 3, FitLog())
    with pytest.raises(ModelError, match=r"trained on targets .* run nexthour retrain"):
        fitted.predict(replace(TENSORS, targets=("boardings", "exits")))
