"""Boosted trees that correct a forecast's hours: what its inputs say together, such as a level that fades by evening.

A row is an hour of a target at a station: count over forecast, weighted by the forecast, with some people on both
sides. That is the likelihood of the count with the log of the forecast as offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tasks.arrays import Float, Int, Minutes
from tasks.model.architectures import ModelConfig
from tasks.model.architectures._linear.inputs import LinearRows
from tasks.model.networks.onnx import OnnxNetwork

PRIOR = np.float32(5)
"""People on both sides of a ratio."""
FEWEST = 50
"""Rows in a leaf, at least."""
IN_TURN = 4
"""Parts of the training days, in turn; the trees of each part are grown on all other days."""
FOLDS = IN_TURN + 1
"""With the validation days, which are a part of their own: what judges there was grown on the days before."""
DAY = np.timedelta64(1440, "m")


class BoostedConfig(ModelConfig):
    """Table `[models.boosted_level]`."""

    trees: int = Field(80, ge=1, le=1000, description="Trees per target, grown once for each part of the days.")
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
        fold: int64 [row], the part of the days.
    """

    inputs: Float
    ratio: Float
    weight: Float
    fold: Int


def tree_inputs(rows: LinearRows, mean: Float, hour: bool = True) -> Float:
    """Inputs of the ridge, weekday and holiday, log people, the hour: float32 [target, origin, station, input].

    Args:
        rows: of some origins.
        mean: the forecast that is corrected, float32 [target, origin, station, step].
        hour: whether `hour_columns` are among them.
    """
    shape = (*rows.features.shape[:-1], rows.days.shape[-1])
    days = np.broadcast_to(rows.days[:, None], shape)
    people = np.log1p(mean.sum(axis=-1, keepdims=True))
    further = [rows.hour] if hour else []
    return np.concatenate([rows.features, days, people, *further], axis=-1, dtype=np.float32)


def day_folds(origins: Minutes, first: np.datetime64, held: np.datetime64) -> Int:
    """Part of the days that each origin belongs to, int64 [origin].

    Args:
        origins: of a fit.
        first: from which the training days are counted.
        held: first origin of the validation days.
    """
    return np.asarray(np.where(origins < held, (origins - first) // DAY % IN_TURN, IN_TURN), np.int64)


def hour_rows(inputs: Float, mean: Float, truth: Float, weights: Sequence[Float], folds: Int) -> list[HourRows]:
    """Rows per target; where nothing was counted, one that leaves the forecast as it is.

    Args:
        inputs: see `tree_inputs`.
        mean: the forecast, float32 [target, origin, station, step].
        truth: counts of the same shape; NaN where not observed.
        weights: per target, float32 [origin, station].
        folds: see `day_folds`.
    """
    seen = np.isfinite(truth)
    people, usual = (np.where(seen, x, 0).sum(axis=-1, dtype=np.float32) + PRIOR for x in (truth, mean))
    ratio, weight = people / usual, np.stack(weights) * usual
    counted = np.asarray(seen.any(axis=-1))
    counted[:, 0, 0] = True  # with the people on both sides it says 1: a target without any count has trees, too
    fold = np.broadcast_to(folds[:, None], counted.shape[1:])
    return [HourRows(inputs[c][at], ratio[c][at], weight[c][at], fold[at]) for c, at in enumerate(counted)]


def grow_trees(codes: Float, rows: HourRows, chosen: npt.NDArray[np.bool_], config: BoostedConfig, seed: int) -> Any:
    """Trees that answer the factor on the forecast, from codes of the inputs, grown on the chosen rows.

    How many there are is not chosen: their weight decides how far they count, see `blend`.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    ratio, weight, seen = rows.ratio[chosen], rows.weight[chosen], codes[chosen]
    seen[:, np.isnan(seen).all(axis=0)] = 0  # scikit-learn cannot cut an input without any value
    model = HistGradientBoostingRegressor(
        loss="poisson",
        learning_rate=config.learning_rate,
        max_iter=config.trees,
        max_leaf_nodes=config.leaves,
        min_samples_leaf=max(round(config.leaf_share * len(ratio)), FEWEST),
        l2_regularization=1.0,
        max_features=config.inputs_share,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(1, "openmp"):  # on a machine with other work its threads spin for longer than they work
        return model.fit(seen, ratio, sample_weight=weight / weight.mean())


def tree_factors(trees: Sequence[OnnxNetwork], inputs: Float) -> Float:
    """Factors on the forecast of each hour, float32 [target, origin, station], of `tree_inputs`."""
    answers = [one({"rows": x.reshape(-1, x.shape[-1])}) for one, x in zip(trees, inputs, strict=True)]
    return np.stack(answers).reshape(inputs.shape[:-1])
