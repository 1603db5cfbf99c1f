"""The NumPy LSTM is right, it learns, and Keras and its ONNX export compute the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from support.oracles import Array, NumpyLSTM, descend, first_output_loss

STEPS, CHANNELS, CELLS = 14, 3, 20

both_variants = pytest.mark.parametrize("outer_tanh", [True, False], ids=["outer_tanh", "no_outer_tanh"])
some_shapes = pytest.mark.parametrize(
    ("batch", "steps", "channels", "cells"), [(1, 1, 1, 1), (1, 5, 3, 2), (4, 2, 1, 6), (2, 14, 3, 5)]
)


def central_differences(function: Callable[[], float], array: Array, eps: float = 1e-5) -> Array:
    """The slope of `function()` in every element of `array`, which it reads."""
    slopes = np.empty_like(array)
    for index, value in np.ndenumerate(array):
        array[index] = value + eps
        above = function()
        array[index] = value - eps
        slopes[index] = (above - function()) / (2 * eps)
        array[index] = value
    return slopes


def assert_gradients_agree(lstm: NumpyLSTM, inputs: Array, loss: Callable[[Array], tuple[float, Array]]) -> None:
    outputs, steps = lstm.forward(inputs)
    d_inputs, d_weights, d_biases = lstm.backward(steps, loss(outputs)[1])

    def value() -> float:
        return loss(lstm.forward(inputs)[0])[0]

    pairs = [(d_inputs, inputs)]
    pairs += [(d_weights[gate], lstm.weights[gate]) for gate in lstm.weights]
    pairs += [(d_biases[gate], lstm.biases[gate]) for gate in lstm.biases]
    for gradient, array in pairs:
        np.testing.assert_allclose(gradient, central_differences(value, array), rtol=1e-6, atol=1e-8)


@both_variants
@some_shapes
def test_gradients_of_any_output_agree_with_finite_differences(
    batch: int, steps: int, channels: int, cells: int, outer_tanh: bool
) -> None:
    rng = np.random.default_rng(1)
    lstm = NumpyLSTM.random(channels, cells, rng, bound=1.0)
    lstm.outer_tanh = outer_tanh
    d_outputs = rng.normal(size=(batch, steps, cells))
    inputs = rng.normal(size=(batch, steps, channels))
    assert_gradients_agree(lstm, inputs, lambda outputs: (float((d_outputs * outputs).sum()), d_outputs))


@both_variants
@some_shapes
def test_gradients_of_the_first_output_loss_agree_with_finite_differences(
    batch: int, steps: int, channels: int, cells: int, outer_tanh: bool
) -> None:
    rng = np.random.default_rng(2)
    lstm = NumpyLSTM.random(channels, cells, rng, bound=1.0)
    lstm.outer_tanh = outer_tanh
    targets = rng.uniform(-1, 1, (batch, steps))
    inputs = rng.normal(size=(batch, steps, channels))
    assert_gradients_agree(lstm, inputs, lambda outputs: first_output_loss(outputs, targets))


@both_variants
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_four_values_from_random_inputs_in_a_hundred_steps(seed: int, outer_tanh: bool) -> None:
    rng = np.random.default_rng(seed)
    lstm = NumpyLSTM.random(50, 100, rng)
    lstm.outer_tanh = outer_tanh
    inputs = rng.random((1, 4, 50))
    targets = np.array([[-0.5, 0.2, 0.1, -0.5]])
    losses = [descend(lstm, inputs, targets, learning_rate=0.1) for _ in range(101)]
    assert losses[0] > 0.4
    assert losses[100] < 5e-3


def test_random_weights_fill_the_range_of_a_tenth_either_side() -> None:
    lstm = NumpyLSTM.random(50, 100, np.random.default_rng(0))
    for weights in lstm.weights.values():
        assert weights.min() == pytest.approx(-0.1, abs=1e-3)
        assert weights.max() == pytest.approx(0.1, abs=1e-3)


def test_the_variants_differ_by_the_tanh_on_the_cell_alone() -> None:
    rng = np.random.default_rng(3)
    with_tanh = NumpyLSTM.random(3, 4, rng, bound=1.0)
    without = NumpyLSTM(with_tanh.weights, with_tanh.biases, outer_tanh=False)
    inputs = rng.normal(size=(2, 1, 3))
    outputs, [(_, _, _, _, output_gate, _, cell)] = without.forward(inputs)
    np.testing.assert_allclose(outputs[:, 0], cell * output_gate, rtol=1e-12)
    np.testing.assert_allclose(with_tanh.forward(inputs)[0][:, 0], np.tanh(cell) * output_gate, rtol=1e-12)


class Trio(NamedTuple):
    """One network, an LSTM with a Dense head on its last output, three times over."""

    keras: Any
    onnx: Any
    lstm: NumpyLSTM
    head: list[Array]

    def numpy(self, inputs: NDArray[np.float32]) -> tuple[Array, Array]:
        outputs, _ = self.lstm.forward(inputs.astype(np.float64))
        kernel, bias = self.head
        return outputs, outputs[:, -1] @ kernel + bias


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Trio:
    import keras
    import onnxruntime

    lstm, head = keras.layers.LSTM(CELLS, return_sequences=True), keras.layers.Dense(2)
    inputs = keras.Input((STEPS, CHANNELS))
    outputs = lstm(inputs)
    model = keras.Model(inputs, [outputs, head(outputs[:, -1])])
    rng = np.random.default_rng(4)
    model.set_weights([rng.uniform(-0.5, 0.5, w.shape) for w in model.get_weights()])
    model(np.zeros((1, STEPS, CHANNELS), np.float32))
    path: Path = tmp_path_factory.mktemp("lstm") / "lstm.onnx"
    model.export(str(path), format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return Trio(model, session, NumpyLSTM.from_keras(*lstm.get_weights()), head.get_weights())


@pytest.mark.parametrize("batch", [1, 7, 300])
@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_keras_its_onnx_export_and_numpy_agree(trio: Trio, batch: int, spread: float) -> None:
    inputs = np.random.default_rng(batch).normal(0, spread, (batch, STEPS, CHANNELS)).astype(np.float32)
    from_keras = [np.asarray(output) for output in trio.keras(inputs)]
    from_onnx = trio.onnx.run(None, {trio.onnx.get_inputs()[0].name: inputs})
    for expected, keras_output, onnx_output in zip(trio.numpy(inputs), from_keras, from_onnx, strict=True):
        assert expected.std() > 0.05
        np.testing.assert_allclose(keras_output, expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(onnx_output, expected, rtol=0, atol=1e-5)
