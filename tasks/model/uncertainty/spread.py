"""The spread of counts around a mean, by target and station: learnt once, kept in the bundle, turned into quantiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, Prediction, Tensors
from tasks.errors import ModelError
from tasks.model.origin_chunks import chunks
from tasks.model.uncertainty.counts import DispersionSums, count_quantiles

Spread = dict[str, dict[str, float]]
"""Target -> station -> variance over mean; 1 (Poisson) where none was learnt."""
Mean = Callable[[Tensors], Float]
"""Expected counts of tensors, float32 [target, origin, station, step], >= 0."""


def with_quantiles(mean: Float, spread: Spread, tensors: Tensors) -> Prediction:
    """The mean with quantiles of counts that spread so."""
    known = [[spread.get(t, {}).get(s, 1.0) for s in tensors.stations] for t in tensors.targets]
    phi = np.array(known, np.float32).reshape(len(tensors.targets), 1, len(tensors.stations), 1)
    return Prediction(mean, count_quantiles(mean, phi))


def learn_spread(mean: Mean, features: Features, origins: Minutes, prior: float = 50.0) -> Spread:
    """How counts at these origins spread around their means; `prior` people pull towards Poisson."""
    sums = DispersionSums()
    for part in chunks(origins, features):
        sums.add(features.truth(part), mean(features.tensors(part)))
    rows = zip(features.grid.targets, sums.dispersion(prior).tolist(), strict=True)
    return {target: dict(zip(features.grid.stations, row, strict=True)) for target, row in rows}


def read_spread(config: dict[str, Any], where: str) -> Spread:
    """The spread that an export wrote as `phi`.

    Raises:
        ModelError: if there is none.
    """
    phi = config.get("phi")
    if not isinstance(phi, dict):
        raise ModelError(f"{where} has no phi: retrain it")
    return phi


def pick_evenly(origins: Minutes, most: int) -> Minutes:
    """At most `most` of the origins, evenly chosen."""
    return origins[:: -(-len(origins) // most) or 1]
