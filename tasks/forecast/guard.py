"""Model fallback: the first usable model of a ladder answers, and the reasons against the others are kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.errors import HistoryError, ModelError, StoreError
from tasks.forecast.checks import Stations, Verdict, highest_interval, run_checks
from tasks.forecast.expectation import Expectation, expect
from tasks.grid import Grid
from tasks.settings.guard import GuardSettings
from tasks.total import coherent

log = logging.getLogger(__name__)

Ladder = Sequence[tuple[str, Callable[[], Forecaster]]]

UNUSABLE = (
    *(ModelError, HistoryError, StoreError),
    *(OSError, ImportError, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError),
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
        verdicts: of every check on every rung that was asked.
        replaced: what was done about the stations at which it failed alone, in words; None where there are none.
    """

    rung: str
    model_version: str
    prediction: Prediction
    rejected: tuple[RejectedRung, ...]
    without_channels: Float | None = None
    verdicts: tuple[Verdict, ...] = ()
    replaced: str | None = None


@dataclass
class _Candidate:
    """An answer that was asked for, and the stations at which it is implausible."""

    rung: str
    forecaster: Forecaster
    prediction: Prediction
    failing: Stations
    replaced: list[str] = field(default_factory=list)

    def fill(self, other: _Candidate) -> None:
        """Take the stations that fail from another answer, where that is plausible."""
        taken = self.failing & ~other.failing
        if taken.any():
            here = taken[None, None, :, None]
            self.prediction = Prediction(
                np.where(here, other.prediction.mean, self.prediction.mean),
                np.where(here[None], other.prediction.quantiles, self.prediction.quantiles),
            )
            self.failing = self.failing & ~taken
            self.replaced.append(f"{taken.sum()} of {len(taken)} stations: used {other.rung}")


def first_usable(ladder: Ladder, tensors: Tensors, limits: GuardSettings | None = None) -> Answer:
    """The answer of the first rung that answers plausibly; at a few stations, where it does not, that of a lower one.

    Where no rung is plausible, the last answer of the right shape is cut to what the stations' history allows: a
    forecast is published whatever happens, and nothing absurd is.

    Raises:
        ModelError: if no rung answers in the right shape.
    """
    limits, expected = limits or GuardSettings(), expect(tensors)
    rejected: list[RejectedRung] = []
    verdicts: list[Verdict] = []
    chosen: _Candidate | None = None
    spare: _Candidate | None = None
    for rung, load in ladder:
        candidate, found = _ask(rung, load, tensors, expected, limits)
        verdicts += found
        if chosen is not None:
            if candidate is not None:
                chosen.fill(candidate)
        elif candidate is not None and candidate.failing.sum() <= limits.few_stations * len(candidate.failing):
            chosen = candidate
        else:
            spare = candidate or spare
            rejected.append(_reject_rung(rung, found))
        if chosen is not None and not chosen.failing.any():
            break
    usable = chosen or spare
    if usable is None:
        details = "; ".join(f"{each.rung}: {each.detail}" for each in rejected) or "the ladder is empty"
        raise ModelError(f"no model could forecast {tensors.origins[0]}Z ({details}): run `nexthour retrain`")
    return _finish(usable, tensors, expected, limits, rejected, verdicts)


def _ask(
    rung: str, load: Callable[[], Forecaster], tensors: Tensors, expected: Expectation, limits: GuardSettings
) -> tuple[_Candidate | None, list[Verdict]]:
    """What a rung answers, and the verdicts on it; None where it does not answer, or in another shape."""
    try:
        forecaster = load()
        prediction = forecaster.predict(tensors)
        verdicts, failing = run_checks(rung, prediction, tensors, expected, limits)
    except UNUSABLE as error:
        verdicts = [Verdict("answered", rung, False, f"{type(error).__name__}: {error}")]
    for verdict in verdicts:
        if not verdict.passed:
            log.warning("rung %s failed the check %s: %s", rung, verdict.name, verdict.detail)
    if not verdicts[0].passed:
        return None, verdicts
    return _Candidate(rung, forecaster, prediction, failing), verdicts


def _reject_rung(rung: str, verdicts: Sequence[Verdict]) -> RejectedRung:
    reason = f"no {rung}" if verdicts[0].name == "answered" else f"{rung} implausible"
    return RejectedRung(rung, reason, "; ".join(verdict.detail for verdict in verdicts if not verdict.passed))


def _finish(
    chosen: _Candidate,
    tensors: Tensors,
    expected: Expectation,
    limits: GuardSettings,
    rejected: Sequence[RejectedRung],
    verdicts: Sequence[Verdict],
) -> Answer:
    """The answer with the stations that nobody could fill cut to their history."""
    prediction, failing, forecaster = chosen.prediction, chosen.failing, chosen.forecaster
    if failing.any():
        here, most = failing[None, None, :, None], highest_interval(expected, limits)[..., None]
        mean, quantiles = (
            np.where(here, np.clip(np.nan_to_num(x, nan=0.0), 0, most), x)
            for x in (prediction.mean, prediction.quantiles)
        )
        prediction = Prediction(mean, quantiles)
        chosen.replaced.append(f"{failing.sum()} of {len(failing)} stations: cut to their history")
    return Answer(
        chosen.rung,
        forecaster.name,
        coherent(clip_and_sort(prediction), tensors),
        tuple(rejected),
        _mean_without_channels(forecaster, tensors),
        tuple(verdicts),
        ", ".join(chosen.replaced) or None,
    )


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


def clip_and_sort(prediction: Prediction) -> Prediction:
    """Sort the quantiles (rearrangement, Chernozhukov et al. 2010) and clip everything at zero."""
    return Prediction(np.maximum(prediction.mean, 0), np.maximum(np.sort(prediction.quantiles, axis=0), 0))


def minutes_since_observation(grid: Grid, origin: np.datetime64) -> int | None:
    """Minutes from the newest observed interval before the origin, anywhere, to the origin; None if there is none."""
    end = min(max(int(grid.index(origin)), 0), grid.steps)
    if grid.past is not None:
        return None if grid.past.newest < 0 else (end - grid.past.newest) * grid.interval
    day = 1440 // grid.interval
    for last in range(end, 0, -day):
        first = max(last - day, 0)
        seen = np.flatnonzero(np.isfinite(grid.values[:, :, first:last]).any(axis=(0, 1)))
        if len(seen):
            newest = grid.minutes[first + int(seen[-1])]
            return int((origin.astype("datetime64[m]") - newest).astype(np.int64))
    return None


def degraded_reason(
    answer: Answer, age: int | None, channels: Sequence[str] = (), stale_minutes: int = GuardSettings().stale_minutes
) -> str | None:
    """Why this forecast is not the first rung's on fresh data with all `channels`, less these; None when it is."""
    reasons = []
    if answer.rejected:
        reasons.append(f"{', '.join(each.reason for each in answer.rejected)}: used {answer.rung}")
    if answer.replaced:
        reasons.append(f"{answer.rung} implausible at {answer.replaced}")
    stale = stale_data(age, stale_minutes)
    if stale:
        reasons.append(f"stale_data: {stale}")
    if channels:
        reasons.append(f"missing_channel: {', '.join(channels)}")
    return "; ".join(reasons) or None


def stale_data(age: int | None, stale_minutes: int = GuardSettings().stale_minutes) -> str | None:
    """What is wrong with the age of the newest observation; None where it is fresh."""
    if age is None:
        return "nothing was observed"
    return f"last observation {age} min ago" if age > stale_minutes else None


def staleness(age: int | None, stale_minutes: int = GuardSettings().stale_minutes) -> Verdict:
    """Whether the newest observation is fresh, as a verdict on the input."""
    stale = stale_data(age, stale_minutes)
    return Verdict("staleness", "input", stale is None, stale or f"last observation {age} min ago")
