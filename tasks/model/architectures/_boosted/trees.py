"""Boosted trees that correct a forecast's hours: what its inputs say together, such as a level that fades by evening.

A row is an hour of a target at a station: count over forecast, weighted by the forecast, with some people on both
sides. That is the likelihood of the count with the log of the forecast as offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from tasks.arrays import Float
from tasks.model.architectures import ModelConfig
from tasks.model.architectures._linear.inputs import LinearRows
from tasks.model.networks.onnx import OnnxNetwork
from tasks.model.networks.onnx_trees import Bins, export_trees

PRIOR = np.float32(5)
"""People on both sides of a ratio."""
FEWEST = 50
"""Rows in a leaf, at least."""
COMPARED = 1000
"""Rows on which the exported trees are held against those that were grown."""


class BoostedConfig(ModelConfig):
    """Table `[models.boosted_level]`."""

    trees: int = Field(80, ge=1, le=1000, description="Trees per target.")
    leaves: int = Field(15, ge=2, le=256, description="Leaves of a tree, at most.")
    learning_rate: float = Field(0.05, gt=0, le=1, description="Share of a tree's correction that is taken.")
    leaf_share: float = Field(0.01, gt=0, lt=0.5, description="Share of all rows in a leaf, at least.")
    inputs_share: float = Field(0.3, gt=0, le=1, description="Share of the inputs that a split may choose from.")


@dataclass(frozen=True)
class HourRows:
    """Hours of one target that have a count.

    Attributes:
        inputs: float32 [row, input].
        ratio: float32 [row], count over forecast.
        weight: float32 [row].
    """

    inputs: Float
    ratio: Float
    weight: Float


def tree_inputs(rows: LinearRows, mean: Float) -> Float:
    """Inputs of the ridge, weekday and holiday, and the hour's log forecast: float32 [target, origin, station, input].

    Args:
        rows: of some origins.
        mean: the forecast that is corrected, float32 [target, origin, station, step].
    """
    shape = (*rows.features.shape[:-1], rows.days.shape[-1])
    days = np.broadcast_to(rows.days[:, None], shape)
    people = np.log1p(mean.sum(axis=-1, keepdims=True))
    return np.concatenate([rows.features, days, people], axis=-1, dtype=np.float32)


def hour_rows(rows: LinearRows, mean: Float, truth: Float, weights: Sequence[Float]) -> list[HourRows]:
    """Rows per target; where nothing was counted, one that leaves the forecast as it is.

    Args:
        rows: of some origins.
        mean: the forecast, float32 [target, origin, station, step].
        truth: counts of the same shape; NaN where not observed.
        weights: per target, float32 [origin, station].
    """
    inputs, seen = tree_inputs(rows, mean), np.isfinite(truth)
    people, usual = (np.where(seen, x, 0).sum(axis=-1, dtype=np.float32) + PRIOR for x in (truth, mean))
    ratio, weight = people / usual, np.stack(weights) * usual
    counted = np.asarray(seen.any(axis=-1))
    counted[:, 0, 0] = True  # with the people on both sides it says 1: a target without any count has trees, too
    return [HourRows(inputs[c][at], ratio[c][at], weight[c][at]) for c, at in enumerate(counted)]


def grow_trees(rows: HourRows, config: BoostedConfig, seed: int) -> OnnxNetwork:
    """Trees that answer the factor on the forecast: input `rows` float32 [row, input], output float32 [row, 1].

    How many there are is not chosen on the validation days: those weigh the trees as a whole, see `blend`.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    bins = Bins.of(rows.inputs)
    model = HistGradientBoostingRegressor(
        loss="poisson",
        learning_rate=config.learning_rate,
        max_iter=config.trees,
        max_leaf_nodes=config.leaves,
        min_samples_leaf=max(round(config.leaf_share * len(rows.ratio)), FEWEST),
        l2_regularization=1.0,
        max_features=config.inputs_share,
        early_stopping=False,
        random_state=seed,
    )
    model.fit(bins.codes(rows.inputs), rows.ratio, sample_weight=rows.weight / rows.weight.mean())
    return export_trees(model, config.trees, bins, rows.inputs[:COMPARED])


def tree_factors(trees: Sequence[OnnxNetwork], rows: LinearRows, mean: Float) -> Float:
    """Factors on the forecast of each hour, float32 [target, origin, station]; see `tree_inputs`."""
    inputs = tree_inputs(rows, mean)
    answers = [one({"rows": x.reshape(-1, x.shape[-1])}) for one, x in zip(trees, inputs, strict=True)]
    return np.stack(answers).reshape(inputs.shape[:-1])
