"""Fit of the trees on the rows of the ridge; how far they may correct it is what the validation days decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Features, Split
from tasks.model.architectures._boosted.forecaster import BoostedForecaster
from tasks.model.architectures._boosted.trees import BoostedConfig, HourRows, grow_trees, hour_rows, tree_factors
from tasks.model.architectures._linear.fit import Drawn, LinearConfig, fit_linear
from tasks.model.architectures._linear.forecaster import LinearForecaster, correct
from tasks.model.blend import learn_weights
from tasks.model.networks.onnx import OnnxNetwork

HALF = 0.5
"""Weight of the trees before any hour was held out."""


@dataclass(frozen=True)
class BoostedFit:
    """What a fit brought.

    Attributes:
        for_validation: fitted on the training origins alone; for comparisons on validation days.
        fitted: the forecaster, fitted on the validation origins, too.
        notes: the weights of the trees.
    """

    for_validation: BoostedForecaster
    fitted: BoostedForecaster
    notes: dict[str, Any]


def fit_boosted(features: Features, split: Split, config: BoostedConfig, seed: int) -> BoostedFit:
    """See the file's head.

    Raises:
        HistoryError: if there are no training or no validation origins, or no training hour has a count.
    """
    linear = fit_linear(features, split, LinearConfig())
    trees = _grow(_rows(linear.for_validation, linear.drawn[:1], linear.weights[:1]), config, seed)
    powers = _learn_powers(linear.for_validation, trees, linear.drawn[1], linear.weights[1])
    both = _grow(_rows(linear.fitted, linear.drawn, linear.weights), config, seed)
    notes = {f"trees_weight_{t}": power for t, power in zip(features.grid.targets, powers, strict=True)}
    return BoostedFit(
        BoostedForecaster(linear.for_validation, trees, powers),
        BoostedForecaster(linear.fitted, both, powers, linear.fitted.phi),
        notes,
    )


def _rows(ridge: LinearForecaster, drawn: Sequence[Drawn], weights: Sequence[Sequence[Float]]) -> list[HourRows]:
    """Rows of each target, of all that was drawn."""
    parts = [
        hour_rows(part.rows, correct(part.rows, ridge.own), part.truth, of_part)
        for part, of_part in zip(drawn, weights, strict=True)
    ]
    return [
        HourRows(*(np.concatenate([getattr(rows, name) for rows in target]) for name in ("inputs", "ratio", "weight")))
        for target in zip(*parts, strict=True)
    ]


def _grow(rows: list[HourRows], config: BoostedConfig, seed: int) -> tuple[OnnxNetwork, ...]:
    return tuple(grow_trees(of_target, config, seed) for of_target in rows)


def _learn_powers(
    ridge: LinearForecaster, trees: Sequence[OnnxNetwork], held: Drawn, weights: Sequence[Float]
) -> tuple[float, ...]:
    """Weights of the trees, by target, from hours that neither they nor the ridge were fitted on."""
    mean = correct(held.rows, ridge.own)
    targets, _, stations, steps = mean.shape
    corrected = mean * tree_factors(trees, held.rows, mean)[..., None]
    truth = np.where(np.isfinite(held.truth), held.truth, np.float32(-1))
    output, start, seen = (x.transpose(1, 2, 0, 3).reshape(-1, targets, steps) for x in (corrected, mean, truth))
    weight = np.stack(weights).mean(axis=0).ravel()
    return learn_weights(output[:, None], start, seen, weight, np.repeat(held.origins, stations), HALF)
