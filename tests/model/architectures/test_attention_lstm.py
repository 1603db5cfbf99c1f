"""Attention over the weeks: it sums to one, is the same in ONNX, follows the weeks that are asked for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from support import tiny_city

from tasks.model.architectures import initial_forecaster
from tasks.model.architectures._next_hour.inputs import InputSettings, prepare, seen_columns
from tasks.model.architectures.attention_lstm import AttentionForecaster, attend, mean_attention
from tasks.model.review.tables import attention_rows

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
    from tasks.model.architectures._next_hour.network import Shape, build_network
    from tasks.model.networks.onnx import export_network

    inputs = prepare(FEATURES.tensors(ORIGINS), tiny_city.STATIONS, InputSettings()).inputs()
    columns = seen_columns(FEATURES.tensors(ORIGINS[:1]), InputSettings())
    model = build_network(Shape.of(inputs, 3, tiny_city.INTERVAL, 5), 6, 3, 0.1, partial(attend, seen=columns))
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
    baseline = initial_forecaster("weekday_level").predict(FEATURES.tensors(ORIGINS)).mean
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


def test_a_week_of_which_nothing_was_observed_is_not_asked_for(network: Network) -> None:
    tensors = FEATURES.tensors(ORIGINS)
    lags = tensors.lags.copy()
    lags[1] = np.nan
    lags[2, :, :, 0] = np.nan
    gappy = replace(tensors, lags=lags)
    weights = network.forecaster.attention(gappy)
    assert (weights[..., WEEKS - 2] == 0).all()
    assert (weights[:, 0, WEEKS - 3] == 0).all()
    assert (weights[:, 1:, WEEKS - 3] > 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    inputs = prepare(gappy, tiny_city.STATIONS, InputSettings()).inputs()
    answer = np.asarray(network.keras(inputs, training=False))
    np.testing.assert_allclose(network.forecaster.network(inputs), answer, rtol=1e-4, atol=1e-5)


def test_without_any_week_only_today_is_left(network: Network) -> None:
    tensors = FEATURES.tensors(ORIGINS)
    blank = replace(tensors, lags=np.full_like(tensors.lags, np.nan))
    assert (network.forecaster.attention(blank) == 0).all()
    made = network.forecaster.predict(blank)
    assert np.isfinite(made.mean).all()
    assert np.isfinite(made.quantiles).all()


def test_the_columns_that_tell_what_was_seen_are_the_shares_of_the_bins() -> None:
    tensors, settings = FEATURES.tensors(ORIGINS), InputSettings()
    columns = seen_columns(tensors, settings)
    lags = np.full_like(tensors.lags, np.nan)
    lags[0, :, :, 1, 3] = 5
    weeks = prepare(replace(tensors, lags=lags), tiny_city.STATIONS, settings).weeks
    told = weeks.reshape(len(ORIGINS), 3, WEEKS + 1, -1)[..., columns]
    assert told.shape[-1] == tensors.lags.shape[-1]
    one = np.zeros(told.shape[-1], np.float32)
    one[3] = 1
    np.testing.assert_array_equal(told[:, 1, -2], np.broadcast_to(one, (len(ORIGINS), len(one))))
    assert (told[:, :, :-2] == 0).all()


def test_the_mean_attention_is_of_all_origins_and_oldest_week_first(network: Network) -> None:
    mean = mean_attention(network.forecaster, FEATURES, ORIGINS)
    expected = network.forecaster.attention(FEATURES.tensors(ORIGINS)).mean(axis=(0, 1))
    np.testing.assert_allclose(mean, expected, rtol=1e-4)
    assert [row["weeks_ago"] for row in attention_rows(mean)] == [4, 3, 2, 1]
    assert attention_rows(mean)[0]["attention"] == mean[0]
