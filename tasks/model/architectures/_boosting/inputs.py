"""Inputs of the boosted trees: one row per bin of the hour, with the base forecast that they correct."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from tasks.arrays import Float
from tasks.base_forecast import profile_times_level
from tasks.contracts import Tensors
from tasks.model.bins import bin_means, bin_sums, divisor
from tasks.model.channel_inputs import select_channels

WINDOWS = (5, 15, 30, 60, 120)
"""Minutes before the hour over which today is held against its profile."""
NAMED_WEEKS = 4


class RowSettings(BaseModel):
    """How tensors become rows; kept in the bundle, for serving must do as training did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bin_minutes: int = Field(5, ge=1, le=60, description="Minutes of the hour that share one row.")
    level_minutes: int = Field(60, ge=5, le=720, description="Minutes before the hour that set the level.")
    level_prior: float = Field(10.0, gt=0, description="People added to observed and expected of a level.")
    count_prior: float = Field(2.0, gt=0, description="People added to both sides of a lag's ratio.")


@dataclass(frozen=True)
class BoostingRows:
    """Rows of all origins, stations, targets and bins, in this order.

    Attributes:
        features: float32 [origin, station, target, bin, feature]; NaN where a lag is not there.
        base: float32 [target, origin, station, step], >= 0: the forecast that the trees multiply.
        size: steps per bin.
    """

    features: Float
    base: Float
    size: int


def boosting_rows(
    tensors: Tensors, sizes: dict[str, dict[str, float]], settings: RowSettings, channels: tuple[str, ...] = ()
) -> BoostingRows:
    """Rows of tensors.

    Args:
        tensors: of all stations of the network, as each row holds levels of the whole network.
        sizes: people per minute of training by target and station; stations without one get NaN.
        settings: bins and priors.
        channels: the extra channels that are taken.

    Raises:
        ModelError: if the tensors lack one of these channels.
    """
    tensors = replace(tensors, level=_level(tensors, settings.level_minutes, settings.level_prior))
    base = profile_times_level(tensors)
    size = divisor(tensors.horizon, settings.bin_minutes // tensors.interval)
    by_bin = bin_sums(base, size)
    columns = [
        *_today(tensors, settings.level_prior),
        *_shape(by_bin, settings.count_prior),
        *_weeks(tensors, size, settings.count_prior),
        *_calendar(tensors, size),
        _sizes(tensors, sizes),
        np.arange(len(tensors.targets), dtype=np.float32)[:, None, None, None],
        *(_channels(tensors, size, settings.level_minutes, channels) if channels else ()),
    ]
    shape = by_bin.shape
    out = np.empty((shape[1], shape[2], shape[0], shape[3], len(columns)), np.float32)
    for i, column in enumerate(columns):
        out[..., i] = np.broadcast_to(column, shape).transpose(1, 2, 0, 3)
    return BoostingRows(out, base, size)


def _level(tensors: Tensors, minutes: int, prior: float) -> Float:
    """Level of the last minutes before the hour, float32 [C, O, S]."""
    people, expected = _recent(tensors, minutes)
    return np.asarray((people + prior) / (expected + prior), np.float32)


def _recent(tensors: Tensors, minutes: int) -> tuple[Float, Float]:
    """People and expectation of the last minutes before the hour, [C, O, S], where both are known."""
    steps = tensors.recent.shape[-1]
    at = slice(steps - min(max(minutes // tensors.interval, 1), steps), steps)
    counts, profile = tensors.recent[..., at], tensors.profile[..., at]
    both = ~(np.isnan(counts) | np.isnan(profile))
    return tuple(np.where(both, x, np.float32(0)).sum(axis=-1) for x in (counts, profile))  # type: ignore[return-value]


def _today(tensors: Tensors, prior: float) -> list[Float]:
    """Log of observed over expected by window: of the station, the network, the station's other targets."""
    columns = [np.isfinite(tensors.recent).mean(axis=-1, dtype=np.float32)]
    for minutes in WINDOWS:
        people, expected = _recent(tensors, minutes)
        both = people, expected
        network = (x[:, :, tensors.parts].sum(axis=2, keepdims=True) for x in both)
        for sums in (both, network, (x.sum(axis=0, keepdims=True) for x in both)):
            over, under = (np.broadcast_to(x, people.shape) + np.float32(prior) for x in sums)
            columns.append(np.log(over / under))
    return [column[..., None] for column in columns]


def _shape(by_bin: Float, prior: float) -> list[Float]:
    """Log size of bin and hour, and the bin against the hour's mean."""
    mean = by_bin.mean(axis=-1, keepdims=True)
    return [np.log1p(by_bin), np.log1p(mean), np.log((by_bin + prior) / (mean + prior))]


def _weeks(tensors: Tensors, size: int, prior: float) -> list[Float]:
    """Log of each newest week's bin over the profile; mean, spread and number of all weeks; the same without levels."""
    horizon = tensors.horizon
    profile = bin_sums(tensors.profile[..., -horizon:], size)
    ratio = np.log((bin_sums(tensors.lags[..., -horizon:], size) + prior) / (profile + prior))
    before = np.where(np.isnan(tensors.lags[..., :-horizon]), 0, tensors.lags[..., :-horizon]).sum(axis=-1)
    usual = np.nan_to_num(tensors.profile[..., :-horizon], nan=0.0).sum(axis=-1)
    own = ratio - np.log((before + prior) / (usual + prior))[..., None]
    seen = np.isfinite(ratio)
    count = seen.sum(axis=0)
    mean, residual = (_mean(x, seen, count) for x in (ratio, own))
    spread = np.sqrt(_mean((ratio - mean) ** 2, seen, count))
    newest = [ratio[k] if k < len(ratio) else np.full_like(mean, np.nan) for k in range(NAMED_WEEKS)]
    return [*newest, mean, spread, residual, own[0], count.astype(np.float32)]


def _mean(values: Float, seen: npt.NDArray[np.bool_], count: npt.NDArray[np.int64]) -> Float:
    total = np.where(seen, values, np.float32(0)).sum(axis=0)
    mean = np.full(total.shape, np.nan, np.float32)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _calendar(tensors: Tensors, size: int) -> list[Float]:
    """Clock, weekday and holiday at the start of each bin, and minutes ahead: [O, 1, B] each."""
    at = tensors.calendar[:, ::size]
    ahead = np.broadcast_to(np.arange(at.shape[1], dtype=np.float32) * size * tensors.interval, at.shape[:2])
    columns = [*np.moveaxis(at[..., :4], -1, 0), at[..., 4:11].argmax(axis=-1).astype(np.float32), at[..., 11], ahead]
    return [column[:, None] for column in columns]


def _channels(tensors: Tensors, size: int, minutes: int, names: tuple[str, ...]) -> list[Float]:
    """Of each channel its value, and how far that is from its lag days': in the bin and before the hour, [O, S, B]."""
    values, usual = select_channels(tensors, names)
    recent = slice(
        -tensors.horizon - min(max(minutes // tensors.interval, 1), tensors.recent.shape[-1]), -tensors.horizon
    )
    columns = []
    for part in (values, values - usual):
        ahead = bin_means(part[..., -tensors.horizon :], size)[0]
        before = bin_means(part[..., recent], recent.stop - recent.start)[0]
        columns += [*ahead, *np.broadcast_to(before, ahead.shape)]
    return columns


def _sizes(tensors: Tensors, sizes: dict[str, dict[str, float]]) -> Float:
    """Log of the people per minute of training, [C, 1, S, 1]."""
    rows = [[sizes.get(t, {}).get(s, np.nan) for s in tensors.stations] for t in tensors.targets]
    people = np.array(rows, np.float32).reshape(len(tensors.targets), 1, len(tensors.stations), 1)
    return np.asarray(np.log1p(people))
