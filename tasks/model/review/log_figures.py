"""The figures of one training as MLflow shows them. Metric names are a contract: `<section>/<model>.<figure>`.

Sections: `loss` by epoch; `fit`, its time; `holdout` (all stations) and `network` (their total) on the held-out days;
`horizon` by minute ahead; `hour` by local hour of the origin; `gate`. The model is "challenger", "champion" or a
baseline's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.model.promotion.decision import Decision
from tasks.model.review.changes import find_changes
from tasks.model.review.description import describe_training
from tasks.model.review.pictures import order_scores
from tasks.model.review.tables import (
    FIGURES,
    STEP_FIGURES,
    as_csv,
    attention_rows,
    calibration_rows,
    columns,
    horizon_minutes,
    horizon_rows,
    metric_rows,
    station_rows,
    target_rows,
)
from tasks.model.training.train import CHAMPION, Trained
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.tracking import provenance
from tasks.tracking.runs import Run

CLOCKED = ("fit_seconds", "rows_a_second")
"""What a fit notes that differs when it is done again: metrics, for MLflow takes a parameter once."""


def log_figures(run: Run, settings: Settings, trained: Trained, decision: Decision, meta: Mapping[str, Any]) -> None:
    """Log parameters, metrics, tables and the decision of one training, whose bundle holds `meta`, into a run."""
    as_of, data = trained.as_of, str(meta["data"])
    tree, stations = provenance.settings_tree(settings), station_table(settings)
    run.params(params(settings, trained, data))
    run.json("config.json", tree)
    run.text("decision.md", decision.to_markdown())
    run.json("decision.json", decision.to_dict())
    _log_data(run, settings, trained, data)
    _log_epochs(run, trained, as_of)
    _log_scores(run, trained, as_of)
    rivals = {CHAMPION if row.role == CHAMPION else row.rival: row for row in decision.table}
    gate = {f"gate/{name}.confidence": row.confidence for name, row in rivals.items()}
    gate |= {f"gate/{name}.difference_percent": row.difference for name, row in rivals.items()}
    run.metrics({f"fit/{name}": float(trained.log.notes[name]) for name in CLOCKED if name in trained.log.notes}, as_of)
    run.metrics({"gate/promoted": float(decision.promoted), **gate}, as_of)
    run.text("tables/holdout.csv", as_csv(metric_rows(trained)))
    run.text("tables/targets.csv", as_csv(target_rows(trained)))
    run.text("tables/stations.csv", as_csv(station_rows(trained, stations)))
    run.text("tables/horizon.csv", as_csv(horizon_rows(trained)))
    run.text("tables/calibration.csv", as_csv(calibration_rows(trained)))
    if weights := trained.log.notes.get("attention"):
        run.text("tables/attention.csv", as_csv(attention_rows(weights)))
    run.json("changes.json", find_changes(trained.champion, meta) if trained.champion else [])
    run.tags(
        {
            "mlflow.note.content": describe_training(trained, decision, meta, stations),
            "nexthour.promoted": str(decision.promoted).lower(),
        }
    )


def params(settings: Settings, trained: Trained, data: str) -> dict[str, Any]:
    """What the training was given, flat."""
    parts = {"train": trained.split.train, "validation": trained.split.validation, "holdout": trained.split.holdout}
    spans = {f"split.{n}": f"{o[0]}Z .. {o[-1]}Z, {len(o)} origins" for n, o in parts.items() if len(o)}
    grid, notes = trained.features.grid, trained.log.notes
    return {
        "model": trained.model,
        "as_of": f"{trained.as_of.astype('datetime64[s]')}Z",
        "seed": trained.seed,
        "stations": len(grid.stations),
        "data_fingerprint": data,
        **spans,
        **{f"fit.{name}": value for name, value in notes.items() if np.isscalar(value) and name not in CLOCKED},
        **provenance.flatten(provenance.settings_tree(settings)),
    }


def _log_data(run: Run, settings: Settings, trained: Trained, data: str) -> None:
    grid = trained.features.grid
    span = {"from": f"{grid.minutes[0]}Z", "to": f"{grid.minutes[-1]}Z", "interval": grid.interval}
    size = {"stations": len(grid.stations), "observed": round(float(np.isfinite(grid.values).mean()), 4)}
    run.data("minutes", data, provenance.redact(settings.data_root), span | size)
    run.json("data.json", {**span, **size, "targets": list(grid.targets), "station_ids": list(grid.stations)})


def _log_epochs(run: Run, trained: Trained, as_of: np.datetime64) -> None:
    epochs = trained.log.epochs
    count = min((len(values) for values in epochs.values()), default=0)
    for name, values in epochs.items():
        first = 1 - (len(values) - count)  # a validation has one value before any epoch
        run.series({f"loss/{name}": values}, as_of, range(first, first + len(values)))


def _log_scores(run: Run, trained: Trained, as_of: np.datetime64) -> None:
    for name, scores in order_scores(trained.scores):
        for section, values in (("holdout", scores.overall), ("network", scores.network)):
            run.metrics({f"{section}/{name}.{figure}": values[figure] for figure in FIGURES}, as_of)
        steps = columns(scores.by_horizon, STEP_FIGURES)
        run.series({f"horizon/{name}.{k}": v for k, v in steps.items()}, as_of, horizon_minutes(trained))
        hours = columns(scores.by_hour, FIGURES[:3])
        run.series({f"hour/{name}.{k}": v for k, v in hours.items()}, as_of, range(24))
