"""Counts of stations as scaled series: scales from training hours alone, gaps filled from the profile."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, Tensors
from tasks.model.origin_chunks import chunks

SeriesScales = dict[str, dict[str, tuple[float, float]]]
"""Target -> station -> least and largest count of the training hours."""


def read_scales(config: dict[str, Any]) -> SeriesScales:
    """The scales that an export wrote as `scales`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: if there are none.
    """
    held = config["scales"].items()
    return {target: {s: (float(low), float(high)) for s, (low, high) in row.items()} for target, row in held}


class RecentSeries(NamedTuple):
    """The recent steps of every origin.

    Attributes:
        values: float32 [O, S, R, C], scaled to 0..1.
        low, span: float32 [C, 1, S, 1]: values are (counts - low) / span.
        known: bool [C, O, S], whether there is a scale, and a count or a profile to start from.
        seen: float32 [C, O, S], share of the steps observed.
    """

    values: Float
    low: Float
    span: Float
    known: npt.NDArray[np.bool_]
    seen: Float


def training_scales(features: Features, origins: Minutes) -> SeriesScales:
    """Least and largest count of each target and station over the training hours; those never observed are absent."""
    ends: list[Float] = []
    for part in chunks(origins, features):
        truth = features.truth(part)
        seen = np.isfinite(truth)
        ends.append(np.stack([np.where(seen, truth, np.inf).min((1, 3)), np.where(seen, truth, -np.inf).max((1, 3))]))
    if not ends:
        return {}
    low, high = np.min([e[0] for e in ends], axis=0), np.max([e[1] for e in ends], axis=0)
    grid = features.grid
    return {
        target: {s: (float(low[c, i]), float(high[c, i])) for i, s in enumerate(grid.stations) if low[c, i] < np.inf}
        for c, target in enumerate(grid.targets)
    }


def recent_series(tensors: Tensors, scales: SeriesScales, window: int) -> RecentSeries:
    """The last `window` recent steps; a gap holds the profile at today's level, else the mean of what was observed."""
    recent = tensors.recent[..., -window:]
    steps = tensors.recent.shape[-1]
    usual = tensors.profile[..., steps - window : steps] * tensors.level[..., None]
    seen = np.isfinite(recent)
    count = seen.sum(axis=-1, keepdims=True)
    mean = np.where(seen, recent, 0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    filled = np.where(seen, recent, np.where(np.isfinite(usual), usual, mean))
    low, high = _ends(tensors, scales)
    known = ((count[..., 0] > 0) | np.isfinite(usual).any(axis=-1)) & np.isfinite(high[..., 0])
    low, span = np.nan_to_num(low, nan=0.0), np.maximum(np.nan_to_num(high - low, nan=1.0), np.float32(1))
    values = ((filled - low) / span).transpose(1, 2, 3, 0).astype(np.float32)
    return RecentSeries(values, low, span, known, seen.mean(axis=-1, dtype=np.float32))


def _ends(tensors: Tensors, scales: SeriesScales) -> tuple[Float, Float]:
    """Least and largest count of every series, float32 [C, 1, S, 1]; NaN without a scale."""
    none = (np.nan, np.nan)
    pairs = [[scales.get(t, {}).get(s, none) for s in tensors.stations] for t in tensors.targets]
    ends = np.array(pairs, np.float32).reshape(len(tensors.targets), 1, len(tensors.stations), 1, 2)
    return ends[..., 0], ends[..., 1]
