"""The default network: starts as the best baseline, never crosses its quantiles, is the same in ONNX."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support import tiny_city

from tasks.arrays import QUANTILES
from tasks.contracts import FitLog, Forecaster
from tasks.errors import ModelError
from tasks.metrics import pinball, poisson_deviance
from tasks.model.architectures import architecture, initial_forecaster
from tasks.model.architectures._next_hour.forecaster import NextHourForecaster
from tasks.model.architectures._next_hour.inputs import InputRows, prepare
from tasks.model.architectures._next_hour.row_weights import Age
from tasks.model.architectures._next_hour.samples import UNOBSERVED, Samples
from tasks.model.architectures.next_hour_lstm import NextHourLstm
from tasks.model.training.train import Trained

FEATURES = tiny_city.features()
ORIGINS = tiny_city.START + np.timedelta64(36, "D") + np.arange(20) * np.timedelta64(95, "m")
STEPS = 12


class Network(NamedTuple):
    """A small network in Keras, its weights drawn at random, and the same in ONNX."""

    keras: Any
    onnx: Any


def windows() -> InputRows:
    from tasks.model.architectures._next_hour.inputs import InputSettings

    return prepare(FEATURES.tensors(ORIGINS), tiny_city.STATIONS, InputSettings())


def untrained() -> Any:
    from tasks.model.architectures._next_hour.network import Shape, build_network

    return build_network(Shape.of(windows().inputs(), 3, tiny_city.INTERVAL, 5), units=6, embedding=3, dropout=0.1)


@pytest.fixture(scope="module")
def random_network() -> Network:
    from tasks.model.networks.onnx import export_network

    model, rng = untrained(), np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return Network(model, export_network(model))


def test_an_untrained_network_is_weekday_level_with_poisson_quantiles() -> None:
    rows = windows()
    output = np.asarray(untrained()(rows.inputs(), training=False))
    baseline = initial_forecaster("weekday_level").predict(FEATURES.tensors(ORIGINS)).mean
    np.testing.assert_array_equal(output[:, 0], baseline.transpose(1, 2, 0, 3).reshape(output[:, 0].shape))
    busy = output[:, 0] > 20
    draws = np.random.default_rng(0).poisson(output[:, 0][busy], (4000, busy.sum()))
    for level, quantile in zip(QUANTILES, output[:, 1:].swapaxes(0, 1), strict=True):
        whole = np.round(quantile[busy])
        assert (draws < whole).mean() - 0.02 <= level <= (draws <= whole).mean() + 0.02


def test_keras_and_onnx_agree(random_network: Network) -> None:
    inputs = windows().inputs()
    ours, theirs = np.asarray(random_network.keras(inputs, training=False)), random_network.onnx(inputs)
    assert ours.std() > 0.1
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)


def test_onnx_runs_the_fused_lstm(random_network: Network) -> None:
    import onnx

    operators = [node.op_type for node in onnx.load_from_string(random_network.onnx.data).graph.node]
    assert operators.count("LSTM") == 1
    assert not {"Loop", "Scan", "If"} & set(operators)


def test_rows_do_not_depend_on_their_batch(random_network: Network) -> None:
    inputs = windows().inputs()
    whole = random_network.onnx(inputs)
    for row in (0, 17):
        alone = random_network.onnx({name: array[row : row + 1] for name, array in inputs.items()})
        np.testing.assert_allclose(alone[0], whole[row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spread", [1, 30, 1000])
def test_whatever_the_inputs_quantiles_never_cross_and_nothing_is_negative_or_infinite(
    random_network: Network, spread: float
) -> None:
    rng, inputs = np.random.default_rng(5), dict(windows().inputs())
    for name in ("weeks", "context"):
        inputs[name] = rng.normal(0, spread, inputs[name].shape).astype(np.float32)
    output = random_network.onnx(inputs)
    assert np.isfinite(output).all()
    assert (output >= 0).all()
    assert (np.diff(output[:, 1:], axis=1) >= 0).all()
    factor = output[:, 0] / np.maximum(inputs["base"], 1e-9)
    assert factor.max() <= np.exp(2) * 1.001


def test_a_closed_station_has_no_spread(random_network: Network) -> None:
    inputs = dict(windows().inputs())
    inputs["base"] = np.zeros_like(inputs["base"])
    np.testing.assert_allclose(random_network.onnx(inputs), 0, atol=1e-4)


def test_the_losses_are_the_metrics_and_leave_out_what_was_not_observed() -> None:
    from tasks.model.architectures._next_hour.network import likelihood, loss_with, quantile_loss

    rng = np.random.default_rng(8)
    truth = rng.poisson(3, (5, 1, 2, STEPS)).astype(np.float32)
    mean = rng.gamma(2, 2, truth.shape).astype(np.float32)
    quantiles = np.sort(rng.gamma(2, 2, (5, 7, 2, STEPS)), axis=1).astype(np.float32)
    output = np.concatenate([mean, quantiles], axis=1)
    deviance, quantile = np.asarray(likelihood(truth, output)), np.asarray(quantile_loss(truth, output))
    for row in range(5):
        assert deviance[row] == pytest.approx(poisson_deviance(mean[row, 0], truth[row, 0]), rel=1e-4)
        assert quantile[row] == pytest.approx(2 * pinball(quantiles[row], truth[row, 0]), rel=1e-4)
    np.testing.assert_allclose(np.asarray(loss_with(3.0)(truth, output)), deviance / 2 + 3 * quantile, rtol=1e-5)
    hidden = truth.copy()
    hidden[:, :, 1] = UNOBSERVED
    wild = output.copy()
    wild[:, :, 1] *= 50
    np.testing.assert_allclose(np.asarray(likelihood(hidden, wild)), np.asarray(likelihood(hidden, output)))
    np.testing.assert_allclose(np.asarray(quantile_loss(hidden, wild)), np.asarray(quantile_loss(hidden, output)))


def test_weights_of_stations_run_from_people_to_stations() -> None:
    from tasks.model.architectures._next_hour.row_weights import station_weights

    rng = np.random.default_rng(1)
    place = np.repeat(np.arange(3, dtype=np.int32), 50)
    truth = rng.poisson(np.array([100, 10, 1])[place][:, None, None], (150, 2, STEPS)).astype(np.float32)
    samples = Samples(windows(), truth, place, np.repeat(ORIGINS[:1], len(place)))
    np.testing.assert_allclose(station_weights(samples, 4, 0.0), 1)
    one = station_weights(samples, 4, 1.0)
    np.testing.assert_allclose(one[:2] * [100, 10], one[2] * 1, rtol=0.05)
    assert one[place].mean() == pytest.approx(1)


def test_training_beats_the_baseline_that_it_starts_as(tiny_champion: Trained) -> None:
    notes = tiny_champion.log
    assert notes.notes["best_epoch"] > 0
    assert min(notes.epochs["val_loss"]) < notes.notes["untrained_loss"]
    assert {len(series) for series in notes.epochs.values()} == {tiny_city.CONFIG["epochs"]}
    assert notes.notes["training_rows"] <= tiny_city.CONFIG["max_samples"]
    figures = {name: scores.overall for name, scores in tiny_champion.scores.items()}
    assert figures["challenger"]["rmse_hour"] < 1.1 * figures["weekday_level"]["rmse_hour"]


def test_a_fit_that_goes_astray_ends_as_what_it_started_from(tiny_champion: Trained) -> None:
    config = {**tiny_city.CONFIG, "epochs": 2, "max_samples": 300, "learning_rate": 1e4, "dropout": 0.0, "blend": False}
    log, tensors = FitLog(), FEATURES.tensors(ORIGINS)
    astray = architecture("next_hour_lstm", config).fit(FEATURES, tiny_champion.split, 1, log)
    assert log.notes["best_epoch"] == 0
    start = architecture(log.notes["base"]).fit(FEATURES, tiny_champion.split, 1, FitLog())
    np.testing.assert_allclose(astray.predict(tensors).mean, start.predict(tensors).mean, rtol=1e-4)


def test_a_network_that_starts_from_the_ridge_is_blended_with_its_trees_and_that_of_an_older_bundle_with_the_ridge(
    tiny_champion: Trained, tmp_path: Path
) -> None:
    champion, tensors = tiny_champion.forecaster, FEATURES.tensors(ORIGINS)
    assert isinstance(champion, NextHourForecaster)
    assert champion.beside is not None
    assert champion.start is champion.beside.ridge
    trees = replace(champion.beside, weights=(0.5, 0.5))  # as those that the city's days chose are 0
    forecaster = replace(champion, beside=trees)
    config = json.loads(json.dumps(forecaster.export(tmp_path)))
    for kept, expected in ((config, trees), (config | {"beside": None}, trees.ridge)):
        loaded = NextHourLstm.load(tmp_path, kept)
        assert isinstance(loaded, NextHourForecaster)
        without = replace(loaded, blend_weights=(0.0, 0.0)).predict(tensors).mean
        np.testing.assert_allclose(without, expected.mean(tensors), rtol=1e-4, atol=1e-5)
    network = replace(forecaster, blend_weights=(1.0, 1.0)).predict(tensors).mean
    np.testing.assert_allclose(network, replace(forecaster, blend_weights=()).predict(tensors).mean, rtol=1e-5)
    assert np.abs(trees.mean(tensors) / trees.ridge.mean(tensors) - 1).max() > 1e-3


def test_a_network_may_start_from_profile_times_level(tiny_champion: Trained) -> None:
    config = {**tiny_city.CONFIG, "epochs": 1, "max_samples": 300, "learning_rate": 1e4, "base": "profile_times_level"}
    tensors = FEATURES.tensors(ORIGINS)
    astray = architecture("next_hour_lstm", config).fit(FEATURES, tiny_champion.split, 1, FitLog())
    np.testing.assert_allclose(
        astray.predict(tensors).mean, initial_forecaster("weekday_level").predict(tensors).mean, rtol=1e-5
    )


def test_a_station_first_seen_after_the_training_is_forecast_near_its_profile(tiny_champion: Trained) -> None:
    tensors = replace(FEATURES.tensors(ORIGINS), stations=("central", "new", "museum"))
    prediction, baseline = (
        m.predict(tensors).mean for m in (tiny_champion.forecaster, initial_forecaster("weekday_level"))
    )
    assert np.isfinite(prediction).all()
    assert prediction[:, :, 1].sum() == pytest.approx(baseline[:, :, 1].sum(), rel=0.3)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"targets": ("boardings", "exits")}, "targets"),
        ({"interval": 15}, "interval"),
        ({"lags": np.zeros((9, 2, 1, 3, 36), np.float32)}, "weeks"),
        ({"recent": np.zeros((2, 1, 3, 5), np.float32)}, "recent steps"),
        ({"trail": np.zeros((2, 2, 1, 3, 5), np.float32)}, "trail hours"),
    ],
)
def test_tensors_of_another_kind_are_rejected_with_the_remedy(
    tiny_champion: Trained, change: dict[str, Any], what: str
) -> None:
    tensors = replace(FEATURES.tensors(ORIGINS[:1]), **change)
    with pytest.raises(ModelError, match=rf"trained on {what} .* run nexthour retrain"):
        tiny_champion.forecaster.predict(tensors)


def test_quantiles_are_nearly_whole_numbers_in_order_around_the_mean(tiny_champion: Trained) -> None:
    forecaster: Forecaster = tiny_champion.forecaster
    prediction = forecaster.predict(FEATURES.tensors(ORIGINS))
    np.testing.assert_allclose(prediction.quantiles, np.round(prediction.quantiles), atol=0.0101)
    assert (np.diff(prediction.quantiles, axis=0) >= 0).all()
    busy = prediction.mean > 5
    assert (prediction.quantiles[0][busy] < prediction.mean[busy]).all()
    assert (prediction.quantiles[-1][busy] > prediction.mean[busy]).all()


def test_a_bundle_keeps_the_calibration_and_one_from_before_it_still_forecasts(
    tiny_champion: Trained, tmp_path: Path
) -> None:
    forecaster, tensors = tiny_champion.forecaster, FEATURES.tensors(ORIGINS)
    config = forecaster.export(tmp_path)
    again = NextHourLstm.load(tmp_path, json.loads(json.dumps(config)))
    np.testing.assert_array_equal(again.predict(tensors).quantiles, forecaster.predict(tensors).quantiles)
    plain = NextHourLstm.load(tmp_path, {**config, "calibration": None}).predict(tensors)
    np.testing.assert_array_equal(plain.quantiles, np.round(plain.quantiles))
    assert (plain.quantiles != forecaster.predict(tensors).quantiles).any()
    old = {key: value for key, value in config["inputs"].items() if key != "windows"}
    assert NextHourLstm.load(tmp_path, {**config, "inputs": old}).inputs.windows == ()  # type: ignore[attr-defined]


def test_the_newest_days_are_trained_on_at_last_and_older_rows_count_less(tiny_champion: Trained) -> None:
    notes = tiny_champion.log.notes
    assert notes["refit_rows"] > notes["training_rows"]
    assert notes["refit_kept"]
    age = Age(tiny_champion.split, 10.0)
    last = tiny_champion.split.validation[-1]
    np.testing.assert_allclose(age.weight(last - np.array([0, 10, 20]) * np.timedelta64(1, "D")), [1, 0.5, 0.25])
    assert (Age(tiny_champion.split, 0.0).weight(tiny_champion.split.train) == 1).all()


def test_a_network_that_was_fitted_without_a_loop_is_exported_with_the_lstm_of_onnx() -> None:
    import onnx

    from tasks.model.networks.keras_runtime import unroll
    from tasks.model.networks.onnx import export_network

    model, rows = untrained(), windows()
    unroll(model)
    answers = np.asarray(model(rows.inputs(), training=False))
    exported = export_network(model)
    assert "LSTM" in {node.op_type for node in onnx.load_from_string(exported.data).graph.node}
    np.testing.assert_allclose(exported(rows.inputs()), answers, atol=1e-5)
