"""Weights of a network beside its ONNX file, from which a later fit may go on.

The weights are plain arrays in `weights.npz`, in the order of the Keras network, which no forecast reads. They are
those before the refit on the newest days, on which the later fit validates.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.arrays import Float
from tasks.errors import ModelError
from tasks.model.architectures._next_hour.inputs import UNKNOWN

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

FILE = "weights.npz"


class Weights:
    """Arrays of a network, in its order; the file of a bundle is decoded when they are asked for."""

    def __init__(self, path: Path | None = None, arrays: Sequence[Float] = (), data: bytes = b"") -> None:
        self._path, self._given, self._data = path, list(arrays), data

    @classmethod
    def of(cls, model: keras.Model) -> Weights:
        """Those of a network in memory."""
        return cls(arrays=model.get_weights())

    @classmethod
    def read(cls, folder: Path) -> Weights | None:
        """Those of a bundle, None where it holds none; the file may go away, as a copy out of an object store does."""
        path = folder / FILE
        return cls(path, data=path.read_bytes()) if path.is_file() else None

    @cached_property
    def arrays(self) -> list[Float]:
        """The arrays.

        Raises:
            ModelError: if the file cannot be read.
        """
        if self._path is None:
            return self._given
        try:
            with np.load(io.BytesIO(self._data), allow_pickle=False) as held:
                return [held[name] for name in sorted(held.files)]
        except (OSError, ValueError, EOFError) as error:
            raise ModelError(f"{self._path} cannot be read ({error}): run nexthour retrain") from None

    def write(self, folder: Path) -> None:
        """Put them into a bundle's folder; the same arrays are the same bytes."""
        named: dict[str, Any] = {f"w{i:04d}": array for i, array in enumerate(self.arrays)}
        np.savez(folder / FILE, **named)


def adopt(model: keras.Model, weights: Weights, then: Sequence[str], now: Sequence[str]) -> bool:
    """Give a network the weights of one fitted before; False, and nothing changed, where they do not fit.

    Rows of station embeddings follow the stations' names; a new station starts as one that is unknown.

    Args:
        model: built.
        weights: of a network of the same layout.
        then: stations in the order of its embeddings, without the unknown one.
        now: the same of `model`.
    """
    place = {name: i + 1 for i, name in enumerate(then)}
    rows = [UNKNOWN, *(place.get(name, UNKNOWN) for name in now)]
    fresh = []
    if len(weights.arrays) != len(model.weights):
        return False
    for variable, array in zip(model.weights, weights.arrays, strict=True):
        embedded = variable.path.endswith("embeddings") and len(array) == len(then) + 1
        array = array[rows] if embedded else array
        if tuple(array.shape) != tuple(variable.shape):
            return False
        fresh.append(array)
    model.set_weights(fresh)
    return True
