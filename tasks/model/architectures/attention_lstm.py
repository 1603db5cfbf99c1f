"""The default network with attention over the weeks: the state after today asks each earlier week by itself.

The weights are the softmax of a scaled dot product (A. Vaswani et al., "Attention Is All You Need", 2017) over the
weeks of which anything was observed. They are the second output of the bundle's network, and their mean by week is
noted at every fit. Trained with keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, FitLog, Forecaster, Split, Tensors
from tasks.model.architectures._next_hour.forecaster import NextHourForecaster
from tasks.model.architectures._next_hour.inputs import seen_columns
from tasks.model.architectures.next_hour_lstm import NextHourConfig, NextHourLstm
from tasks.model.networks.onnx import SHOWN
from tasks.model.origin_chunks import chunks
from tasks.model.uncertainty.spread import pick_evenly

if TYPE_CHECKING:
    from tasks.model.architectures._next_hour.network import Shape

NEVER = 1e9
"""Taken from the score of a week that is not there."""
LOOKED_AT = 96
"""Validation origins from which the mean attention is computed, at most."""


class AttentionConfig(NextHourConfig):
    """Table `[models.attention_lstm]`: as `[models.next_hour_lstm]`."""


@dataclass
class AttentionForecaster(NextHourForecaster):
    """A fitted network whose second output is its attention."""

    name: str = "attention_lstm"

    @classmethod
    def of(cls, forecaster: NextHourForecaster) -> AttentionForecaster:
        """The same, with attention to show."""
        return cls(**(vars(forecaster) | {"name": cls.name}))

    def attention(self, tensors: Tensors) -> Float:
        """How much each week counts, float32 [origin, station, week], oldest week first.

        A week of which nothing was observed counts 0; the others sum to 1, where there are any.

        Raises:
            ModelError: if the tensors have other targets, weeks or steps than it was trained on, or lack a channel.
        """
        self._check(tensors)
        windows = self.prepare(tensors)
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
        log.notes["attention"] = mean_attention(forecaster, features, pick_evenly(split.validation, LOOKED_AT))
        return forecaster

    def _network(self, shape: Shape, features: Features) -> Any:
        from tasks.model.architectures._next_hour.network import build_network

        columns = seen_columns(features.tensors(features.grid.minutes[-1:]), self.config.inputs)
        pool = partial(attend, seen=columns)
        return build_network(shape, self.config.units, self.config.embedding, self.config.dropout, pool)

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        return AttentionForecaster.of(super().load(folder, config))  # type: ignore[arg-type]


def attend(days: Any, weeks: Any, units: int, seen: slice) -> Any:
    """The state of an LSTM after all days, beside the weeks that it asks for: [row, 2 unit].

    Args:
        days: as the network reads them, [row, day, unit], today last.
        weeks: as they came, [row, day, feature].
        units: of the state.
        seen: features that are all 0 for a day of which nothing was observed: such a week is never asked for.
    """
    from keras import layers, ops

    state = layers.LSTM(units)(days)
    past = days[:, :-1]
    keys, values = (layers.Dense(units, use_bias=False)(past) for _ in range(2))
    score = ops.sum(keys * ops.expand_dims(layers.Dense(units, use_bias=False)(state), 1), axis=-1) / units**0.5
    there = ops.cast(ops.sum(weeks[:, :-1, seen], axis=-1) > 0, score.dtype)
    asked = ops.softmax(score - NEVER * (1 - there), axis=-1)
    weight = layers.Multiply(name=SHOWN)([asked, there])
    return ops.concatenate([state, ops.sum(ops.expand_dims(weight, -1) * values, axis=1)], axis=-1)


def mean_attention(forecaster: AttentionForecaster, features: Features, origins: Minutes) -> list[float]:
    """Mean weight of each week over origins and stations, oldest week first."""
    weights = [forecaster.attention(features.tensors(part)).sum(axis=(0, 1)) for part in chunks(origins, features)]
    total = np.sum(weights, axis=0)
    return [float(weight) for weight in total / max(total.sum(), 1e-9)]


ARCHITECTURE = AttentionLstm
