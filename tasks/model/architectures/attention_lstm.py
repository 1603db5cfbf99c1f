"""The default network with attention over the weeks: the state after today asks each earlier week by itself.

The weights are the softmax of a scaled dot product (A. Vaswani et al., "Attention Is All You Need", 2017). They are the
second output of the bundle's network, and their mean by week is noted at every fit. Trained with keras.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.contracts import Features, FitLog, Float, Forecaster, Minutes, Split, Tensors
from tasks.model.architectures.next_hour_lstm import NextHourConfig, NextHourLstm
from tasks.model.chunks import chunks
from tasks.model.inputs import prepare
from tasks.model.onnx_network import SHOWN
from tasks.model.residual_forecaster import NextHourForecaster
from tasks.model.spread import some

if TYPE_CHECKING:
    from tasks.model.residual_network import Shape

LOOKED_AT = 96
"""Validation origins from which the mean attention is told, at most."""


class AttentionConfig(NextHourConfig):
    """Table `[models.attention_lstm]`: as `[models.next_hour_lstm]`."""


@dataclass
class AttentionForecaster(NextHourForecaster):
    """A fitted network whose second output is its attention."""

    name: str = "attention_lstm"

    @classmethod
    def of(cls, forecaster: NextHourForecaster) -> AttentionForecaster:
        """The same, with attention to show."""
        same = {part.name: getattr(forecaster, part.name) for part in fields(forecaster) if part.name != "name"}
        return cls(**same)

    def attention(self, tensors: Tensors) -> Float:
        """How much each week counts, float32 [origin, station, week], oldest week first; sums to 1 over the weeks.

        Raises:
            ModelError: if the tensors have other targets, weeks or steps than it was trained on, or lack a channel.
        """
        self._check(tensors)
        windows = prepare(tensors, self.stations, self.inputs, self.scales)
        shape = (len(tensors.origins), len(tensors.stations), self.weeks)
        return self.network(windows.inputs(), output=1).reshape(shape)


class AttentionLstm(NextHourLstm):
    """See the file's head."""

    name = "attention_lstm"
    config_type = AttentionConfig

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Fit as `next_hour_lstm` does; note the mean attention of the validation hours.

        Raises:
            HistoryError: if training or validation has no hour with a count.
        """
        forecaster = AttentionForecaster.of(super().fit(features, split, seed, log))  # type: ignore[arg-type]
        log.notes["attention"] = mean_attention(forecaster, features, some(split.validation, LOOKED_AT))
        return forecaster

    def _network(self, shape: Shape) -> Any:
        from tasks.model.residual_network import build

        return build(shape, self.config.units, self.config.embedding, self.config.dropout, attend)

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        return AttentionForecaster.of(super().load(folder, config))  # type: ignore[arg-type]


def attend(days: Any, units: int) -> Any:
    """The state of an LSTM after all days, beside the weeks that it asks for: [row, 2 unit] of [row, day, feature]."""
    from keras import layers, ops

    state = layers.LSTM(units)(days)
    weeks = days[:, :-1]
    keys, values = (layers.Dense(units, use_bias=False)(weeks) for _ in range(2))
    score = ops.sum(keys * ops.expand_dims(layers.Dense(units, use_bias=False)(state), 1), axis=-1) / units**0.5
    weight = layers.Softmax(name=SHOWN)(score)
    return ops.concatenate([state, ops.sum(ops.expand_dims(weight, -1) * values, axis=1)], axis=-1)


def mean_attention(forecaster: AttentionForecaster, features: Features, origins: Minutes) -> list[float]:
    """Mean weight of each week over origins and stations, oldest week first."""
    weights = [forecaster.attention(features.tensors(part)).sum(axis=(0, 1)) for part in chunks(origins, features)]
    total = np.sum(weights, axis=0)
    return [float(weight) for weight in total / total.sum()]
