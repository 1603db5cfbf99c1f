"""Keras as it runs here: recurrent layers without a loop, imports that keep quiet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def hold_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2; write it out only if the block fails."""
    shown = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(shown, aside.read())
            raise
        finally:
            os.dup2(shown, 2)
            os.close(shown)
