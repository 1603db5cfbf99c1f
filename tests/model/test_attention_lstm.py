"""Attention over the weeks: it sums to one, is the same in ONNX, follows the weeks that are asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import tiny_city

from tasks.model.architectures import unfitted
from tasks.model.architectures.attention_lstm import AttentionForecaster, attend, mean_attention
from tasks.model.figure_rows import attention_rows
from tasks.model.inputs import InputSettings, prepare

FEATURES = tiny_city.features()
ORIGINS = tiny_city.START + np.timedelta64(36, "D") + np.arange(20) * np.timedelta64(95, "m")
WEEKS = 4


class Network(NamedTuple):
    """A small network with weights drawn at random, what it says before, and the forecaster of it."""

    before: Any
    keras: Any
    forecaster: AttentionForecaster


@pytest.fixture(scope="module")
def network() -> Network:
    from tasks.model.onnx_network import export_network
    from tasks.model.residual_network import Shape, build

    inputs = prepare(FEATURES.tensors(ORIGINS), tiny_city.STATIONS, InputSettings()).inputs()
    model = build(Shape.of(inputs, 3, tiny_city.INTERVAL, 5), 6, 3, 0.1, attend)
    before, rng = np.asarray(model(inputs, training=False)), np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    forecaster = AttentionForecaster(
        export_network(model),
        InputSettings(),
        tiny_city.STATIONS,
        tiny_city.TARGETS,
        tiny_city.INTERVAL,
        WEEKS,
        24,
        trail=FEATURES.tensors(ORIGINS[:1]).hours.shape[-1],
    )
    return Network(before, model, forecaster)


def test_an_untrained_network_is_weekday_level(network: Network) -> None:
    baseline = unfitted("weekday_level").predict(FEATURES.tensors(ORIGINS)).mean
    np.testing.assert_array_equal(
        network.before[:, 0], baseline.transpose(1, 2, 0, 3).reshape(network.before[:, 0].shape)
    )


def test_the_second_output_is_the_attention_of_every_origin_and_station(network: Network) -> None:
    import keras

    weights = network.forecaster.attention(FEATURES.tensors(ORIGINS))
    assert weights.shape == (len(ORIGINS), len(tiny_city.STATIONS), WEEKS)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    assert weights.std(axis=-1).mean() > 0.02
    inputs = prepare(FEATURES.tensors(ORIGINS), tiny_city.STATIONS, InputSettings()).inputs()
    shown = keras.Model(network.keras.inputs, network.keras.get_layer("shown").output)(inputs)
    np.testing.assert_allclose(weights.reshape(-1, WEEKS), shown, rtol=1e-4, atol=1e-6)


def test_the_answer_is_the_first_output(network: Network) -> None:
    inputs = prepare(FEATURES.tensors(ORIGINS), tiny_city.STATIONS, InputSettings()).inputs()
    expected = np.asarray(network.keras(inputs, training=False))
    np.testing.assert_allclose(network.forecaster.network(inputs), expected, rtol=1e-4, atol=1e-5)


def test_weeks_in_another_order_take_their_attention_along(network: Network) -> None:
    inputs = prepare(FEATURES.tensors(ORIGINS), tiny_city.STATIONS, InputSettings()).inputs()
    same = dict(inputs, weeks=np.repeat(inputs["weeks"][:, -1:], WEEKS + 1, axis=1))
    np.testing.assert_allclose(network.forecaster.network(same, output=1), 1 / WEEKS, rtol=1e-4)
    odd = dict(same, weeks=same["weeks"].copy())
    odd["weeks"][:, 2] = inputs["weeks"][:, 0]
    weights = network.forecaster.network(odd, output=1)
    np.testing.assert_allclose(weights[:, [0, 1]], weights[:, [3, 3]], rtol=1e-4)
    assert np.abs(weights[:, 2] - weights[:, 0]).max() > 0.01


def test_the_mean_attention_is_of_all_origins_and_oldest_week_first(network: Network) -> None:
    mean = mean_attention(network.forecaster, FEATURES, ORIGINS)
    expected = network.forecaster.attention(FEATURES.tensors(ORIGINS)).mean(axis=(0, 1))
    np.testing.assert_allclose(mean, expected, rtol=1e-4)
    assert [row["weeks_ago"] for row in attention_rows(mean)] == [4, 3, 2, 1]
    assert attention_rows(mean)[0]["attention"] == mean[0]
