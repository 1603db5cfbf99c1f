"""What a scoring reports: figures of all stations, by target, model, tier and band, and how well bands hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.score.drift import Drift
from tasks.score.live_error import TierControl

Figures = dict[str, float]


@dataclass(frozen=True)
class ScoreReport:
    """How the forecasts of some days did. Figures that nothing supports are absent.

    Attributes:
        days: service days whose scores are up to date.
        origins: issues of which something was scored.
        rows: of the scores table.
        pending: issues whose hour is not over.
        unobserved: issues whose hour is over and whose truth is not there.
        metrics: all targets, and all stations but for their total; see `metrics.figures`, with `peak_precision` and
            `peak_recall` (see `busy_hours`), `noise_floor`, `skill` (1 less the absolute error of the hour over that of
            the same wall-clock minutes a week before, where both are known), `headroom` (the same of the squared
            errors, each less what chance makes) and coverage by band.
        network: figures of the sum over stations.
        by_target, by_model, by_tier: figures of the stations by target, model version, and third of the stations.
        by_group: a row per tier, model version and band: `tier`, `model`, `band`, and figures.
        calibration: a row per quantile: `quantile`, and the shares of minutes `below` it and `at_or_below` it. The
            level of a quantile that is right lies between the two, as counts are whole numbers.
        overrides: hours that a person changed: `hours`, `mae_hour` as published, `mae_hour_without` the change.
        shadows: figures of the stations by shadow model, and of what was published at the same origins as `published`.
        hours: clock hours of origins whose scores were computed by this run; of the others they are as they were.
        late: those of `days` that late data had marked.
        control: where the hourly error of each tier of stations stands; empty where it was not looked at.
        total: figures of the total's own forecasts, as `metrics` has them; empty where the network asks for none.
        drift: how far the counts of the last week are from those before, per tier; empty where it was not looked at.
        rest_of_day: a row per band of hours ahead: `hours_ahead`, `bins`, `wape`, `wape_weekday_mean`, `coverage_90`.
        alerts: by signal, its threshold and what that brought in the last weeks; see `tasks.alerts.steps`.
    """

    days: list[str]
    origins: int
    rows: int
    pending: int
    unobserved: int
    metrics: Figures
    network: Figures
    by_target: dict[str, Figures]
    by_model: dict[str, Figures]
    by_tier: dict[str, Figures] = field(default_factory=dict)
    by_group: list[dict[str, Any]] = field(default_factory=list)
    calibration: list[Figures] = field(default_factory=list)
    overrides: Figures = field(default_factory=dict)
    shadows: dict[str, Figures] = field(default_factory=dict)
    hours: int = 0
    late: list[str] = field(default_factory=list)
    total: Figures = field(default_factory=dict)
    control: tuple[TierControl, ...] = ()
    drift: tuple[Drift, ...] = ()
    rest_of_day: list[dict[str, Any]] = field(default_factory=list)
    alerts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
