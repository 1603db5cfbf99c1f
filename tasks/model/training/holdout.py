"""How fitted models do on the hold-out: all on the same origins, seen once, sums kept and predictions dropped."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Minutes
from tasks.busy_hours import PEAK_SUMS, BusyHours, peak_counts, peak_figures
from tasks.clock import to_local
from tasks.contracts import Features, Forecaster, Progress
from tasks.metrics import SUMS, Cells, Double, Span, add_up, cells, figures, network_total
from tasks.model.origin_chunks import chunks
from tasks.tiers import TIERS, headroom_taken, noise_floor, station_tiers
from tasks.total import coherent

log = logging.getLogger(__name__)

ROWS = 60_000
"""Rows (an origin at a station) that are scored, at most; with more, origins are left out evenly."""
DAY = np.timedelta64(1440, "m")
PARTS = 4
"""Parts of a held-out day that have a loss of their own."""
FLOOR = 0.1
"""Least forecast of an hour, people, in the deviance of the hour."""


@dataclass(frozen=True)
class Scores:
    """Figures of one model on the hold-out; see `metrics.figures`.

    Attributes:
        overall: all targets and stations; here and below but for their total, where the network asks for one.
        network: the network total.
        by_target: by name.
        by_station: by name, the total among them.
        by_horizon: by step of the hour.
        by_hour: by local hour of the day of the origin, 24.
        daily: float64 [day, station], Poisson deviance of the hour, mean over targets and origins; NaN without truth.
            The total is the last station, where there is one. Days are 24 hours each, counted back from the last
            origin. The gate judges by it.
        by_part: float64 [part of a day, station], the same for each quarter of these days, by which it judges few days.
        calibration: share of observed minutes at or below each quantile of `QUANTILES`.
        by_tier: by third of the stations, busiest first. There and in `overall` are, besides, `noise_floor`, the RMSE
            of the true rate of Poisson counts; `peak_precision` and `peak_recall`, see `busy_hours`; and, where
            baselines were scored, `headroom_taken`, see `tiers`.
    """

    overall: dict[str, float]
    network: dict[str, float]
    by_target: dict[str, dict[str, float]]
    by_station: dict[str, dict[str, float]]
    by_horizon: list[dict[str, float]]
    by_hour: list[dict[str, float]]
    daily: Double
    by_part: Double
    calibration: list[float]
    by_tier: dict[str, dict[str, float]] = field(default_factory=dict)


def held_out_day(origins: Minutes, parts: int = 1) -> npt.NDArray[np.int64]:
    """Held-out day of each origin, 0 the earliest; days are 24 hours, counted back from the last origin.

    Args:
        origins: ascending.
        parts: into which each day is cut; the number is then that of the part.
    """
    if not len(origins):
        return np.zeros(0, np.int64)
    back = (origins[-1] - origins) // (DAY // parts)
    return np.asarray((back.max() // parts + 1) * parts - 1 - back, np.int64)


def limit_origins(origins: Minutes, stations: int) -> Minutes:
    """The origins, or evenly chosen ones where all are more than `ROWS` rows."""
    stride = -(-len(origins) * stations // ROWS)
    return origins[:: -max(stride, 1)][::-1]


def score(
    features: Features,
    origins: Minutes,
    models: Mapping[str, Forecaster],
    timezone: str,
    progress: Progress | None = None,
    baselines: Collection[str] = (),
) -> dict[str, Scores]:
    """Score models on the same origins, a bounded number at a time.

    Args:
        features: tensors and truth of the origins.
        origins: ascending, see `limit_origins`.
        models: by name.
        timezone: of the hour of the day.
        progress: called with the number of origins done.
        baselines: names of the models whose best is what others are held against, see `headroom_taken`.
    """
    grid, part_of_day = features.grid, held_out_day(origins, PARTS)
    hour = ((to_local(origins, timezone).astype(np.int64) // 60) % 24).astype(np.int64)
    sums, busy = {name: _Sums(features, part_of_day, hour) for name in models}, BusyHours(grid, origins)
    done = 0
    for part in chunks(origins, features):
        tensors, truth, limits = features.tensors(part), features.truth(part), busy.limits(part)
        at = slice(done, done + len(part))
        for name, model in models.items():
            prediction = coherent(model.predict(tensors), tensors)
            sums[name].add(prediction.mean, prediction.quantiles, truth, limits, at)
        done += len(part)
        if progress:
            progress("hold-out origins", done, len(origins))
    scores = {name: total.scores(grid.targets, grid.stations) for name, total in sums.items()}
    _add_headroom(scores, baselines)
    return scores


def _add_headroom(scores: Mapping[str, Scores], baselines: Collection[str]) -> None:
    """Add `headroom_taken` to the figures of all stations and of every tier."""
    groups = [{name: each.overall for name, each in scores.items()}]
    groups += [{name: each.by_tier[tier] for name, each in scores.items() if tier in each.by_tier} for tier in TIERS]
    for of in groups:
        for name, share in headroom_taken(of, baselines).items():
            of[name]["headroom_taken"] = share


class _Sums:
    """Sums of one model while the origins go by; spans are the steps of the hour, then the hour."""

    def __init__(self, features: Features, part: npt.NDArray[np.int64], hour: npt.NDArray[np.int64]) -> None:
        stations, steps = len(features.grid.stations), 60 // features.grid.interval
        self.spans = [Span(str(i), slice(i, i + 1)) for i in range(steps)] + [Span("hour", slice(0, steps))]
        self.part, self.hour = part, hour
        self.cells: Any = 0
        self.total: Any = 0
        self.by_hour: Any = 0
        self.loss, self.hours = (np.zeros((int(part.max(initial=-1)) + 1, stations)) for _ in range(2))
        self.below, self.minutes, self.peaks = np.zeros(7), 0, np.zeros((1, stations, len(PEAK_SUMS)))
        self.parts = features.grid.parts

    def add(self, mean: Float, quantiles: Float, truth: Float, limits: Double, at: slice) -> None:
        scored, parts = cells(mean, truth, quantiles, self.spans), self.parts
        self.cells = self.cells + add_up(scored, (1,))  # [C, S, B, K]
        total = network_total(mean[:, :, parts], truth[:, :, parts])
        self.total = self.total + add_up(cells(*total, None, self.spans[-1:]), (0, 1, 2))
        by_origin = add_up(Cells._make(x[:, :, parts] for x in scored), (0, 2))[:, -1]  # [O, K]
        hours = np.zeros((24, by_origin.shape[-1]))
        np.add.at(hours, self.hour[at], by_origin)
        self.by_hour = self.by_hour + hours
        whole = scored.complete[..., -1]
        loss = hour_deviance(scored.forecast[..., -1], scored.actual[..., -1])
        np.add.at(self.loss, self.part[at], np.where(whole, loss, 0).sum(axis=0))
        np.add.at(self.hours, self.part[at], whole.sum(axis=0))
        self.peaks = self.peaks + peak_counts(mean, truth, limits)
        truth, quantiles = truth[:, :, parts], quantiles[:, :, :, parts]
        seen = np.isfinite(truth)
        self.below += [(seen & (truth <= quantile)).sum() for quantile in quantiles]
        self.minutes += int(seen.sum())

    def scores(self, targets: tuple[str, ...], stations: tuple[str, ...]) -> Scores:
        """Close the sums."""
        hour = self.cells[..., -1, :]
        among = hour[:, self.parts]
        steps = self.cells[:, self.parts].sum(axis=(0, 1))
        peaks = self.peaks[:, self.parts]
        tiers = station_tiers(among[..., SUMS.index("actual")].sum(axis=0))
        return Scores(
            overall=_all_figures(among, peaks),
            network=figures(self.total[0]),
            by_target={name: figures(among[c].sum(axis=0)) for c, name in enumerate(targets)},
            by_station={name: figures(hour[:, s].sum(axis=0)) for s, name in enumerate(stations)},
            by_horizon=[figures(step, "step") for step in steps[:-1]],
            by_hour=[figures(row) for row in self.by_hour],
            daily=_mean(*(x.reshape(-1, PARTS, len(stations)).sum(axis=1) for x in (self.loss, self.hours))),
            by_part=_mean(self.loss, self.hours),
            calibration=(self.below / max(self.minutes, 1)).tolist(),
            by_tier={
                name: {"stations": float(len(of)), **_all_figures(among[:, of], peaks[:, of])}
                for name, of in zip(TIERS, tiers, strict=False)
            },
        )


def _all_figures(sums: Double, peaks: Double) -> dict[str, float]:
    """Figures of sums [C, S, K] and peaks [C, S, 4] of some stations, with their noise floor."""
    total = sums.sum(axis=(0, 1))
    floor = noise_floor(total[SUMS.index("actual")], total[SUMS.index("spans")])
    return figures(total) | peak_figures(peaks.sum(axis=(0, 1))) | {"noise_floor": floor}


def _mean(sums: Double, counts: Double) -> Double:
    """Means; NaN where nothing counts."""
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def hour_deviance(forecast: Double, actual: Double) -> Double:
    """Poisson deviance of hours, 2 (y log(y / mu) - (y - mu)), mu at least `FLOOR`."""
    mu, y = np.maximum(forecast, FLOOR), actual
    return np.asarray(2 * (y * np.log(np.where(y > 0, y, 1) / np.where(y > 0, mu, 1)) - (y - mu)))
