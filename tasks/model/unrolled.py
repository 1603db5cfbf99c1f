"""Short recurrent layers without a loop, which train faster and answer the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

UNROLLED_STEPS = 20
"""Steps of a recurrent layer up to which it may run without a loop, which costs some seconds of tracing."""


def unroll(model: keras.Model, wanted: bool = True) -> None:
    """From now on run short recurrent layers step after step, or else all in a loop; the answers are the same."""
    from keras import layers

    for layer in model.layers:
        if isinstance(layer, layers.RNN):
            layer.unroll = wanted and layer.input.shape[1] <= UNROLLED_STEPS
