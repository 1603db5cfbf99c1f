"""Rows of the tables that a training leaves: figures by model, target, station, minute ahead, quantile and week."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.arrays import QUANTILES
from tasks.escapes import escape_spreadsheet
from tasks.metrics import finite
from tasks.model.promotion.decision import Decision
from tasks.model.review.pictures import order_scores
from tasks.model.training.train import Trained
from tasks.stations.table import NO_STATIONS, StationTable
from tasks.tiers import TIERS

FIGURES = (
    "rmse_hour",
    "mae_hour",
    "wape",
    "bias",
    "poisson_deviance",
    "pinball",
    "coverage_80",
    "coverage_90",
    "peak_wape",
    "crps",
    "coverage_50",
)
GAINS = ("noise_floor", "headroom_taken", "peak_precision", "peak_recall")
"""Figures of all stations and of tiers, where there are any."""
STEP_FIGURES = ("mae_step", "poisson_deviance", "pinball")


def metric_rows(trained: Trained) -> list[dict[str, Any]]:
    """One row per model: its figures on the held-out days, and those of the network total as `network_…`."""
    rows = []
    for name, scores in order_scores(trained.scores):
        own = _table_figures(scores.overall)
        total = finite({f"network_{figure}": scores.network[figure] for figure in FIGURES[:5]})
        rows.append({"model": name, **own, **total})
    return rows


def tier_rows(trained: Trained) -> list[dict[str, Any]]:
    """One row per tier of stations and model, busiest first."""
    ordered = order_scores(trained.scores)
    return [
        {
            "tier": tier,
            "stations": int(scores.by_tier[tier]["stations"]),
            "model": name,
            **_table_figures(scores.by_tier[tier]),
        }
        for tier in TIERS
        for name, scores in ordered
        if tier in scores.by_tier
    ]


def _table_figures(figures: Mapping[str, float]) -> dict[str, float]:
    return finite({figure: figures[figure] for figure in (*FIGURES, *GAINS) if figure in figures})


def target_rows(trained: Trained) -> list[dict[str, Any]]:
    """One row per target and model."""
    return [
        {"target": target, "model": name, **finite({figure: figures[figure] for figure in FIGURES})}
        for name, scores in order_scores(trained.scores)
        for target, figures in scores.by_target.items()
    ]


def station_rows(trained: Trained, stations: StationTable = NO_STATIONS) -> list[dict[str, Any]]:
    """One row per station and model; with a column of names where the station table has any."""
    grid = trained.features.grid
    return [
        {
            "station_id": station,
            **({"name": escape_spreadsheet(stations.find(station).name or "")} if stations.stations else {}),
            "people_a_day": round(float(volume), 1),
            "model": name,
            **finite({figure: scores.by_station[station][figure] for figure in FIGURES}),
        }
        for station, volume in zip(grid.stations, trained.volume, strict=True)
        for name, scores in order_scores(trained.scores)
        if scores.by_station
    ]


def horizon_rows(trained: Trained) -> list[dict[str, Any]]:
    """One row per minute ahead and model."""
    return [
        {"minutes_ahead": minute, "model": name, **finite({figure: step[figure] for figure in STEP_FIGURES})}
        for name, scores in order_scores(trained.scores)
        for minute, step in zip(horizon_minutes(trained), scores.by_horizon, strict=True)
    ]


def calibration_rows(trained: Trained) -> list[dict[str, Any]]:
    """One row per quantile and model: the share of held-out minutes at or below it."""
    return [
        {"quantile": level, "model": name, "share_reached": share}
        for name, scores in order_scores(trained.scores)
        for level, share in zip(QUANTILES, scores.calibration, strict=True)
    ]


def group_rows(decision: Decision) -> list[dict[str, Any]]:
    """One row per group of stations and rival: the challenger's loss beside it; one without rival where none is."""
    rows = []
    for row in decision.groups:
        own = {"group": escape_spreadsheet(row.group), "stations": row.stations, "verdict": row.verdict}
        own |= {"answers": row.kept or "challenger"}
        losses = [
            {"rival": r.rival, "challenger_loss": r.challenger, "rival_loss": r.loss, "confidence": r.confidence}
            for r in row.table
        ]
        rows += [{**own, **each} for each in losses or ({},)]
    return rows


def attention_rows(weights: Sequence[float]) -> list[dict[str, Any]]:
    """One row per week, the oldest first: its weight."""
    return [{"weeks_ago": len(weights) - i, "attention": weight} for i, weight in enumerate(weights)]


def horizon_minutes(trained: Trained) -> list[int]:
    """Minutes ahead at the end of each step."""
    interval = trained.features.grid.interval
    return list(range(interval, 60 + interval, interval))


def columns(rows: Iterable[Mapping[str, float]], names: Sequence[str]) -> dict[str, list[float]]:
    """Rows of figures as one list per figure."""
    table = list(rows)
    return {name: [row[name] for row in table] for name in names}


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, figures to six digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return out.getvalue()
