"""Fit of the ridge: penalties chosen on the validation days, then the numbers of all days.

How strongly the numbers are drawn to none, and a station's to those of all, is what the validation days decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tasks.arrays import Float, Minutes
from tasks.base_forecast import counted_weeks, hour_profile
from tasks.contracts import Features, Split
from tasks.errors import HistoryError
from tasks.large_arrays import pieces
from tasks.model.architectures import ModelConfig
from tasks.model.architectures._linear.forecaster import LinearForecaster, correct
from tasks.model.architectures._linear.inputs import LinearRows, linear_rows
from tasks.model.architectures._linear.ridge import Rows, StationFit, factor, fit_pooled
from tasks.model.bins import bin_sums
from tasks.model.origin_chunks import chunks
from tasks.model.uncertainty.counts import DispersionSums
from tasks.model.uncertainty.spread import Spread, pick_evenly

STRENGTHS = (100.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""Penalties of the pooled numbers that are tried; the first leaves the base as it is."""
STATION_STRENGTHS = (np.inf, 10.0, 3.0, 1.0, 0.3)
"""Penalties of a station's differences that are tried; the first allows none."""
LEAST_DAYS = 0.7
"""Least penalty times days of training and root of the stations: what a day of validation likes may be chance."""
WEEK_DAYS = 7.0
"""Days of training before which no station has differences: they would hold what its few weekdays were like."""
UNTOLD = (1.0, np.inf)
"""Penalties where the validation days hold no count."""
NEARLY = 0.97
"""Of penalties that gain about as much the strongest is taken: one that has so much of what the best one gains."""
FEWEST = 112
"""Training origins of a large network by the minute, at least; coarser grids have up to `MORE` times as many."""
MORE = 4
RUN, HELD = 8, 4
"""Origins of a large network are so many hours in a row, whose tensors share most; one in `HELD` validates."""
MOST_AT_ONCE = 400
"""Stations whose rows are copied at once."""
WITHOUT_PROFILE = np.float32(1e-4)
"""Weight of an hour without a profile beside one with: as on a station's first day, there is nothing to correct yet."""
FLOOR = 0.1
"""Least forecast of an hour, people, in the loss of the validation days."""


class LinearConfig(ModelConfig):
    """Table `[models.linear_level]`."""

    max_rows: int = Field(60_000, ge=100, description="Training rows (an origin at a station), at most.")
    half_life_days: float = Field(21.0, gt=0, description="Age at which a training row counts half.")
    fairness: float = Field(0.5, ge=0, le=1, description="0: every person counts alike; 1: every station does.")
    dispersion_prior: float = Field(50.0, gt=0, description="People that pull the spread towards Poisson.")


@dataclass(frozen=True)
class LinearFit:
    """What a fit brought.

    Attributes:
        for_validation: fitted on the training origins alone, without a spread; for comparisons on validation days.
        fitted: the forecaster, fitted on the validation origins, too.
        drawn: what it was fitted on: training and validation origins.
        weights: of the rows of both, per target, float32 [origin, station].
        notes: the penalties that were chosen, and how many rows there were.
    """

    for_validation: LinearForecaster
    fitted: LinearForecaster
    drawn: tuple[Drawn, Drawn]
    weights: tuple[list[Float], list[Float]]
    notes: dict[str, Any]


_last_fits: WeakKeyDictionary[Features, tuple[Split, LinearConfig, LinearFit]] = WeakKeyDictionary()


def fit_linear(features: Features, split: Split, config: LinearConfig) -> LinearFit:
    """See the file's head. A night asks twice, for the gate and as the start of the network: the last fit is kept.

    Raises:
        HistoryError: if there are no training or no validation origins, or no training hour has a count.
    """
    from threadpoolctl import threadpool_limits

    last = _last_fits.get(features)
    if last is None or last[0] is not split or last[1] != config:
        # Threads of small products wait in a loop: ten times the processor's seconds where other work runs.
        with threadpool_limits(1, "blas"):
            last = _last_fits[features] = split, config, _fit(features, split, config)
    return last[2]


def _fit(features: Features, split: Split, config: LinearConfig) -> LinearFit:
    grid = features.grid
    if not len(split.train) or not len(split.validation):
        raise HistoryError("linear_level: no training or no validation origins: ingest more history")
    most = max(config.max_rows // max(len(grid.stations), 1), FEWEST * min(grid.interval, MORE))
    drawn = (
        draw(features, batches(split.train, most, features)),
        draw(features, batches(split.validation, max(most // HELD, RUN), features)),
    )
    train, held = (_rows(part, split, config) for part in drawn)
    if not any(np.isfinite(rows.truth).any() for rows in train):
        raise HistoryError("linear_level: no training hour with a count: ingest more history")
    days = (split.train[-1] - split.train[0]) / np.timedelta64(1, "D")
    enough = max(float(days), 1.0) * len(grid.stations) ** 0.5
    strengths = tuple(s for s in STRENGTHS if s >= LEAST_DAYS / enough)
    apart = STATION_STRENGTHS if days >= WEEK_DAYS else STATION_STRENGTHS[:1]
    chosen = [choose_penalties(*pair, strengths, apart) for pair in zip(train, held, strict=True)]
    for_validation = _forecaster(features, [fit_bins(r, *c) for r, c in zip(train, chosen, strict=True)], train)
    both = [_join(*pair) for pair in zip(train, held, strict=True)]
    fitted = _forecaster(features, [fit_bins(r, *c) for r, c in zip(both, chosen, strict=True)], both)
    notes: dict[str, Any] = {"training_rows": both[0].weight.size}
    for target, (strength, own) in zip(grid.targets, chosen, strict=True):
        notes |= {f"penalty_{target}": strength, f"station_penalty_{target}": min(own, 1e9)}
    fitted = replace(fitted, phi=_spread(features, drawn, for_validation, config))
    return LinearFit(for_validation, fitted, drawn, ([r.weight for r in train], [r.weight for r in held]), notes)


def _spread(
    features: Features, drawn: Sequence[Drawn], for_validation: LinearForecaster, config: LinearConfig
) -> Spread:
    """Spread around the means, by target and station."""
    stations, own, phi = features.grid.stations, for_validation.own, list[Float]()
    for at in station_parts(len(stations)):
        sums = DispersionSums()
        for d in drawn:
            sums.add(d.truth[:, :, at], correct(d.rows.at(at), own[:, at]))
        phi.append(sums.dispersion(config.dispersion_prior))
    rows = np.concatenate(phi, axis=1).tolist()
    return {t: dict(zip(stations, row, strict=True)) for t, row in zip(features.grid.targets, rows, strict=True)}


def station_parts(stations: int) -> Iterator[slice]:
    """Stations some hundreds at a time, so that no second copy of all rows is in memory."""
    return pieces(stations, MOST_AT_ONCE)


def _rows(drawn: Drawn, split: Split, config: LinearConfig) -> list[Rows]:
    """Weighted rows of the bins, of each target."""
    rows = drawn.rows
    base, truth = bin_sums(rows.base, rows.size), bin_sums(drawn.truth, rows.size)
    days = (split.validation[-1] - drawn.origins) / np.timedelta64(1440, "m")
    size = base.sum(axis=(1, 3)) / base.shape[1]
    fair = (size + 0.5) ** -config.fairness
    age = 0.5 ** (days / config.half_life_days)
    known = np.where(drawn.known, np.float32(1), WITHOUT_PROFILE)
    weight = np.asarray(age[:, None] * fair[:, None] * known, np.float32)
    return [Rows(*(x[c] for x in (rows.features, base, truth, weight))) for c in range(len(base))]


def _forecaster(features: Features, fitted: list[tuple[Float, Float]], rows: Sequence[Rows]) -> LinearForecaster:
    """Numbers of each target, fitted on these rows, and the bounds of their factors there."""
    pooled, own = (np.stack(side) for side in zip(*fitted, strict=True))
    bounds = np.empty((2, *pooled.shape[:2]), np.float32)
    for target, number in np.ndindex(*pooled.shape[:2]):
        factors = factor(rows[target].features, own[target, :, number])
        bounds[:, target, number] = factors.min(), factors.max()
    return LinearForecaster(features.grid.stations, features.grid.targets, pooled, own, bounds=bounds)


@dataclass(frozen=True)
class Drawn:
    """What a fit sees of some origins.

    Attributes:
        origins: datetime64[m].
        rows: of these.
        truth: counts, float32 [target, origin, station, step].
        known: bool [target, origin, station], whether the hour has a profile.
        weeks: float32 of that shape, earlier weeks that have a count in the hour.
    """

    origins: Minutes
    rows: LinearRows
    truth: Float
    known: npt.NDArray[np.bool_]
    weeks: Float


def draw(features: Features, origins: list[Minutes]) -> Drawn:
    """Rows of batches of origins."""
    parts, past = [], []
    for part in origins:
        tensors = features.tensors(part)
        parts.append(linear_rows(tensors))
        past.append((np.isfinite(hour_profile(tensors)).any(axis=-1), counted_weeks(tensors)))
    inputs, base, hour = (
        np.concatenate(side, axis=1) for side in zip(*((p.features, p.base, p.hour) for p in parts), strict=True)
    )
    every, days = np.concatenate(origins), np.concatenate([p.days for p in parts])
    known, weeks = (np.concatenate(side, axis=1) for side in zip(*past, strict=True))
    return Drawn(every, LinearRows(inputs, base, parts[0].size, days, hour), features.truth(every), known, weeks)


def batches(origins: Minutes, most: int, features: Features) -> list[Minutes]:
    """At most so many of the origins: evenly chosen ones; few of many are runs of `RUN`, about an hour apart."""
    if HELD * most >= len(origins):
        return chunks(pick_evenly(origins, most), features)
    apart = max(int(np.timedelta64(60, "m") / (origins[1] - origins[0])), 1)
    starts = np.linspace(0, len(origins) - 1 - apart * (RUN - 1), max(most // RUN, 1)).astype(np.int64)
    return [origins[start : start + apart * RUN : apart] for start in np.unique(np.maximum(starts, 0)).tolist()]


def choose_penalties(
    train: Rows, held: Rows, strengths: Sequence[float] = STRENGTHS, apart: Sequence[float] = STATION_STRENGTHS
) -> tuple[float, float]:
    """Penalties of the pooled numbers, and of a station's differences, by the deviance of the held hours.

    Args:
        train: rows that are fitted on.
        held: rows that judge.
        strengths: penalties of the pooled numbers that are tried, the strongest first.
        apart: the same of a station's differences.
    """
    hours, checked = train.hour(), held.hour()
    if not np.isfinite(checked.truth).any():
        return UNTOLD
    numbers, tried = np.zeros(train.features.shape[-1], np.float32), []
    for strength in strengths:
        numbers = fit_pooled(hours, strength, numbers, steps=2)
        tried.append(numbers)
    losses = [_loss(checked, each) for each in tried]
    spare = (1 - NEARLY) * (losses[0] - min(losses))
    best = _strongest(losses, spare)
    if train.features.shape[1] < 2:
        return strengths[best], np.inf
    stations = StationFit(hours, tried[best])
    own = _strongest([_loss(checked, stations.numbers(s)) for s in apart], spare)
    return strengths[best], apart[own]


def _strongest(losses: list[float], spare: float) -> int:
    """First of the penalties, strongest first, that is within `spare` of the best."""
    return next(i for i, loss in enumerate(losses) if loss <= min(losses) + spare)


def fit_bins(rows: Rows, strength: float, own: float) -> tuple[Float, Float]:
    """Numbers of all stations, float32 [bin, feature], and of each, [station, bin, feature]."""
    pooled, stations = [], []
    for number in range(rows.base.shape[-1]):
        one = rows.bin(number)
        pooled.append(fit_pooled(one, strength))
        stations.append(StationFit(one, pooled[-1]).numbers(own))
    return np.stack(pooled), np.stack(stations, axis=1)


def _loss(rows: Rows, numbers: Float) -> float:
    """Weighted Poisson deviance of hours, mean over those with a count, but for what no forecast changes."""
    truth = rows.truth[..., 0]
    mean = np.maximum(rows.base[..., 0] * factor(rows.features, numbers), FLOOR)
    loss = rows.weight * (mean - truth * np.log(mean))
    return float(np.nanmean(loss, dtype=np.float64))


def _join(a: Rows, b: Rows) -> Rows:
    parts = ((a.features, b.features), (a.base, b.base), (a.truth, b.truth), (a.weight, b.weight))
    return Rows(*(np.concatenate(pair) for pair in parts))
