"""The default network in Keras: an LSTM over the weeks that corrects profile times level, with quantiles around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.arrays import QUANTILES, Float
from tasks.model.bins import divisor

if TYPE_CHECKING:
    import keras

REACH = 2.0
"""Bound of the log residual: the network changes a forecast by a factor of at most e² either way."""
QUIET = 0.1
"""Square root of a mean below which quantiles are drawn towards it, so that a closed station's are zero."""
TINY = 1e-6
DISPERSION_FLOOR = 1e-5
"""Variance of a shared factor below which float32 would lose it; an hour of 1,000 people then varies as a Poisson."""
Pool = Callable[[Any, Any, int], Any]
"""Days as the network reads them, [row, day, unit]; as they came, [row, day, feature]; units: to [row, ...]."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a network's inputs and outputs."""

    days: int
    features: int
    context: int
    stations: int
    targets: int
    steps: int
    bins: int

    @classmethod
    def of(cls, inputs: dict[str, Any], stations: int, interval: int, bin_minutes: int) -> Shape:
        """From the arrays of `inputs.Windows.inputs`."""
        _, days, features = inputs["weeks"].shape
        _, targets, steps = inputs["base"].shape
        bins = steps // divisor(steps, bin_minutes // interval)
        return cls(days, features, inputs["context"].shape[1], stations, targets, steps, bins)


def last_state(days: Any, weeks: Any, units: int) -> Any:
    """The state of an LSTM after all days: [row, unit] of [row, day, unit]."""
    from keras import layers

    return layers.LSTM(units)(days)


def build_network(shape: Shape, units: int, embedding: int, dropout: float, pool: Pool = last_state) -> keras.Model:
    """The network, which before any training answers `base` with the quantiles of a Poisson count.

    Inputs `weeks`, `context`, `station`, `base` as in `inputs.InputRows`; output [row, 1 + quantile, target, step], the
    mean first. There is one correction per bin of the hour. `pool` makes one vector of all days.
    """
    from keras import Input, Model, layers, ops

    weeks = Input((shape.days, shape.features), name="weeks")
    context = Input((shape.context,), name="context")
    station = Input((1,), dtype="int32", name="station")
    base = Input((shape.targets, shape.steps), name="base")

    seen = layers.Dropout(dropout)(layers.Dense(units, activation="relu")(weeks))
    place = layers.Flatten()(layers.Embedding(shape.stations + 1, embedding)(station))
    joined = layers.Concatenate()([pool(seen, weeks, units), context, place])
    hidden = layers.Dropout(dropout)(layers.Dense(units, activation="relu")(joined))

    def head(rows: int, direct: Any = 0) -> Any:
        flat = layers.Dense(rows * shape.targets * shape.bins, kernel_initializer="zeros")(hidden)
        return ops.reshape(flat, (-1, rows, shape.targets, shape.bins)) + direct

    def by_step(of_bins: Any) -> Any:
        return ops.repeat(of_bins, shape.steps // shape.bins, axis=-1)

    direct = layers.Dense(shape.targets, use_bias=False, kernel_initializer="zeros")(context)
    residual = REACH * ops.tanh(head(1, ops.reshape(direct, (-1, 1, shape.targets, 1))) / REACH)
    mean = ops.expand_dims(base, 1) * by_step(ops.exp(residual))
    quantiles = _quantiles(ops.stop_gradient(mean), by_step(_offsets(head(len(QUANTILES)))))
    return Model([weeks, context, station, base], ops.concatenate([mean, quantiles], axis=1))


def _offsets(raw: Any) -> Any:
    """Ascending along quantiles, the first free, each later one a softplus above it: [row, quantile, target, bin].

    At raw 0 they are half a normal quantile: the square root of a Poisson count has standard deviation 1/2
    (M. S. Bartlett, "The square root transformation in analysis of variance", 1936).
    """
    from keras import ops

    start = poisson_offsets()
    first = raw[:, :1] + float(start[0])
    steps = ops.softplus(raw[:, 1:] + inverse_softplus(np.diff(start)).reshape(1, -1, 1, 1))
    return ops.cumsum(ops.concatenate([first, steps], axis=1), axis=1)


def _quantiles(mean: Any, offsets: Any) -> Any:
    """(max(sqrt(mean) + offset, 0))², the offsets drawn to 0 where hardly anyone is expected."""
    from keras import ops

    root = ops.sqrt(mean + TINY * TINY)
    return ops.square(ops.relu(root + offsets * (root / (root + QUIET))))


def poisson_offsets() -> Float:
    """Half of the normal quantiles at `QUANTILES`."""
    return np.array([NormalDist().inv_cdf(q) / 2 for q in QUANTILES], np.float32)


def inverse_softplus(values: Float) -> Float:
    """Solve log(1 + e^x) = value for x."""
    return np.asarray(np.log(np.expm1(values)), np.float32)


def likelihood(truth: Any, output: Any, dispersion: Float | None = None) -> Any:
    """Deviance a step of the mean, by row, float32 [row]; steps of negative truth are not observed.

    Poisson; with a `dispersion` [target] the counts of an hour share a gamma factor of that variance, and the hour's
    sum is negative binomial (the negative multinomial of Johnson, Kotz, Balakrishnan, "Discrete Multivariate
    Distributions", 1997, chapter 36). A dispersion of 0 is Poisson.
    """
    from keras import ops

    seen = ops.cast(truth >= 0, output.dtype)
    count, mean = seen * ops.relu(truth), seen * ops.maximum(output[:, :1], TINY)
    deviance = count * (ops.log(ops.maximum(count, TINY)) - ops.log(ops.maximum(mean, TINY)))
    by_target = ops.sum(deviance, axis=3) - _hour_term(ops.sum(count, axis=3), ops.sum(mean, axis=3), dispersion)
    return 2 * ops.sum(by_target, axis=(1, 2)) / (truth.shape[2] * truth.shape[3])


def _hour_term(count: Any, mean: Any, dispersion: Float | None) -> Any:
    """What an hour's sum takes off its steps' deviance, [row, 1, target]; its limit at no dispersion is the excess."""
    from keras import ops

    excess = count - mean
    if dispersion is None:
        return excess
    spread = np.maximum(np.asarray(dispersion, np.float32), DISPERSION_FLOOR)
    return (count + 1 / spread) * ops.log1p(spread * excess / (1 + spread * mean))


def quantile_loss(truth: Any, output: Any) -> Any:
    """Pinball loss of the quantiles, mean over steps and summed over two at each level, by row, float32 [row]."""
    from keras import ops

    levels = np.array(QUANTILES, np.float32).reshape(1, -1, 1, 1)
    seen = ops.cast(truth >= 0, output.dtype)
    error = ops.relu(truth) - output[:, 1:]
    pinball = error * (levels - ops.cast(error < 0, error.dtype))
    return 2 * ops.sum(seen * pinball, axis=(1, 2, 3)) / (len(QUANTILES) * truth.shape[2] * truth.shape[3])


def loss_with(weight: float, dispersion: Float | None = None) -> Callable[[Any, Any], Any]:
    """Likelihood of the mean plus `weight` times the loss of the quantiles."""

    def loss(truth: Any, output: Any) -> Any:
        return likelihood(truth, output, dispersion) / 2 + weight * quantile_loss(truth, output)

    return loss
