"""Error figures of forecasts, in NumPy. Minutes whose truth is NaN are ignored; nothing is filled.

A *span* is the whole hour or a band of its steps. It counts only if all its minutes are observed; figures by the
minute use every observed minute. Axes: C targets, O origins, S stations, H steps, B spans, Q `QUANTILES`, K `SUMS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tasks.arrays import QUANTILES

Real = npt.NDArray[np.floating[Any]]
Double = npt.NDArray[np.float64]

MEAN_FLOOR = 1e-6
_MINUTE_SUMS = ("deviance", "pinball", "crps", "covered_50", "covered_80", "covered_90")
SUMS = (
    *("spans", "actual", "forecast", "absolute", "squared", "weighted_absolute", "squared_actual", "minutes"),
    *_MINUTE_SUMS,
)
INTERVALS = {"50": (0.25, 0.75), "80": (0.10, 0.90), "90": (0.05, 0.95)}
"""Levels of the ends of each interval, by its nominal share in per cent."""
_MIDDLES = [(a + b) / 2 for a, b in pairwise(QUANTILES)]
CRPS_WEIGHTS = tuple(2 * (b - a) for a, b in pairwise((0.0, *_MIDDLES, 1.0)))
"""Weight of each quantile's loss in the CRPS: twice the probability that lies nearest to its level; they sum to 2."""


class Span(NamedTuple):
    """A named run of horizon steps."""

    name: str
    steps: slice


class Cells(NamedTuple):
    """What each (target, origin, station, span) adds to the sums; float64 [C, O, S, B], people or minutes.

    Attributes:
        complete: whether all minutes of the span are observed, bool.
        minutes: observed minutes.
        actual, forecast: people in the observed minutes.
        deviance: Poisson deviance, summed over the observed minutes.
        pinball: mean over the quantiles, summed over the observed minutes; NaN without quantiles.
        crps: continuous ranked probability score from the quantiles, see `crps`, likewise.
        covered_50, covered_80, covered_90: minutes with the truth within q25..q75, q10..q90, q05..q95; NaN without
            quantiles.
    """

    complete: npt.NDArray[np.bool_]
    minutes: Double
    actual: Double
    forecast: Double
    deviance: Double
    pinball: Double
    crps: Double
    covered_50: Double
    covered_80: Double
    covered_90: Double


def horizon_spans(last_minutes: Sequence[int], steps: int, interval: int) -> list[Span]:
    """Bands of the horizon, then the whole hour.

    Args:
        last_minutes: last horizon minute of each band, any order; a band without a step is left out.
        steps: length of the horizon axis.
        interval: minutes per step.

    Returns:
        Spans named "1-5", "6-15" …, the whole hour ("1-60") last and once.

    >>> [span.name for span in horizon_spans([15], steps=12, interval=5)]
    ['1-15', '1-60']
    """
    ends = (np.arange(steps) + 1) * interval
    spans, before = [], 0
    for last in sorted(set(last_minutes)):
        if len(inside := np.flatnonzero((ends > before) & (ends <= last))):
            spans.append(Span(f"{before + 1}-{last}", slice(int(inside[0]), int(inside[-1]) + 1)))
        before = last
    whole = Span(f"1-{steps * interval}", slice(0, steps))
    return [span for span in spans if span != whole] + [whole]


def rmse(forecast: Real, actual: Real) -> float:
    """Root of the mean squared error over observed values; NaN where there are none.

    >>> rmse(np.array([3.0, 5.0]), np.array([1.0, np.nan]))
    2.0
    """
    error = _errors(forecast, actual)
    return float(np.sqrt(_ratio(float((error**2).sum()), error.size)))


def mae(forecast: Real, actual: Real) -> float:
    """Mean absolute error over observed values."""
    error = _errors(forecast, actual)
    return _ratio(float(np.abs(error).sum()), error.size)


def wape(forecast: Real, actual: Real) -> float:
    """Absolute error per person counted: sum of |forecast - actual| over the sum of actual.

    >>> wape(np.array([3.0, 5.0]), np.array([4.0, 6.0]))
    0.2
    """
    return _ratio(float(np.abs(_errors(forecast, actual)).sum()), float(np.nansum(actual, dtype=np.float64)))


def bias(forecast: Real, actual: Real) -> float:
    """Error per person counted: sum of forecast - actual over the sum of actual; positive is too much."""
    return _ratio(float(_errors(forecast, actual).sum()), float(np.nansum(actual, dtype=np.float64)))


def poisson_deviance(mean: Real, truth: Real) -> float:
    """Poisson deviance per minute, 2 mean(y log(y / mu) - (y - mu)), mu at least `MEAN_FLOOR`."""
    seen = np.isfinite(truth)
    return float(np.mean(_deviance(mean[seen], truth[seen]))) if seen.any() else float("nan")


def pinball(quantiles: Real, truth: Real) -> float:
    """Quantile loss of [Q, ...] against [...], mean over `QUANTILES` and observed minutes."""
    seen = np.isfinite(truth)
    return float(np.mean(_quantile_losses(quantiles[:, seen], truth[seen])[0])) if seen.any() else float("nan")


def crps(quantiles: Real, truth: Real) -> float:
    """Continuous ranked probability score per observed minute, in people, of [Q, ...] against [...].

    The score is twice the quantile loss, integrated over all levels (F. Laio and S. Tamea, "Verification tools for
    probabilistic forecasts of continuous hydrological variables", 2007). Of `QUANTILES` it is their losses times
    `CRPS_WEIGHTS`: every level between 0 and 1 takes the loss of the quantile whose level is nearest.
    """
    seen = np.isfinite(truth)
    return float(np.mean(_quantile_losses(quantiles[:, seen], truth[seen])[1])) if seen.any() else float("nan")


def coverage(low: Real, high: Real, truth: Real) -> float:
    """Share of observed minutes within low..high, both included."""
    seen = np.isfinite(truth)
    return _ratio(float(((truth >= low) & (truth <= high) & seen).sum()), float(seen.sum()))


def network_total(mean: Real, truth: Real) -> tuple[Double, Double]:
    """Forecast and truth [C, O, 1, H] of the stations whose hour is wholly observed, NaN where there are none."""
    whole: npt.NDArray[np.bool_] = np.asarray(np.isfinite(truth).all(axis=-1, keepdims=True))
    none = ~whole.any(axis=2, keepdims=True)
    forecast = np.where(whole, mean, 0).sum(axis=2, keepdims=True, dtype=np.float64)
    actual = np.where(whole, truth, 0).sum(axis=2, keepdims=True, dtype=np.float64)
    return np.where(none, np.nan, forecast), np.where(none, np.nan, actual)


def hour_metrics(mean: Real, truth: Real, quantiles: Real | None = None) -> dict[str, float]:
    """Figures over all targets, origins and stations; see `figures`.

    Args:
        mean: [C, O, S, H], expected count per step.
        truth: [C, O, S, H], NaN where not observed.
        quantiles: [Q, C, O, S, H]; without them their figures are NaN.
    """
    spans = [Span("hour", slice(0, mean.shape[-1]))]
    return figures(add_up(cells(mean, truth, quantiles, spans), (0, 1, 2))[0])


def cells(mean: Real, truth: Real, quantiles: Real | None, spans: Sequence[Span]) -> Cells:
    """Terms of every figure by target, origin, station and span, for sums over any of them.

    Args:
        mean: [C, O, S, H].
        truth: [C, O, S, H], NaN where not observed.
        quantiles: [Q, C, O, S, H] or None.
        spans: the axis B.
    """
    seen = np.isfinite(truth)
    actual = np.where(seen, truth, 0).astype(np.float64)
    minutes = _by_span(seen, spans)
    lengths = np.array([span.steps.stop - span.steps.start for span in spans], dtype=np.float64)
    by_minute: list[Double] = [np.full_like(minutes, np.nan)] * (len(_MINUTE_SUMS) - 1)
    if quantiles is not None:
        losses = [loss * seen for loss in _quantile_losses(quantiles, actual)]
        by_minute = [_by_span(part, spans) for part in (*losses, *_within(quantiles, actual, seen))]
    return Cells(
        minutes == lengths,
        minutes,
        _by_span(actual, spans),
        _by_span(np.where(seen, mean, 0), spans),
        _by_span(np.where(seen, _deviance(mean, actual), 0), spans),
        *by_minute,
    )


def add_up(scored: Cells, axes: tuple[int, ...]) -> Double:
    """Sums of cells over some of the axes (C, O, S) = (0, 1, 2); float64 [..., B, K]."""
    error = np.where(scored.complete, scored.forecast - scored.actual, 0)
    terms = (
        scored.complete,
        np.where(scored.complete, scored.actual, 0),
        np.where(scored.complete, scored.forecast, 0),
        np.abs(error),
        error**2,
        np.abs(error) * scored.actual,
        np.where(scored.complete, scored.actual, 0) ** 2,
        scored.minutes,
        *(getattr(scored, name) for name in _MINUTE_SUMS),
    )
    return np.stack([np.sum(term, axis=axes, dtype=np.float64) for term in terms], axis=-1)


def figures(sums: Double, span: str = "hour") -> dict[str, float]:
    """Figures of one set of sums, float64 [K]; NaN where nothing supports one.

    Args:
        sums: from `add_up`; sums of sums are sums.
        span: ends the name of the figures of a span: "hour", or "band".

    Returns:
        `spans` and `minutes` counted; `rmse_…` and `mae_…` in people per span; `wape` and `bias` as a share of the
        people counted; `peak_wape`, the same with every span weighted by the people it counted, so that busy hours
        decide; `poisson_deviance`, `pinball`, `crps`, `coverage_50`, `coverage_80` and `coverage_90` by the minute.
    """
    at = dict(zip(SUMS, sums.tolist(), strict=True))
    return {
        "spans": at["spans"],
        "minutes": at["minutes"],
        f"rmse_{span}": _ratio(at["squared"], at["spans"]) ** 0.5,
        f"mae_{span}": _ratio(at["absolute"], at["spans"]),
        "wape": _ratio(at["absolute"], at["actual"]),
        "bias": _ratio(at["forecast"] - at["actual"], at["actual"]),
        "peak_wape": _ratio(at["weighted_absolute"], at["squared_actual"]),
        "poisson_deviance": _ratio(at["deviance"], at["minutes"]),
        "pinball": _ratio(at["pinball"], at["minutes"]),
        "crps": _ratio(at["crps"], at["minutes"]),
        "coverage_50": _ratio(at["covered_50"], at["minutes"]),
        "coverage_80": _ratio(at["covered_80"], at["minutes"]),
        "coverage_90": _ratio(at["covered_90"], at["minutes"]),
    }


def finite(values: dict[str, float]) -> dict[str, float]:
    """The figures that are numbers, for JSON and MLflow."""
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _errors(forecast: Real, actual: Real) -> Double:
    seen = np.isfinite(actual)
    return np.asarray(forecast[seen].astype(np.float64) - actual[seen])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _deviance(mean: Real, actual: Real) -> Double:
    mu = np.maximum(mean.astype(np.float64), MEAN_FLOOR)
    y = actual.astype(np.float64)
    return np.asarray(2 * (y * np.log(np.where(y > 0, y, 1) / np.where(y > 0, mu, 1)) - (y - mu)))


def _quantile_losses(quantiles: Real, actual: Real) -> tuple[Double, Double]:
    """Mean loss over the levels, and CRPS, of each value; one quantile in memory at a time."""
    mean, score = np.zeros(actual.shape), np.zeros(actual.shape)
    for level, weight, quantile in zip(QUANTILES, CRPS_WEIGHTS, quantiles, strict=True):
        error = actual - quantile
        loss = error * (level - (error < 0))
        mean += loss
        score += weight * loss
    return mean / len(QUANTILES), score


def _within(quantiles: Real, actual: Real, seen: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    """Whether each observed value lies within each of `INTERVALS`."""
    ends = [[quantiles[QUANTILES.index(level)] for level in levels] for levels in INTERVALS.values()]
    return [(actual >= low) & (actual <= high) & seen for low, high in ends]


def _by_span(values: npt.NDArray[Any], spans: Sequence[Span]) -> Double:
    return np.stack([values[..., span.steps].sum(axis=-1, dtype=np.float64) for span in spans], axis=-1)
