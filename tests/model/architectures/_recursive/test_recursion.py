"""The sliding-window recipes: six shapes, three ways to go on, scales and gaps, on toys and on a small network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import support.small_network as town

from tasks.arrays import Float
from tasks.contracts import FitLog
from tasks.errors import ConfigError, HistoryError
from tasks.model.architectures import architecture, initial_forecaster
from tasks.model.architectures._recursive.recipe import RecursiveForecaster
from tasks.model.architectures._recursive.recursion import full_sequence, point_by_point, windowed_sequences
from tasks.model.architectures.lookback_lstm import LookbackConfig, step_by_step
from tasks.model.architectures.stacked_lstm import StackedConfig, StackedLstm, forecast_three_ways
from tasks.model.networks.sequence import SequenceShape, build_sequence
from tasks.model.series import recent_series, training_scales

FEATURES = town.SmallFeatures(town.grid())
TENSORS = FEATURES.tensors(town.SPLIT.holdout)
SCALES = {target: dict.fromkeys(town.STATIONS, (0.0, 1.0)) for target in town.TARGETS}


class Six(NamedTuple):
    """A toy: channels in, targets out, steps ahead, and the answer to (10, 20, 30, 40, 50)."""

    channels: int
    targets: int
    ahead: int
    answer: list[list[float]]


SIX = {
    "one series to one": Six(1, 1, 1, [[60]]),
    "two series to one": Six(2, 1, 1, [[60]]),
    "two series to two": Six(2, 2, 1, [[60, 61]]),
    "one series to two steps": Six(1, 1, 2, [[60], [70]]),
    "two series to two steps of one": Six(2, 1, 2, [[60], [70]]),
    "two series to two steps of two": Six(2, 2, 2, [[60, 61], [70, 71]]),
}


def toy(six: Six) -> tuple[Float, Float]:
    """Windows of five steps of 10, 20, ..., 120 (the second series one above it), and what comes after each."""
    both = np.stack([np.arange(10, 130, 10), np.arange(11, 131, 10)], axis=1).astype(np.float32)
    starts = range(len(both) - 5 - six.ahead + 1)
    series = np.stack([both[a : a + 5, : six.channels] for a in starts])
    return series, np.stack([both[a + 5 : a + 5 + six.ahead, : six.targets] for a in starts])


@pytest.mark.parametrize("six", SIX.values(), ids=SIX.keys())
def test_each_of_the_six_shapes_learns_its_toy_with_relu_cells(six: Six) -> None:
    import keras

    keras.utils.set_random_seed(7)
    series, truth = (part / 100 for part in toy(six))
    model = build_sequence(SequenceShape(5, six.channels, six.ahead, six.targets), (50,), activation="relu")
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    for _ in range(200):
        model.train_on_batch({"series": series}, truth)
    answer = 100 * np.asarray(model({"series": series[:1]}))[0]
    np.testing.assert_allclose(answer, six.answer, atol=3)


def test_relu_cells_of_two_layers_are_the_same_in_onnx() -> None:
    from tasks.model.networks.onnx import export_network

    model = build_sequence(SequenceShape(5, 2, 2, 2), (6, 3), activation="relu", dropout=0.2)
    series = np.random.default_rng(0).random((7, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(
        export_network(model)({"series": series}), model({"series": series}), rtol=1e-5, atol=1e-6
    )


def test_two_stacked_layers_follow_a_sine_point_by_point_and_as_sequences() -> None:
    import keras

    keras.utils.set_random_seed(7)
    sine, config = np.sin(np.arange(-50, 50, dtype=np.float32))[:, None], StackedConfig()
    model = build_sequence(SequenceShape(config.window), config.cells)
    model.compile(keras.optimizers.Adam(0.02), loss="mse")
    windows = np.stack([sine[a : a + config.window] for a in range(50)])
    for _ in range(120):
        model.train_on_batch({"series": windows}, sine[config.window :, None])

    def network(given: Float) -> Float:
        return np.asarray(model.predict_on_batch({"series": given}))

    truth = sine[config.window :]
    assert np.abs(point_by_point(network, sine, config.window) - truth).mean() < 0.1
    assert np.abs(full_sequence(network, windows[:1], 10)[0] - truth[:10]).mean() < 0.2
    several = windowed_sequences(network, sine, config.window, 10)
    assert np.abs(several - truth.reshape(5, 10, 1)).mean() < 0.2


def rise(windows: Float) -> Float:
    """A network that says the last value plus one, and for the step after it plus two."""
    return windows[:, -1:] + np.array([1, 2], np.float32)[:, None]


def test_point_by_point_starts_from_truth_at_every_step() -> None:
    series = np.array([[0], [10], [5], [7]], np.float32)
    assert point_by_point(rise, series, 2).tolist() == [[11], [6]]


def test_a_full_sequence_goes_on_from_what_it_said() -> None:
    windows = np.array([[[1], [4]], [[0], [9]]], np.float32)
    assert full_sequence(rise, windows, 5)[..., 0].tolist() == [[5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]


def test_windowed_sequences_start_anew_from_truth() -> None:
    series = np.array([0, 10, 5, 7, 20, 1], np.float32)[:, None]
    assert windowed_sequences(rise, series, 2, 2)[..., 0].tolist() == [[11, 12], [8, 9]]


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize(("inputs", "outputs"), [("own", "own"), ("all", "own"), ("all", "all")])
def test_every_shape_forecasts_each_target_from_its_own_past(inputs: str, outputs: str, ahead: int) -> None:
    class Last:
        """A network that says the last value of its first channels."""

        def __call__(self, given: dict[str, Float]) -> Float:
            targets = len(town.TARGETS) if outputs == "all" else 1
            return np.repeat(given["series"][:, -1:, :targets], ahead, axis=1)

    network: Any = Last()
    scales = {"entries": {"big": (0.0, 1000.0)}, "exits": {"big": (0.0, 500.0)}}
    forecaster = RecursiveForecaster("stacked_lstm", network, 3, inputs, outputs, town.TARGETS, scales)
    full = replace(TENSORS, recent=np.nan_to_num(TENSORS.recent, nan=1.0))
    expected = np.repeat(full.recent[:, :, 0, -1:], town.HORIZON, axis=-1)
    np.testing.assert_allclose(forecaster.mean(full)[:, :, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize(
    ("inputs", "outputs", "channels", "targets"), [("own", "own", 1, 1), ("all", "own", 2, 1), ("all", "all", 2, 2)]
)
def test_the_rows_of_every_shape_are_windows_and_what_came_after(
    inputs: str, outputs: str, channels: int, targets: int, ahead: int
) -> None:
    config = StackedConfig(window=3, inputs=inputs, outputs=outputs, steps_ahead=ahead)
    values = np.broadcast_to(np.arange(town.grid().steps, dtype=np.float32), town.grid().values.shape).copy()
    values[1] += 0.5
    features = town.SmallFeatures(replace(town.grid(), values=values))
    rows = StackedLstm(config)._draw(features, town.SPLIT.train[:40], SCALES, 4, np.random.default_rng(1))
    series, truth = rows.inputs["series"], rows.truth
    assert series.shape == (160, 3, channels)
    assert truth.shape == (160, ahead, targets)
    expected = series[:, -1:, :targets] + np.arange(1, ahead + 1)[:, None]
    np.testing.assert_allclose(truth, expected)
    assert set(np.ravel(series[:, 0, 0] % 1)) == ({0.0, 0.5} if outputs == "own" else {0.0})


def test_a_station_without_a_scale_neither_trains_nor_validates() -> None:
    scales = training_scales(FEATURES, town.SPLIT.train)
    opened = {target: {s: ends for s, ends in row.items() if s != "big"} for target, row in scales.items()}
    architecture = StackedLstm(StackedConfig(window=3))
    drawn = architecture._draw(FEATURES, town.SPLIT.validation, opened, 10, np.random.default_rng(1))
    assert len(drawn) > 100
    assert drawn.truth.max() < 3


def test_all_targets_and_several_steps_train_and_forecast_on_ridership() -> None:
    config = {
        "window": 4,
        "cells": (8,),
        "inputs": "all",
        "outputs": "all",
        "steps_ahead": 2,
        "epochs": 30,
        "batch": 64,
    }
    log = FitLog()
    fitted = architecture("stacked_lstm", config | {"learning_rate": 0.02, "max_samples": 800}).fit(
        FEATURES, town.SPLIT, 3, log
    )
    assert 0 < log.notes["training_rows"] + log.notes["validation_rows"] <= 800
    assert min(log.epochs["val_loss"]) < 0.7 * log.notes["untrained_loss"]
    mean, truth = fitted.predict(TENSORS).mean, FEATURES.truth(town.SPLIT.holdout)
    still = initial_forecaster("last_known").predict(TENSORS).mean
    errors = [np.nanmean((x[:, :, 0] - truth[:, :, 0]) ** 2) for x in (mean, still)]
    assert errors[0] < errors[1]


def test_all_targets_out_of_one_alone_are_rejected() -> None:
    with pytest.raises(ConfigError, match='outputs = "all" needs inputs = "all"'):
        architecture("stacked_lstm", {"outputs": "all"})


def test_a_gap_holds_the_profile_at_today_s_level_and_scales_are_those_of_training() -> None:
    scales = {"entries": {"big": (10.0, 60.0)}}
    recent = TENSORS.recent.copy()
    recent[0, 0, 0] = [20, np.nan, 30, np.nan]
    past = recent_series(replace(TENSORS, recent=recent), scales, 3)
    usual = TENSORS.profile[0, 0, 0, 1 : town.RECENT] * TENSORS.level[0, 0, 0]
    np.testing.assert_allclose(past.values[0, 0, :, 0] * 50 + 10, [usual[0], 30, usual[2]], rtol=1e-5)
    assert past.seen[0, 0, 0] == pytest.approx(1 / 3)
    assert past.known[0, :, 0].all()
    assert not past.known[0, :, 3].any()
    assert set(training_scales(FEATURES, town.SPLIT.train)["entries"]) == {"big", "closed", "middle", "small"}


def test_the_defaults_are_the_recipes() -> None:
    stacked, lookback = StackedConfig(), LookbackConfig()
    assert (stacked.cells, stacked.window, stacked.batch, stacked.validation_share) == ((5, 20), 50, 512, 0.05)
    assert (lookback.cells, lookback.window, lookback.batch, lookback.epochs) == ((4,), 1, 1, 100)
    assert lookback.validation_share == 0.33
    assert {config.steps_ahead for config in (stacked, lookback)} == {1}


def test_the_last_share_of_the_origins_validates_and_history_without_a_window_is_rejected() -> None:
    blank = replace(town.grid(), values=np.full_like(town.grid().values, np.nan))
    with pytest.raises(HistoryError, match="lookback_lstm: no minutes in a row"):
        architecture("lookback_lstm").fit(town.SmallFeatures(blank), town.SPLIT, 1, FitLog())


def saying_the_last(name: str, window: int, most: float) -> RecursiveForecaster:
    """A forecaster whose network says the last step of a window again."""

    class Last:
        def __call__(self, given: dict[str, Float]) -> Float:
            return given["series"][:, -1:]

    network: Any = Last()
    scales = {t: {"big": (0.0, most)} for t in town.TARGETS}
    return RecursiveForecaster(name, network, window, "own", "own", town.TARGETS, scales)


def test_the_picture_s_fits_stand_where_their_steps_are() -> None:
    forecaster = saying_the_last("lookback_lstm", window=1, most=100)
    border, end = town.SPLIT.train[-1], town.SPLIT.validation[-1]
    fit = step_by_step(forecaster, FEATURES, border, end)
    assert fit.station == "big"
    assert fit.minutes[-1] < end
    said = np.where(fit.minutes < border, fit.training, fit.validation)
    assert np.isnan(fit.training[fit.minutes >= border]).all()
    assert np.isnan(fit.validation[fit.minutes < border]).all()
    assert np.isfinite(fit.validation[fit.minutes == border]).all()
    both = np.isfinite(said[1:])
    assert both.mean() > 0.9
    np.testing.assert_allclose(said[1:][both], fit.counts[:-1][both], rtol=1e-5)


def test_three_ways_start_where_they_say() -> None:
    forecaster = saying_the_last("stacked_lstm", window=3, most=1000)
    end = town.SPLIT.validation[-1]
    ways = forecast_three_ways(forecaster, FEATURES, end)
    assert (ways.station, len(ways.minutes)) == ("big", 24 * 60 // town.INTERVAL)
    assert ways.minutes[-1] < end
    at = int(FEATURES.grid.index(ways.minutes[0]))
    station = FEATURES.grid.stations.index("big")
    before = FEATURES.grid.values[0, station, at - 1 : at - 1 + len(ways.minutes)]
    assert np.isfinite(before).mean() > 0.9
    np.testing.assert_allclose(ways.points[np.isfinite(ways.points)], before[np.isfinite(ways.points)], rtol=1e-5)
    assert np.isfinite(ways.points).mean() > 0.8
    hour = 60 // town.INTERVAL
    starts = before[::hour]
    said = np.isfinite(ways.sequences[:, 0])
    assert said.sum() > 20
    np.testing.assert_allclose(ways.sequences[said], np.tile(starts[said, None], hour), rtol=1e-5)
    np.testing.assert_allclose(ways.whole, before[0], rtol=1e-5)
