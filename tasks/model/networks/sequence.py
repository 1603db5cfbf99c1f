"""The plain sequence network that the published recipes share: LSTM layers, then a Dense head.

One or several channels in, one or several targets out, one or several steps: sizes of one network, not code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class SequenceShape:
    """Sizes of inputs, [row, step, channel], and outputs, [row, ahead, target]."""

    steps: int
    channels: int = 1
    ahead: int = 1
    targets: int = 1


def build_sequence(
    shape: SequenceShape,
    cells: Sequence[int],
    *,
    dropout: float = 0.0,
    activation: str = "tanh",
    head: str = "linear",
    start: float = 0.0,
    name: str = "series",
) -> keras.Model:
    """An uncompiled network with one named input.

    Args:
        shape: see `SequenceShape`.
        cells: of each LSTM layer, the first of which sees the input.
        dropout: after each LSTM layer.
        activation: of candidate and output of the LSTM; anything but "tanh" runs as a loop in ONNX.
        head: activation of the last layer.
        start: what the last layer answers to zeros before any training.
        name: of the input.
    """
    from keras import Input, Model, initializers, layers

    series = hidden = Input((shape.steps, shape.channels), name=name)
    for i, units in enumerate(cells):
        last = i == len(cells) - 1
        hidden = layers.LSTM(units, activation=activation, return_sequences=not last)(hidden)
        hidden = layers.Dropout(dropout)(hidden) if dropout else hidden
    bias = initializers.Constant(start)
    flat = layers.Dense(shape.ahead * shape.targets, activation=head, bias_initializer=bias)(hidden)
    return Model({name: series}, layers.Reshape((shape.ahead, shape.targets))(flat))
