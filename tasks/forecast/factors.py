"""Split a forecast into factors that people understand: an ordinary day, today, the channels, the model."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float
from tasks.base_forecast import usual_people
from tasks.contracts import Tensors
from tasks.tables.forecasts import Factors

FEW = np.float32(1e-4)
"""People per interval that are usual at least: where nobody ever came, a model may still expect somebody."""


def split_mean(mean: Float, tensors: Tensors, without_channels: Float | None = None) -> Factors:
    """The factors whose product is the mean, to rounding.

    Args:
        mean: float32 [C, O, S, H], as published, nobody's override in it.
        tensors: from which it was made.
        without_channels: the same model's mean where the extra channels are unknown; None where it takes none.
    """
    usual = np.maximum(usual_people(tensors), FEW)
    known = np.isfinite(usual)
    level = np.where(tensors.level > 0, tensors.level, np.float32(1))[..., None]
    channels = np.ones_like(mean) if without_channels is None else _ratio(mean, without_channels)
    base = usual.astype(np.float64) * level * channels
    return Factors(
        usual=usual,
        level=np.where(known, level, np.float32(np.nan)),
        channels=np.where(known, channels, np.float32(np.nan)),
        model=np.asarray(mean / base, np.float32),
        override=np.where(known, np.float32(1), np.float32(np.nan)),
    )


def _ratio(mean: Float, without: Float) -> Float:
    """Mean over mean; 1 where either is so small that the model's factor may have it all."""
    return np.divide(mean, without, out=np.ones_like(mean), where=(mean > FEW) & (without > FEW))
