"""Additive sums of replayed origins, from which every figure of a report is computed.

Axes: C targets, O origins, S stations, H steps, B bands (the hour last), K `metrics.SUMS`, W widths, E `ERRORS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from tasks import metrics
from tasks.arrays import Float
from tasks.busy_hours import peak_counts
from tasks.contracts import Prediction, Tensors
from tasks.metrics import Double, Real

WIDTHS = (1, 5, 15, 60)
"""Minutes that are summed before they are compared; those that the interval does not divide are left out."""
ERRORS = (
    "spans", "actual", "forecast", "absolute", "squared",
    "paired", "paired_absolute", "paired_squared", "naive_absolute", "naive_squared",
    "weighted_absolute", "squared_actual",
)  # fmt: skip
COVERED = ("minutes", "coverage_50", "coverage_80", "coverage_90", "crps")


@dataclass(frozen=True)
class Sums:
    """Sums of one model over some origins; float64.

    Attributes:
        stations: [C, O, B, K], over stations.
        network: [C, O, B, K], of the network total.
        errors: [C, S, W, E], over origins, at every width; "paired" are those that last week has a count for, too.
        network_errors: [C, W, E], of the network total.
        covered: [C, S, B, 5], minutes observed, those within 50, 80 and 90 % intervals, and the CRPS of all of them.
        below: [C, S, Q + 1], minutes at or below each quantile, and minutes observed.
        peaks: [C, S, 4], hours by `busy_hours.PEAK_SUMS`.
    """

    stations: Double
    network: Double
    errors: Double
    network_errors: Double
    covered: Double
    below: Double
    peaks: Double

    def save(self, path: Path) -> None:
        """Write them as plain arrays."""
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Sums:
        """The reverse of `save`."""
        with np.load(path, allow_pickle=False) as held:
            return cls(**{field.name: held[field.name] for field in fields(cls)})


def widths(interval: int) -> tuple[int, ...]:
    """Widths in minutes that steps of so many minutes add up to."""
    return tuple(w for w in sorted({interval, *WIDTHS}) if w % interval == 0 and 60 % w == 0)


def sums_of(
    tensors: Tensors,
    prediction: Prediction,
    truth: Float,
    spans: Sequence[metrics.Span],
    limits: Double,
    stations: slice | None = None,
) -> Sums:
    """Sums of a prediction at the origins of its tensors; last week's hour is the rival that figures are scaled by.

    Args:
        tensors: inputs of the prediction.
        prediction: mean and quantiles.
        truth: [C, O, S, H], NaN where not observed.
        spans: bands, the hour last.
        limits: [C, O, S], see `busy_hours.BusyHours.limits`.
        stations: over which to sum; without a choice all but their total.
    """
    parts = tensors.parts if stations is None else stations
    mean, quantiles, truth = prediction.mean[:, :, parts], prediction.quantiles[:, :, :, parts], truth[:, :, parts]
    naive = tensors.lags[0][:, :, parts, -tensors.horizon :]
    scored = metrics.cells(mean, truth, quantiles, spans)
    total, actual = metrics.network_total(mean, truth)
    whole = np.isfinite(truth).all(axis=-1, keepdims=True)
    before = np.where(whole, naive, 0).sum(axis=2, keepdims=True, dtype=np.float64)
    covered = (scored.minutes, scored.covered_50, scored.covered_80, scored.covered_90, scored.crps)
    sizes = [width // tensors.interval for width in widths(tensors.interval)]
    return Sums(
        metrics.add_up(scored, (2,)),
        metrics.add_up(metrics.cells(total, actual, None, spans), (2,)),
        np.stack([error_sums(mean, truth, naive, size) for size in sizes], axis=2),
        np.stack([error_sums(total, actual, before, size)[:, 0] for size in sizes], axis=1),
        np.stack([minutes.sum(axis=1) for minutes in covered], axis=-1),
        quantile_counts(quantiles, truth),
        peak_counts(mean, truth, limits[:, :, parts]),
    )


def join_sums(parts: Sequence[Sums]) -> Sums:
    """Sums of consecutive stretches as those of the whole."""
    first, rest = parts[0], parts[1:]
    if not rest:
        return first
    along = {"stations", "network"}
    whole = {
        name: np.concatenate([vars(part)[name] for part in parts], axis=1)
        if name in along
        else np.sum([vars(part)[name] for part in parts], axis=0)
        for name in vars(first)
    }
    return Sums(**whole)


def error_sums(mean: Real, truth: Real, naive: Real, size: int) -> Double:
    """Errors of sums over `size` steps, float64 [C, S, E]; spans with a minute missing are left out."""
    forecast, actual, before = (_blocks(values, size) for values in (mean, truth, naive))
    seen = np.isfinite(actual)
    paired = seen & np.isfinite(before)
    miss = np.where(seen, forecast - actual, 0)
    theirs = np.where(paired, before - actual, 0)
    ours = np.where(paired, miss, 0)
    terms = (
        seen, np.where(seen, actual, 0), np.where(seen, forecast, 0), np.abs(miss), miss**2,
        paired, np.abs(ours), ours**2, np.abs(theirs), theirs**2,
        np.where(seen, np.abs(miss) * actual, 0), np.where(seen, actual, 0) ** 2,
    )  # fmt: skip
    return np.stack([np.sum(term, axis=(1, 3), dtype=np.float64) for term in terms], axis=-1)


def quantile_counts(quantiles: Float, truth: Float) -> Double:
    """Minutes at or below each quantile, and observed ones, float64 [C, S, Q + 1]."""
    seen = np.isfinite(truth)
    counts = [(seen & (truth <= quantile)).sum(axis=(1, 3)) for quantile in quantiles]
    return np.stack([*counts, seen.sum(axis=(1, 3))], axis=-1).astype(np.float64)


def _blocks(values: Real, size: int) -> Double:
    """Sums over `size` steps, float64 [C, O, S, H / size]."""
    shape = (*values.shape[:-1], values.shape[-1] // size, size)
    return np.asarray(values.reshape(shape).sum(axis=-1, dtype=np.float64))
