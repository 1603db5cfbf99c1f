"""Networks as ONNX: written by Keras once, run by onnxruntime everywhere."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float
from tasks.errors import ModelError
from tasks.model.networks.canonical_onnx import canonical_form
from tasks.model.networks.keras_runtime import unroll
from tasks.storage.roots import one_line

if TYPE_CHECKING:
    import keras
    import onnxruntime

FILE = "network.onnx"
SHOWN = "shown"
ROWS = 4096
THREADS = 2


class OnnxNetwork:
    """A network with named inputs, the row axis first and free; what it shows beside its answer is output 1.

    Args:
        data: the ONNX file.
        where: what it came from, for errors.
    """

    def __init__(self, data: bytes, where: str = "the network") -> None:
        self.data, self._where = data, where

    @classmethod
    def read(cls, folder: Path) -> OnnxNetwork:
        """The network of a bundle.

        Raises:
            ModelError: if the folder does not hold one.
        """
        path = folder / FILE
        try:
            network = cls(path.read_bytes(), str(path))
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): run nexthour retrain") from None
        network.check()
        return network

    def write(self, folder: Path) -> None:
        """Put it into a bundle's folder."""
        (folder / FILE).write_bytes(self.data)

    def check(self) -> None:
        """Load it.

        Raises:
            ModelError: if onnxruntime does not understand it.
        """
        assert self._session is not None

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 3
        # Threads that wait in a loop for the next run cost more processor time than all of the forecast.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(self.data, options, providers=["CPUExecutionProvider"])
        except _refusals() as e:
            raise ModelError(f"{self._where} is no network that this onnxruntime runs ({e}): retrain it") from None

    def __call__(self, inputs: Mapping[str, npt.NDArray[Any]], output: int = 0) -> Float:
        """One output of every row, some thousand rows at a time.

        Raises:
            ModelError: if the inputs are not those that it was trained on, or it breaks.
        """
        rows = len(next(iter(inputs.values())))
        if not rows:
            one = {name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in inputs.items()}
            return self(one, output)[:0]
        names = [node.name for node in self._session.get_inputs()]
        refusals: tuple[type[Exception], ...] = (KeyError, *_refusals())
        try:
            parts = [
                self._session.run(None, {name: inputs[name][a : a + ROWS] for name in names})[output]
                for a in range(0, rows, ROWS)
            ]
        except refusals as e:
            raise ModelError(
                f"{self._where} was trained on other inputs, or breaks ({one_line(e)}): retrain it"
            ) from None
        return np.concatenate(parts)


def _refusals() -> tuple[type[Exception], ...]:
    """What onnxruntime raises for a network, or inputs, that it cannot run; they share no base but `Exception`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    wrong = (state.Fail, state.InvalidProtobuf, state.InvalidGraph, state.InvalidArgument, state.NotImplemented)
    return (*wrong, state.RuntimeException, state.EPFail, state.EngineError)


def export_network(model: keras.Model) -> OnnxNetwork:
    """A built Keras model with named inputs, as ONNX; what its layer `SHOWN` answers, if it has one, as output 1."""
    unroll(model, False)  # a loop becomes ONNX's own LSTM
    shown = [layer.output for layer in model.layers if layer.name == SHOWN]
    if shown:
        model = type(model)(model.inputs, [model.output, *shown])
    model({tensor.name: np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs})
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of tf2onnx about NumPy
        path = Path(folder) / FILE
        model.export(str(path), format="onnx", verbose=False)
        return OnnxNetwork(canonical_form(path.read_bytes()))
