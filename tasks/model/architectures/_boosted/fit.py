"""Fit of the trees on the rows of the ridge, each day's judged by trees that were grown without that day.

So all days decide how far the trees may correct the ridge, and a network that starts from them sees on its training
rows what they answer on days that they do not know (D. H. Wolpert, "Stacked generalization", 1992, for the principle).
The validation days are left out together: a network, which has seen none of them, is weighed against its equals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Features, Split
from tasks.model.architectures._boosted.forecaster import BoostedForecaster, UnseenBoosted
from tasks.model.architectures._boosted.trees import (
    FOLDS,
    BoostedConfig,
    HourRows,
    day_folds,
    grow_trees,
    hour_rows,
    tree_inputs,
)
from tasks.model.architectures._linear.fit import Drawn, LinearConfig, LinearFit, fit_linear, station_parts
from tasks.model.architectures._linear.forecaster import correct
from tasks.model.blend import learn_weights
from tasks.model.networks.onnx import OnnxNetwork
from tasks.model.networks.onnx_trees import Bins, export_trees

HALF = 0.5
"""Weight of the trees before any hour was judged, after a long history."""
ENOUGH = 7.0
"""Days, each counting as its hours do, after which it is half of that: days that judge are neighbours of those that the
trees were grown on, and of a short history they promise more than the days to come hold."""
NO_WEEK = np.float32(0.1)
"""How much an hour counts whose profile has no earlier week in it yet; it grows to 1 with the weeks."""
COMPARED = 1000
"""Rows on which the exported trees are held against those that were grown."""


@dataclass(frozen=True)
class BoostedFit:
    """What a fit brought.

    Attributes:
        for_validation: ridge of the training origins alone, and on each day the trees without that day.
        for_refit: the same with the ridge of the validation origins, too.
        fitted: the forecaster: that ridge, and all trees.
        notes: the weights of the trees.
    """

    for_validation: UnseenBoosted
    for_refit: UnseenBoosted
    fitted: BoostedForecaster
    notes: dict[str, Any]


def fit_boosted(features: Features, split: Split, config: BoostedConfig, seed: int) -> BoostedFit:
    """See the file's head.

    Raises:
        HistoryError: if there are no training or no validation origins, or no training hour has a count.
    """
    linear = fit_linear(features, split, LinearConfig())
    first, held = split.train[0], split.validation[0]
    grown = [grow_folds(of_target, config, seed) for of_target in tree_rows(linear, first, held)]
    trees = tuple(every for every, _ in grown)
    folds = tuple(zip(*(of_target for _, of_target in grown), strict=True))
    unseen = UnseenBoosted(linear.fitted, trees, (1.0,) * len(trees), folds=folds, first=first, held=held)
    powers = _learn_powers(unseen, linear)
    notes = {f"trees_weight_{t}": power for t, power in zip(features.grid.targets, powers, strict=True)}
    return BoostedFit(
        UnseenBoosted(linear.for_validation, trees, powers, folds=folds, first=first, held=held),
        UnseenBoosted(linear.fitted, trees, powers, folds=folds, first=first, held=held),
        BoostedForecaster(linear.fitted, trees, powers, linear.fitted.phi),
        notes,
    )


def tree_rows(linear: LinearFit, first: np.datetime64, held: np.datetime64) -> list[HourRows]:
    """Rows of each target, of training and validation origins; see `count_share`."""
    parts = []
    for drawn, weights in zip(linear.drawn, linear.weights, strict=True):
        mean = correct(drawn.rows, linear.fitted.own)
        inputs = tree_inputs(drawn.rows, mean)
        weighted = [weight * share for weight, share in zip(weights, count_share(drawn.weeks), strict=True)]
        parts.append(hour_rows(inputs, mean, drawn.truth, weighted, day_folds(drawn.origins, first, held)))
    names = ("inputs", "ratio", "weight", "fold")
    return [
        HourRows(*(np.concatenate([getattr(rows, name) for rows in target]) for name in names))
        for target in zip(*parts, strict=True)
    ]


def count_share(weeks: Float) -> Float:
    """How much hours count: the more, the more weeks are in their profile.

    A profile of few days errs in ways of its own, which trees learn by heart: what is forecast has more days in its
    profile than any hour before it, and must not be corrected as the first days of a short history, or of a new
    station, would be.
    """
    return np.asarray((weeks + NO_WEEK) / (weeks + 1), np.float32)


def prior_weight(linear: LinearFit) -> float:
    """Weight of the trees before any hour was judged: none without history, `HALF` after a long one."""
    days = sum(
        len(np.unique(d.origins.astype("datetime64[D]"))) * float(count_share(d.weeks).mean()) for d in linear.drawn
    )
    return HALF * days / (days + ENOUGH)


def grow_folds(rows: HourRows, config: BoostedConfig, seed: int) -> tuple[OnnxNetwork, list[OnnxNetwork]]:
    """The mean of all trees of a target, and those that were grown without the days of each fold."""
    bins = Bins.of(rows.inputs)
    codes = bins.codes(rows.inputs)
    models = []
    for fold in range(FOLDS):
        others = rows.fold != fold
        models.append(grow_trees(codes, rows, others if others.any() else ~others, config, seed + fold))
    shown = rows.inputs[:COMPARED]
    folds = [export_trees([model], config.trees, bins, shown) for model in models]
    return export_trees(models, config.trees, bins, shown), folds


def _learn_powers(unseen: UnseenBoosted, linear: LinearFit) -> tuple[float, ...]:
    """Weights of the trees, by target, from the hours of all days, which they were grown without."""
    sides: list[tuple[Float, ...]] = []
    for drawn, weights in zip(linear.drawn, linear.weights, strict=True):
        stations = drawn.truth.shape[2]
        parts = [_hours(unseen, drawn, linear.fitted.own, at) for at in station_parts(stations)]
        hours = (np.concatenate(part, axis=2) for part in zip(*parts, strict=True))
        each = (x.transpose(1, 2, 0).reshape(-1, len(drawn.truth), 1) for x in hours)
        weight = (np.stack(weights) * count_share(drawn.weeks)).mean(axis=0).ravel()
        sides.append((*each, weight, np.repeat(drawn.origins, stations)))
    output, start, seen, weight, origins = (np.concatenate(part) for part in zip(*sides, strict=True))
    return learn_weights(output[:, None], start, seen, weight, origins, prior_weight(linear))


def _hours(unseen: UnseenBoosted, drawn: Drawn, own: Float, at: slice) -> tuple[Float, Float, Float]:
    """People of the observed steps of each hour by the trees, by the ridge and as counted; -1 where none was."""
    rows, truth = drawn.rows.at(at), drawn.truth[:, :, at]
    mean, seen = correct(rows, own[:, at]), np.isfinite(truth)
    corrected = unseen.correct(rows, mean, drawn.origins)
    of_trees, of_ridge, counted = (np.where(seen, x, np.float32(0)).sum(axis=-1) for x in (corrected, mean, truth))
    return of_trees, of_ridge, np.where(seen.any(axis=-1), counted, np.float32(-1))
