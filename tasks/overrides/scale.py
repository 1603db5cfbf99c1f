"""Scale a prediction by the overrides in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Prediction
from tasks.overrides.entry import LEAST_FACTOR, MOST_FACTOR, Override
from tasks.total import Bools, scale_quantiles

FEW = 1e-6
"""People per interval of which no share is taken."""


def override_factors(
    overrides: Sequence[Override], stations: Sequence[str], targets: Sequence[str], minutes: Minutes
) -> Float:
    """Factor per target, station and minute, float32 [C, S, M]; several at once multiply, within the bounds of one."""
    factors = np.ones((len(targets), len(stations), len(minutes)), np.float32)
    for each in overrides:
        rows = np.isin(np.array(stations, dtype=object), each.stations)
        columns = np.array([each.target in (None, target) for target in targets])
        when = (minutes >= each.start) & (minutes < each.end)
        factors[np.ix_(columns, rows, when)] *= np.float32(each.factor)
    return np.clip(factors, np.float32(LEAST_FACTOR), np.float32(MOST_FACTOR))


def scale(prediction: Prediction, factors: Float, among: Bools | None = None) -> tuple[Prediction, Float]:
    """The prediction scaled, and the factors, [C, 1, S, H], with those of the network's total.

    Quantiles scale with their means: whole numbers stay whole. The total is what its open stations add up to.

    Args:
        prediction: of one origin, mean [C, 1, S, H].
        factors: float32 [C, S, H].
        among: stations that make up the total, which is then the last one, see `open_stations`; None without a total.
    """
    factors = factors[:, None].copy()
    if among is not None:
        below = np.where(among[..., None], prediction.mean[:, :, :-1], 0).astype(np.float64)
        before, after = below.sum(axis=2), (below * factors[:, :, :-1]).sum(axis=2)
        factors[:, :, -1] = np.divide(after, before, out=np.ones_like(before), where=before > FEW)
    changed = replace(
        prediction,
        mean=prediction.mean * factors,
        quantiles=scale_quantiles(prediction.quantiles, factors),
    )
    return changed, factors


def describe(overrides: Sequence[Override]) -> list[dict[str, Any]]:
    """The overrides for a summary: JSON-able."""
    return [
        {
            "id": each.override_id,
            "scope": each.scope,
            "stations": list(each.stations),
            "target": each.target,
            "factor": each.factor,
            "from": each.to_json()["start"],
            "to": each.to_json()["end"],
            "who": each.who,
            "why": each.why,
        }
        for each in overrides
    ]
