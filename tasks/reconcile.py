"""Coherent forecasts: the network's total is the sum of its stations, in every forecast.

The total has a forecast of its own, which knows the network's day better than the noisy sum of many stations does; the
sum knows what single stations do. Their mean is better than either (E. Hollyman, F. Petropoulos, M. Tipping,
"Understanding forecast reconciliation", EJOR 2021), needs nothing learnt, and leaves nothing negative where stations
take their share by size. Figures: CHANGELOG.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Prediction, Tensors

DIRECT = 0.5
"""Weight of the total's own forecast beside the sum of the stations', where all of its last hour was observed."""
MOST = 2.0
"""A station's forecast changes by a factor of at most so much."""
FEW = 1e-6
"""People an interval below which nothing is scaled."""


def coherent(prediction: Prediction, tensors: Tensors) -> Prediction:
    """The prediction with means that add up to the total's, where the tensors have one; itself where not.

    Stations are scaled by one factor an interval, quantiles along with their means; whole numbers stay whole.

    Args:
        prediction: of all stations of the network and of their total, which comes last.
        tensors: from which it was made.
    """
    if tensors.total is None:
        return prediction
    below = prediction.mean[:, :, :-1].sum(axis=2, dtype=np.float64)
    own = prediction.mean[:, :, -1].astype(np.float64)
    wanted = below + DIRECT * observed_share(tensors)[..., None] * (own - below)
    factor = np.divide(wanted, below, out=np.ones_like(below), where=below > FEW).clip(1 / MOST, MOST)
    mean, quantiles = prediction.mean.copy(), prediction.quantiles.copy()
    mean[:, :, :-1] *= factor[:, :, None].astype(np.float32)
    mean[:, :, -1] = mean[:, :, :-1].sum(axis=2, dtype=np.float64)
    ratio = np.divide(mean[:, :, -1], own, out=np.ones_like(own), where=own > FEW)
    quantiles[:, :, :, :-1] = scaled(quantiles[:, :, :, :-1], factor[:, :, None])
    quantiles[:, :, :, -1] = scaled(quantiles[:, :, :, -1], ratio)
    return replace(prediction, mean=mean, quantiles=quantiles)


def observed_share(tensors: Tensors) -> Float:
    """Share of the last hour before each origin in which the total was observed, float32 [target, origin]."""
    last = tensors.recent[:, :, -1, -tensors.horizon :]
    return np.asarray(np.isfinite(last).mean(axis=-1), np.float32)


def scaled(quantiles: Float, factor: np.ndarray) -> Float:  # type: ignore[type-arg]
    """Quantiles of counts whose mean changes by a factor: whole numbers, each as far from one as it was before.

    Args:
        quantiles: float32 [quantile, ...], non-decreasing.
        factor: broadcast to [...].
    """
    whole = np.round(quantiles)
    return np.asarray(np.maximum(np.sort(np.round(whole * factor) + (quantiles - whole), axis=0), 0), np.float32)
