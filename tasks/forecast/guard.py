"""Model fallback: the first usable model of a ladder answers, and the reasons against the others are kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.arrays import QUANTILES, Float
from tasks.contracts import Forecaster, Grid, Prediction, Tensors
from tasks.errors import HistoryError, ModelError, StoreError
from tasks.total import coherent

log = logging.getLogger(__name__)

Ladder = Sequence[tuple[str, Callable[[], Forecaster]]]

STALE_MINUTES = 60
"""Data whose newest minute is older than this is called stale."""
ABSURD_FACTOR = 20.0
"""A forecast may be at most this many times the historical maximum."""
NEGATIVE_SLACK = 1e-3
"""Rounding below zero that is clipped and not rejected, people."""
UNUSABLE = (
    *(ModelError, HistoryError, StoreError),
    *(OSError, ImportError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError),
)
"""Errors that reject a rung. Its own bugs are among them, because a forecast is always published."""


@dataclass(frozen=True)
class RejectedRung:
    """A rung that failed or answered implausibly.

    Attributes:
        rung: its name in the ladder.
        reason: in a few words, for `degraded_reason`.
        detail: in full, for the log and the event.
    """

    rung: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Answer:
    """The prediction of the first rung that could be trusted.

    Attributes:
        rung, model_version: who answered.
        prediction: mean [C, O, S, H] and quantiles [Q, C, O, S, H], none negative, none crossing; coherent.
        rejected: the rungs above it, each of which failed.
        without_channels: its mean where the extra channels are unknown; None where nothing of them is known.
    """

    rung: str
    model_version: str
    prediction: Prediction
    rejected: tuple[RejectedRung, ...]
    without_channels: Float | None = None


def first_usable(ladder: Ladder, tensors: Tensors, absurd_factor: float = ABSURD_FACTOR) -> Answer:
    """The answer of the first rung that answers plausibly.

    Raises:
        ModelError: if none does.
    """
    rejected: list[RejectedRung] = []
    for rung, load in ladder:
        try:
            forecaster = load()
            prediction = forecaster.predict(tensors)
        except UNUSABLE as error:
            rejected.append(RejectedRung(rung, f"no {rung}", f"{type(error).__name__}: {error}"))
        else:
            fault = find_fault(prediction, tensors, absurd_factor)
            if fault is None:
                answer = coherent(clip_and_sort(prediction), tensors)
                without = _mean_without_channels(forecaster, tensors)
                return Answer(rung, forecaster.name, answer, tuple(rejected), without)
            rejected.append(RejectedRung(rung, f"{rung} implausible", fault))
        log.warning("rung %s did not answer: %s", rung, rejected[-1].detail)
    details = "; ".join(f"{each.rung}: {each.detail}" for each in rejected) or "the ladder is empty"
    raise ModelError(f"no model could forecast {tensors.origins[0]}Z ({details}): run `nexthour retrain`")


def _mean_without_channels(forecaster: Forecaster, tensors: Tensors) -> Float | None:
    """What a forecaster answers where the extra channels are unknown; None where they are, or it cannot say."""
    if tensors.channels is None or not np.isfinite(tensors.channels).any():
        return None
    unknown = replace(tensors, channels=np.full_like(tensors.channels, np.nan))
    try:
        mean = coherent(clip_and_sort(forecaster.predict(unknown)), unknown).mean
    except UNUSABLE as error:
        log.warning("what the channels change is not known: %s", error)
        return None
    shape = (len(tensors.targets), len(tensors.origins), len(tensors.stations), tensors.horizon)
    return mean if mean.shape == shape and np.isfinite(mean).all() else None


def find_fault(prediction: Prediction, tensors: Tensors, absurd_factor: float = ABSURD_FACTOR) -> str | None:
    """What is wrong with a prediction; None where it is plausible.

    It must have the shapes of the tensors, be finite, not negative, and at most `absurd_factor` times the largest
    count that profile, lags or recent minutes of the same target and station show (at least one person).
    """
    shape = (len(tensors.targets), len(tensors.origins), len(tensors.stations), tensors.horizon)
    if prediction.mean.shape != shape or prediction.quantiles.shape != (len(QUANTILES), *shape):
        return f"shapes {prediction.mean.shape} and {prediction.quantiles.shape} for a mean of {shape}"
    mean, highest = prediction.mean, prediction.quantiles.max(axis=0)
    lowest = np.minimum(mean, prediction.quantiles.min(axis=0))
    bad = ~(np.isfinite(mean) & np.isfinite(highest) & np.isfinite(lowest))
    if bad.any():
        return f"{_stations(bad, tensors)} answered not finite"
    if (lowest < -NEGATIVE_SLACK).any():
        return f"{_stations(lowest < -NEGATIVE_SLACK, tensors)} answered negative, {lowest.min():.3g} at worst"
    absurd = np.maximum(mean, highest) > absurd_factor * historical_maximum(tensors)[:, None, :, None]
    if absurd.any():
        return f"{_stations(absurd, tensors)} answered more than {absurd_factor:g} times the historical maximum"
    return None


def historical_maximum(tensors: Tensors) -> Float:
    """Largest count in lags, profile and recent minutes per target and station, at least 1; float32 [C, S]."""
    each = [
        np.nan_to_num(array, nan=0.0).max(axis=axes, initial=1.0)
        for array, axes in ((tensors.lags, (0, 2, 4)), (tensors.profile, (1, 3)), (tensors.recent, (1, 3)))
    ]
    return np.asarray(np.maximum.reduce(each), dtype=np.float32)


def clip_and_sort(prediction: Prediction) -> Prediction:
    """Sort the quantiles (rearrangement, Chernozhukov et al. 2010) and clip everything at zero."""
    return Prediction(np.maximum(prediction.mean, 0), np.maximum(np.sort(prediction.quantiles, axis=0), 0))


def minutes_since_observation(grid: Grid, origin: np.datetime64) -> int | None:
    """Minutes from the newest observed interval before the origin, anywhere, to the origin; None if there is none."""
    end = min(max(int(grid.index(origin)), 0), grid.steps)
    day = 1440 // grid.interval
    for last in range(end, 0, -day):
        first = max(last - day, 0)
        seen = np.flatnonzero(np.isfinite(grid.values[:, :, first:last]).any(axis=(0, 1)))
        if len(seen):
            newest = grid.minutes[first + int(seen[-1])]
            return int((origin.astype("datetime64[m]") - newest).astype(np.int64))
    return None


def degraded_reason(
    answer: Answer, age: int | None, channels: Sequence[str] = (), stale_minutes: int = STALE_MINUTES
) -> str | None:
    """Why this forecast is not the first rung's on fresh data with all `channels`, less these; None when it is."""
    reasons = []
    if answer.rejected:
        reasons.append(f"{', '.join(each.reason for each in answer.rejected)}: used {answer.rung}")
    if age is None:
        reasons.append("stale_data: nothing was observed")
    elif age > stale_minutes:
        reasons.append(f"stale_data: last observation {age} min ago")
    if channels:
        reasons.append(f"missing_channel: {', '.join(channels)}")
    return "; ".join(reasons) or None


def _stations(bad: np.ndarray, tensors: Tensors) -> str:  # type: ignore[type-arg]
    """How many stations a [C, O, S, H] mask touches, and the first of them."""
    touched = np.flatnonzero(bad.any(axis=(0, 1, 3)))
    return f"{len(touched)} of {len(tensors.stations)} stations (first {tensors.stations[touched[0]]})"
