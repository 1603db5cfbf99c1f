"""Three ways to let a network that knows the next steps of a window forecast a series.

The names are those of the sine-wave article: point by point, one full sequence, several windowed sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float

NextSteps = Callable[[Float], Float]
"""Float32 [row, window, channel] -> [row, ahead, channel]: the steps after each window, one or several of them."""


def sliding_windows(series: npt.NDArray[Any], window: int) -> npt.NDArray[Any]:
    """Every window of a series, [window's start, step, channel] of [step, channel]; a view."""
    views = np.lib.stride_tricks.sliding_window_view(series, window, axis=0)
    return np.moveaxis(views, -1, 1)


def point_by_point(network: NextSteps, series: Float, window: int) -> Float:
    """The step after every window of truth, float32 [step - window, channel]; the truth after it is never asked."""
    return network(np.ascontiguousarray(sliding_windows(series[:-1], window)))[:, 0]


def full_sequence(network: NextSteps, windows: Float, steps: int) -> Float:
    """The `steps` after each window, float32 [row, step, channel]: each answer becomes the end of the next window."""
    answers: list[Float] = []
    known = windows
    while sum(part.shape[1] for part in answers) < steps:
        answers.append(network(known))
        known = np.concatenate([known, answers[-1]], axis=1)[:, -windows.shape[1] :]
    return np.concatenate(answers, axis=1)[:, :steps]


def windowed_sequences(network: NextSteps, series: Float, window: int, length: int) -> Float:
    """Full sequences of `length` steps that start again from truth every `length` steps, [sequence, length, channel].

    The first starts after the first `window` steps; the last is the last that truth covers to its end.
    """
    starts = np.arange(0, len(series) - window - length + 1, length)
    return full_sequence(network, np.ascontiguousarray(sliding_windows(series, window)[starts]), length)


def by_target(network: NextSteps, targets: int) -> NextSteps:
    """A network of one output, asked once a target with that target's channel first, as one of all targets."""

    def ask(windows: Float) -> Float:
        turned = [np.roll(windows, -c, axis=2) for c in range(targets)]
        answer = network(np.concatenate(turned))
        return np.concatenate(np.split(answer, targets), axis=2)

    return ask


def by_channel(network: NextSteps) -> NextSteps:
    """A network of one channel, asked once a channel, as one of all channels."""

    def ask(windows: Float) -> Float:
        rows, steps, channels = windows.shape
        answer = network(windows.transpose(2, 0, 1).reshape(channels * rows, steps, 1))
        return answer.reshape(channels, rows, answer.shape[1]).transpose(1, 2, 0)

    return ask
