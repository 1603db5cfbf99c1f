"""The figures of one training as MLflow shows them. Metric names are a contract: `<section>/<model>.<figure>`.

Sections: `loss` by epoch; `fit`, its time; `holdout` (all stations) and `network` (their total) on the held-out days;
`horizon` by minute ahead; `hour` by local hour of the origin; `gate`; `history`, what the oldest third of a short
history has brought. The model is "challenger", "champion" or a baseline's name. `tier/<model>.<figure>` holds those of
the busiest, middle and quietest third, steps 0, 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.contracts import Split
from tasks.grid import Grid
from tasks.model.promotion.decision import Decision
from tasks.model.review.changes import find_changes
from tasks.model.review.data_sets import data_set
from tasks.model.review.description import describe_training, shorten
from tasks.model.review.pictures import order_scores
from tasks.model.review.tables import (
    FIGURES,
    GAINS,
    STEP_FIGURES,
    as_csv,
    attention_rows,
    calibration_rows,
    columns,
    group_rows,
    horizon_minutes,
    horizon_rows,
    metric_rows,
    station_rows,
    target_rows,
    tier_rows,
)
from tasks.model.training.judge import CHALLENGER, CHAMPION
from tasks.model.training.train import Trained
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.tiers import TIERS
from tasks.tracking import provenance
from tasks.tracking.run import HELD_OUT, DataSet, Run

TIER_FIGURES = ("rmse_hour", "crps", *GAINS)
CLOCKED = ("fit_seconds", "rows_a_second")
"""What a fit notes that differs when it is done again: metrics, for MLflow takes a parameter once."""


def log_figures(
    run: Run,
    settings: Settings,
    trained: Trained,
    decision: Decision,
    meta: Mapping[str, Any],
    model_id: str | None = None,
) -> None:
    """Log metrics, tables and the decision of one training into a run.

    Args:
        run: open.
        settings: the tree.
        trained: what was trained.
        decision: the gate's.
        meta: of the bundle.
        model_id: logged model of the challenger; its figures on the held-out days and its gains are linked to it.
    """
    as_of, tree, stations = trained.as_of, provenance.settings_tree(settings), station_table(settings)
    run.json("config.json", tree)
    run.text("decision.md", decision.to_markdown())
    run.json("decision.json", decision.to_dict())
    _log_data(run, trained)
    _log_epochs(run, trained)
    held_out = data_set(settings, trained.features.grid, HELD_OUT, trained.split.holdout)
    _log_scores(run, trained, as_of, model_id, held_out)
    run.metrics({f"fit/{name}": float(trained.log.notes[name]) for name in CLOCKED if name in trained.log.notes}, as_of)
    if trained.history:
        run.metrics({"history/days": trained.history.days, "history/gain_percent": trained.history.percent}, as_of)
    _log_gate(run, decision, as_of, model_id)
    run.text("tables/holdout.csv", as_csv(metric_rows(trained)))
    run.text("tables/targets.csv", as_csv(target_rows(trained)))
    run.text("tables/tiers.csv", as_csv(tier_rows(trained)))
    run.text("tables/stations.csv", as_csv(station_rows(trained, stations)))
    run.text("tables/horizon.csv", as_csv(horizon_rows(trained)))
    run.text("tables/calibration.csv", as_csv(calibration_rows(trained)))
    if weights := trained.log.notes.get("attention"):
        run.text("tables/attention.csv", as_csv(attention_rows(weights)))
    run.json("changes.json", find_changes(trained.champion, meta) if trained.champion else [])
    run.tags(
        {
            "mlflow.note.content": shorten(describe_training(trained, decision, meta, stations)),
            "nexthour.promoted": str(decision.promoted).lower(),
        }
    )


def settings_params(
    settings: Settings, model: str, as_of: np.datetime64, grid: Grid, split: Split, data: str
) -> dict[str, Any]:
    """What a training is given, flat; known before it begins."""
    parts = {"train": split.train, "validation": split.validation, "holdout": split.holdout}
    spans = {f"split.{n}": f"{o[0]}Z .. {o[-1]}Z, {len(o)} origins" for n, o in parts.items() if len(o)}
    return {
        "model": model,
        "as_of": f"{as_of.astype('datetime64[s]')}Z",
        "seed": settings.retrain.seed,
        "stations": len(grid.stations),
        "data_fingerprint": data,
        **spans,
        **provenance.flatten(provenance.settings_tree(settings)),
    }


def fit_params(trained: Trained) -> dict[str, Any]:
    """What the fit notes of itself and is the same when it is done again."""
    notes = trained.log.notes
    return {f"fit.{name}": value for name, value in notes.items() if np.isscalar(value) and name not in CLOCKED}


def _log_gate(run: Run, decision: Decision, as_of: np.datetime64, model_id: str | None) -> None:
    """Log how the challenger stands against each rival, and what came of each group where there are some."""
    rivals = {CHAMPION if row.role == CHAMPION else row.rival: row for row in decision.table}
    gate = {f"gate/{name}.confidence": row.confidence for name, row in rivals.items()}
    gate |= {f"gate/{name}.difference_percent": row.difference for name, row in rivals.items()}
    run.metrics({"gate/promoted": float(decision.promoted), **gate}, as_of, model_id=model_id)
    if decision.groups:
        run.metrics({"gate/groups_promoted": sum(row.promoted for row in decision.groups)}, as_of, model_id=model_id)
        run.text("tables/groups.csv", as_csv(group_rows(decision)))


def _log_data(run: Run, trained: Trained) -> None:
    grid = trained.features.grid
    span = {"from": f"{grid.minutes[0]}Z", "to": f"{grid.minutes[-1]}Z", "interval": grid.interval}
    size = {"stations": len(grid.stations), "observed": round(grid.observed_share, 4)}
    run.json("data.json", {**span, **size, "targets": list(grid.targets), "station_ids": list(grid.stations)})


def _log_epochs(run: Run, trained: Trained) -> None:
    """Add what the run has not received while it trained."""
    epochs = trained.log.epochs
    count = min((len(values) for values in epochs.values()), default=0)
    for name, values in epochs.items():
        first = 1 - (len(values) - count)  # a validation has one value before any epoch
        run.fill_series({f"loss/{name}": values}, trained.as_of, range(first, first + len(values)))


def _log_scores(
    run: Run, trained: Trained, as_of: np.datetime64, model_id: str | None, held_out: DataSet | None
) -> None:
    for name, scores in order_scores(trained.scores):
        own = model_id if name == CHALLENGER else None
        for section, values in (("holdout", scores.overall), ("network", scores.network)):
            known = [figure for figure in (*FIGURES, *GAINS) if figure in values]
            figures = {f"{section}/{name}.{figure}": values[figure] for figure in known}
            run.metrics(figures, as_of, model_id=own, data=held_out)
        tiers = [scores.by_tier[tier] for tier in TIERS if tier in scores.by_tier]
        run.series(
            {f"tier/{name}.{k}": [of.get(k, np.nan) for of in tiers] for k in TIER_FIGURES}, as_of, range(len(tiers))
        )
        steps = columns(scores.by_horizon, STEP_FIGURES)
        run.series({f"horizon/{name}.{k}": v for k, v in steps.items()}, as_of, horizon_minutes(trained))
        hours = columns(scores.by_hour, FIGURES[:3])
        run.series({f"hour/{name}.{k}": v for k, v in hours.items()}, as_of, range(24))
