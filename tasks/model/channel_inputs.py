"""Extra channels as models see them: in the scale of the training, by bins of the hour and of what lies before it.

A model takes the channels that it was trained with, by name. What is not known is masked, never zero in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, Tensors
from tasks.errors import ModelError
from tasks.model.bins import bin_means, divisor
from tasks.model.origin_chunks import chunks
from tasks.model.uncertainty.spread import pick_evenly

ChannelScales = dict[str, tuple[float, float]]
"""Channel -> mean and standard deviation of what was known of the training hours; JSON-able."""
ENOUGH = 400
"""Training origins from which the scales are computed, at most."""
HOUR_MINUTES, RECENT_MINUTES = 15, 30
"""Width of the bins of the hour ahead and of the minutes before it."""
FAR = 4.0
"""Deviations beyond which a value is cut."""
CONSTANT = 1e-6
"""Relative deviation below which a channel counts as constant, and is not scaled."""


def select_channels(tensors: Tensors, names: Iterable[str]) -> Float:
    """Values and weekly means of some channels, float32 [2, N, O, S, R+H], by name; others are left alone.

    Raises:
        ModelError: if the tensors lack one.
    """
    wanted = sorted(names)
    if tensors.channels is None or not set(wanted) <= set(tensors.channel_names):
        raise ModelError(
            f"the model was trained on channels {', '.join(wanted)}, the configuration gives "
            f"{', '.join(tensors.channel_names) or 'none'}: run nexthour retrain"
        )
    return tensors.channels[:, [tensors.channel_names.index(name) for name in wanted]]


def names_of(features: Features) -> tuple[str, ...]:
    """Names of the extra channels that there are, in the order in which models take them."""
    return tuple(sorted(channel.name for channel in features.extra))


def learn_scales(features: Features, origins: Minutes) -> ChannelScales:
    """Scales of every channel over the hours after evenly chosen ones of these origins."""
    sums = np.zeros((3, len(features.extra)))
    for part in chunks(pick_evenly(origins, ENOUGH), features) if features.extra else ():
        tensors = features.tensors(part)
        assert tensors.channels is not None
        hour = tensors.channels[0, ..., -tensors.horizon :].astype(np.float64)
        seen = np.isfinite(hour)
        sums += [np.where(seen, hour**power, 0).sum(axis=(1, 2, 3)) for power in range(3)]
    count, mean = np.maximum(sums[0], 1), sums[1] / np.maximum(sums[0], 1)
    spread = np.sqrt(np.maximum(sums[2] / count - mean**2, 0))
    spread[spread < CONSTANT * np.maximum(np.abs(mean), 1)] = 1
    names = (channel.name for channel in features.extra)
    return {name: (float(m), float(d)) for name, m, d in zip(names, mean, spread, strict=True)}


def channel_features(tensors: Tensors, scales: ChannelScales) -> Float:
    """Channels of each row in their scales, float32 [O, S, F].

    For each channel, by name, its value and how far that is from what its weekly lags had: means over the bins of the
    hour and the share of steps behind them, then those of the minutes before; zero where nothing is known.

    Raises:
        ModelError: if the tensors lack a channel.
    """
    if not scales:
        return np.zeros((*tensors.level.shape[1:], 0), np.float32)
    values, usual = select_channels(tensors, scales)
    mean, spread = np.array([scales[name] for name in sorted(scales)], np.float32).T[..., None, None, None]
    columns = []
    for part in ((values - mean) / spread, (values - usual) / spread):
        for binned, share in _bins(np.clip(part, -FAR, FAR), tensors):
            columns += [np.nan_to_num(binned, nan=0.0), share]
    joined = np.concatenate(columns, axis=-1).transpose(1, 2, 0, 3)
    return np.ascontiguousarray(joined.reshape(*joined.shape[:2], -1), dtype=np.float32)


def mask_channels(tensors: Tensors, share: float, rng: np.random.Generator) -> Tensors:
    """Mask some channels at some origins, as where a file is missing."""
    if tensors.channels is None or not share:
        return tensors
    masked = rng.random(tensors.channels.shape[1:3]) < share
    return replace(tensors, channels=np.where(masked[:, :, None, None], np.float32(np.nan), tensors.channels))


def _bins(values: Float, tensors: Tensors) -> list[tuple[Float, Float]]:
    """Means and shares of the bins of the hour, and of the minutes before it."""
    at = values.shape[-1] - tensors.horizon
    size = divisor(tensors.horizon, HOUR_MINUTES // tensors.interval)
    before = max(min(RECENT_MINUTES // tensors.interval, at), 1)
    return [bin_means(values[..., at:], size), bin_means(values[..., :at], before)]
