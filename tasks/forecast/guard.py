"""The guard: which rung of the ladder answers, and why not a higher one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
"""How many times the largest count in sight a forecast may be."""
NEGATIVE_SLACK = 1e-3
"""Rounding below zero that is cut off rather than refused, people."""
UNUSABLE = (
    *(ModelError, HistoryError, StoreError),
    *(OSError, ImportError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError),
)
"""What a model that cannot answer may raise; its own faults included, for a forecast is always published."""


@dataclass(frozen=True)
class Fall:
    """One rung that did not answer.

    Attributes:
        rung: its name in the ladder.
        reason: a few words, for the table.
        detail: the whole story, for the log and the event.
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
        falls: the rungs above it.
    """

    rung: str
    model_version: str
    prediction: Prediction
    falls: tuple[Fall, ...]


def climb_down(ladder: Ladder, tensors: Tensors, absurd_factor: float = ABSURD_FACTOR) -> Answer:
    """Ask rung after rung until one answers plausibly.

    Raises:
        ModelError: if none does.
    """
    falls: list[Fall] = []
    for rung, load in ladder:
        try:
            forecaster = load()
            prediction = forecaster.predict(tensors)
        except UNUSABLE as error:
            falls.append(Fall(rung, f"no {rung}", f"{type(error).__name__}: {error}"))
        else:
            fault = implausible(prediction, tensors, absurd_factor)
            if fault is None:
                answer = coherent(settled(prediction), tensors)
                return Answer(rung, forecaster.name, answer, tuple(falls))
            falls.append(Fall(rung, f"{rung} implausible", fault))
        log.warning("rung %s did not answer: %s", rung, falls[-1].detail)
    told = "; ".join(f"{fall.rung}: {fall.detail}" for fall in falls) or "the ladder is empty"
    raise ModelError(f"no model could forecast {tensors.origins[0]}Z ({told}): run `nexthour retrain`")


def implausible(prediction: Prediction, tensors: Tensors, absurd_factor: float = ABSURD_FACTOR) -> str | None:
    """What is wrong with a prediction, None if nothing is.

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
    absurd = np.maximum(mean, highest) > absurd_factor * largest_seen(tensors)[:, None, :, None]
    if absurd.any():
        return f"{_stations(absurd, tensors)} answered more than {absurd_factor:g} times what was ever seen"
    return None


def largest_seen(tensors: Tensors) -> Float:
    """Largest count in sight of each target and station, at least 1; float32 [C, S]."""
    each = [
        np.nan_to_num(array, nan=0.0).max(axis=axes, initial=1.0)
        for array, axes in ((tensors.lags, (0, 2, 4)), (tensors.profile, (1, 3)), (tensors.recent, (1, 3)))
    ]
    return np.asarray(np.maximum.reduce(each), dtype=np.float32)


def settled(prediction: Prediction) -> Prediction:
    """The same with quantiles in order (rearranged, Chernozhukov et al. 2010) and nothing below zero."""
    return Prediction(np.maximum(prediction.mean, 0), np.maximum(np.sort(prediction.quantiles, axis=0), 0))


def minutes_since_seen(grid: Grid, origin: np.datetime64) -> int | None:
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
    if answer.falls:
        reasons.append(f"{', '.join(fall.reason for fall in answer.falls)}: used {answer.rung}")
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
