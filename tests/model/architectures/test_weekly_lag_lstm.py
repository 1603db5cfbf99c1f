"""The same-weekday recipe: fourteen weeks of one minute, masked, scaled, and scaled back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import support.small_network as town

from tasks.arrays import Float
from tasks.contracts import Features, FitLog
from tasks.grid import Grid
from tasks.model.architectures import initial_forecaster
from tasks.model.architectures.weekly_lag_lstm import (
    WeeklyLagConfig,
    WeeklyLagForecaster,
    WeeklyLagLstm,
    weekly_series,
)
from tasks.model.networks.fit import FitRows
from tasks.model.networks.onnx import OnnxNetwork
from tasks.model.series import training_scales

FEATURES: Features = town.SmallFeatures(town.grid())


@dataclass
class Last:
    """A network that answers the newest week as it got it."""

    data: bytes = b""

    def __call__(self, inputs: dict[str, Any]) -> Float:
        return np.asarray(inputs["weeks"][:, -1, :1], np.float32)


def forecaster(scales: dict[str, dict[str, tuple[float, float]]]) -> WeeklyLagForecaster:
    network: Any = Last()
    assert not isinstance(network, OnnxNetwork)
    return WeeklyLagForecaster(network, town.WEEKS, scales)


def test_a_series_runs_from_the_oldest_week_to_the_newest() -> None:
    lags = np.array([[30.0], [20.0], [10.0]], np.float32)  # last week first
    series = weekly_series(lags, np.array(10, np.float32), np.array(20, np.float32))
    assert series.weeks[0, :, 0].tolist() == [0, 0.5, 1]
    assert series.weeks[0, :, 1].tolist() == [1, 1, 1]


def test_a_missing_week_is_masked_and_holds_the_mean_of_the_others_not_zero() -> None:
    lags = np.array([[8.0], [np.nan], [4.0]], np.float32)
    series = weekly_series(lags, np.array(0, np.float32), np.array(8, np.float32))
    assert series.weeks[0].tolist() == [[0.5, 1], [0.75, 0], [1, 1]]
    assert series.known.tolist() == [True]


def test_without_any_week_a_series_is_unknown_and_finite() -> None:
    series = weekly_series(np.full((3, 2), np.nan, np.float32), np.array(0, np.float32), np.array(1, np.float32))
    assert not series.known.any()
    np.testing.assert_array_equal(series.weeks, 0)


def test_forecasts_are_scaled_back_to_people_by_station_and_target() -> None:
    tensors = FEATURES.tensors(town.SPLIT.holdout)
    scales = {target: {"big": (2.0, 90.0), "small": (0.0, 5.0)} for target in town.TARGETS}
    mean = forecaster(scales).predict(tensors).mean
    last_week = tensors.lags[0, ..., -town.HORIZON :]
    seen = np.isfinite(last_week)
    np.testing.assert_allclose(mean[seen], last_week[seen], rtol=1e-4, atol=1e-4)


def test_where_no_week_was_observed_the_forecast_is_that_of_weekday_mean() -> None:
    tensors = town.blank(FEATURES.tensors(town.SPLIT.holdout), lags=True)
    np.testing.assert_array_equal(
        forecaster({}).predict(tensors).mean, initial_forecaster("weekday_mean").predict(tensors).mean
    )


def test_scales_come_from_training_hours_alone() -> None:
    grid = town.grid()
    values = grid.values.copy()
    values[..., int(grid.index(town.SPLIT.validation[0])) :] = 999
    other = town.SmallFeatures(Grid(values, grid.start, grid.interval, grid.stations, grid.targets))
    scales = training_scales(FEATURES, town.SPLIT.train)
    assert scales == training_scales(other, town.SPLIT.train)
    assert set(scales["entries"]) == {"big", "closed", "middle", "small"}
    low, high = scales["entries"]["big"]
    truth = FEATURES.truth(town.SPLIT.train)[0, :, 0]
    assert (low, high) == (float(np.nanmin(truth)), float(np.nanmax(truth)))


def test_a_station_without_a_scale_neither_trains_nor_validates() -> None:
    scales = training_scales(FEATURES, town.SPLIT.train)
    opened = {target: {s: ends for s, ends in row.items() if s != "big"} for target, row in scales.items()}
    drawn = WeeklyLagLstm()._draw(FEATURES, town.SPLIT.validation, opened, 5000, np.random.default_rng(1), "validation")
    assert len(drawn) > 100
    assert drawn.truth.max() < 3


def test_the_scale_of_a_new_station_is_that_of_its_own_weeks_whatever_other_origins_are_asked_for() -> None:
    @dataclass
    class Halfway(Last):
        """A network that answers half of the scale."""

        def __call__(self, inputs: dict[str, Any]) -> Float:
            return np.full((len(inputs["weeks"]), 1), 0.5, np.float32)

    model = replace(forecaster({}), network=Halfway())  # type: ignore[arg-type]
    together = model.predict(FEATURES.tensors(town.SPLIT.holdout)).mean
    alone = model.predict(FEATURES.tensors(town.SPLIT.holdout[:1])).mean
    np.testing.assert_array_equal(alone[:, 0], together[:, 0])


def test_the_defaults_are_the_recipe_s() -> None:
    config = WeeklyLagConfig()
    assert (config.units, config.dropout, config.epochs, config.batch, config.patience) == (100, 0.25, 30, 100, 10)
    rows = FitRows(
        {"weeks": np.zeros((4, 14, 2), np.float32)}, np.full((4, 1, 1), 0.3, np.float32), np.ones(4, np.float32)
    )
    model = WeeklyLagLstm()._network(rows)
    _, lstm, dropout, dense, _ = model.layers
    assert (lstm.units, dropout.rate, dense.units, dense.activation.__name__) == (100, 0.25, 1, "relu")
    assert (model.loss, type(model.optimizer).__name__) == ("mean_squared_error", "Adam")


@pytest.fixture(scope="module")
def log() -> FitLog:
    notes = FitLog()
    config = WeeklyLagConfig(units=6, epochs=4, max_samples=600, max_validation=200, learning_rate=0.01)
    WeeklyLagLstm(config).fit(FEATURES, town.SPLIT, 3, notes)
    return notes


def test_the_fit_is_bounded_learns_and_watches_the_absolute_error(log: FitLog) -> None:
    assert log.notes["training_rows"] <= 600
    assert log.notes["validation_rows"] <= 200
    assert log.notes["best_epoch"] > 0
    assert min(log.epochs["val_loss"]) < log.notes["untrained_loss"]
    assert {"mae", "val_mae", "loss"} <= set(log.epochs)


def test_another_number_of_weeks_is_rejected() -> None:
    from tasks.errors import ModelError

    tensors = FEATURES.tensors(town.SPLIT.holdout[:1])
    with pytest.raises(ModelError, match="trained on 3 weeks, the configuration gives 2: run nexthour retrain"):
        forecaster({}).predict(replace(tensors, lags=tensors.lags[:2]))
