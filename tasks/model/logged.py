"""The figures of one training as MLflow shows them. Metric names are a contract: `<section>/<model>.<figure>`.

Sections: `loss` by epoch; `holdout` (all stations) and `network` (their total) on the held-out days; `horizon` by
minute ahead; `hour` by local hour of the origin; `gate`. The model is "challenger", "champion" or a baseline's name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tasks import provenance
from tasks.contracts import QUANTILES
from tasks.metrics import finite
from tasks.model.changes import changes, changes_markdown
from tasks.model.gate import Decision
from tasks.model.pictures import ordered
from tasks.model.train import CHALLENGER, CHAMPION, Trained
from tasks.settings import Settings
from tasks.tracking import Run

FIGURES = (
    "rmse_hour",
    "mae_hour",
    "wape",
    "bias",
    "poisson_deviance",
    "pinball",
    "coverage_80",
    "coverage_90",
)
SHARES = ("wape", "bias", "coverage_80", "coverage_90")
WORST = 3
"""Stations that are named where the challenger gains, and where it loses."""
STEP_FIGURES = ("mae_step", "poisson_deviance", "pinball")


def log_figures(run: Run, settings: Settings, trained: Trained, decision: Decision, meta: Mapping[str, Any]) -> None:
    """Log parameters, metrics, tables and the decision of one training, whose bundle says `meta`, into a run."""
    as_of, data = trained.as_of, str(meta["data"])
    tree = provenance.resolved(settings)
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
    run.metrics({"gate/promoted": float(decision.promoted), **gate}, as_of)
    run.text("tables/holdout.csv", as_csv(metric_rows(trained)))
    run.text("tables/targets.csv", as_csv(target_rows(trained)))
    run.text("tables/stations.csv", as_csv(station_rows(trained)))
    run.text("tables/horizon.csv", as_csv(horizon_rows(trained)))
    run.text("tables/calibration.csv", as_csv(calibration_rows(trained)))
    if weights := trained.log.notes.get("attention"):
        run.text("tables/attention.csv", as_csv(attention_rows(weights)))
    run.json("changes.json", changes(trained.champion, meta) if trained.champion else [])
    run.tags(
        {"mlflow.note.content": note(trained, decision, meta), "nexthour.promoted": str(decision.promoted).lower()}
    )


def params(settings: Settings, trained: Trained, data: str) -> dict[str, Any]:
    """What the training was given, flat."""
    parts = {"train": trained.split.train, "validation": trained.split.validation, "holdout": trained.split.holdout}
    spans = {f"split.{n}": f"{o[0]}Z .. {o[-1]}Z, {len(o)} origins" for n, o in parts.items() if len(o)}
    grid = trained.features.grid
    return {
        "model": trained.model,
        "as_of": f"{trained.as_of.astype('datetime64[s]')}Z",
        "seed": trained.seed,
        "stations": len(grid.stations),
        "data_fingerprint": data,
        **spans,
        **{f"fit.{name}": value for name, value in trained.log.notes.items() if np.isscalar(value)},
        **provenance.flattened(provenance.resolved(settings)),
    }


def metric_rows(trained: Trained) -> list[dict[str, Any]]:
    """A row a model: its figures on the held-out days, and those of the network total as `network_…`."""
    rows = []
    for name, scores in ordered(trained.scores):
        own = finite({figure: scores.overall[figure] for figure in FIGURES})
        total = finite({f"network_{figure}": scores.network[figure] for figure in FIGURES[:5]})
        rows.append({"model": name, **own, **total})
    return rows


def target_rows(trained: Trained) -> list[dict[str, Any]]:
    """A row a target and model."""
    return [
        {"target": target, "model": name, **finite({figure: figures[figure] for figure in FIGURES})}
        for name, scores in ordered(trained.scores)
        for target, figures in scores.by_target.items()
    ]


def station_rows(trained: Trained) -> list[dict[str, Any]]:
    """A row a station and model."""
    grid = trained.features.grid
    return [
        {
            "station_id": station,
            "people_a_day": round(float(volume), 1),
            "model": name,
            **finite({figure: scores.by_station[station][figure] for figure in FIGURES}),
        }
        for station, volume in zip(grid.stations, trained.volume, strict=True)
        for name, scores in ordered(trained.scores)
        if scores.by_station
    ]


def horizon_rows(trained: Trained) -> list[dict[str, Any]]:
    """A row a minute ahead and model."""
    return [
        {"minutes_ahead": minute, "model": name, **finite({figure: step[figure] for figure in STEP_FIGURES})}
        for name, scores in ordered(trained.scores)
        for minute, step in zip(horizon_minutes(trained), scores.by_horizon, strict=True)
    ]


def calibration_rows(trained: Trained) -> list[dict[str, Any]]:
    """A row a quantile and model: the share of held-out minutes at or below it."""
    return [
        {"quantile": level, "model": name, "share_reached": share}
        for name, scores in ordered(trained.scores)
        for level, share in zip(QUANTILES, scores.calibration, strict=True)
    ]


def attention_rows(weights: Sequence[float]) -> list[dict[str, Any]]:
    """A row a week, the oldest first: how much it counted."""
    return [{"weeks_ago": len(weights) - i, "attention": weight} for i, weight in enumerate(weights)]


def horizon_minutes(trained: Trained) -> list[int]:
    """Minutes ahead at the end of each step."""
    interval = trained.features.grid.interval
    return list(range(interval, 60 + interval, interval))


def note(trained: Trained, decision: Decision, meta: Mapping[str, Any]) -> str:
    """Description of run and version, markdown: the decision, the figures of every model, where, data, changes."""
    lines = [
        decision.to_markdown(),
        "Loss: Poisson deviance of a station's hour, mean over stations; the tests are paired by held-out day.",
        "",
        "The held-out days, all stations, people in the hour:",
        "",
        "| model | RMSE | MAE | WAPE | bias | deviance a minute | pinball | within 80 % | within 90 % |",
        "|---|" + "---:|" * 8,
    ]
    for row in metric_rows(trained):
        cells = (_shown(figure, row[figure]) if figure in row else "" for figure in FIGURES)
        lines.append(f"| {row['model']} | {' | '.join(cells)} |")
    lines += ["", *_where(trained), "", *_about_data(trained, meta)]
    if trained.champion:
        lines += ["", changes_markdown(trained.champion, meta, trained.champion["version"])]
    return roomy("\n".join(lines) + "\n")


def _where(trained: Trained) -> list[str]:
    """Stations where the challenger gained and lost most people's worth of error against the best rival."""
    rivals = {name: s for name, s in trained.scores.items() if name != CHALLENGER and s.by_station}
    ours = trained.scores[CHALLENGER].by_station if CHALLENGER in trained.scores else {}
    if not rivals or len(ours) < 2:
        return []
    name = CHAMPION if CHAMPION in rivals else min(rivals, key=lambda n: rivals[n].overall["mae_hour"])
    saved = {s: rivals[name].by_station[s]["mae_hour"] - row["mae_hour"] for s, row in ours.items()}
    order = sorted((s for s in saved if np.isfinite(saved[s])), key=lambda s: saved[s])
    worse = [s for s in order[:WORST] if saved[s] < 0]
    if not any(saved.values()):
        return []
    lines = [
        f"**Where**, against {name}: {sum(saved[s] > 0 for s in order)} of {len(order)} stations are better. People an "
        "hour, MAE:",
        "",
        "| | station | challenger | " + name + " |",
        "|---|---|---:|---:|",
    ]
    for what, stations in (("better", reversed(order[-WORST:])), ("worse", worse)):
        shown = [s for s in stations if (saved[s] > 0) == (what == "better")]
        theirs = rivals[name].by_station
        lines += [f"| {what} | {s} | {ours[s]['mae_hour']:.2f} | {theirs[s]['mae_hour']:.2f} |" for s in shown]
    return lines


def _about_data(trained: Trained, meta: Mapping[str, Any]) -> list[str]:
    """Which data, in a sentence."""
    grid, split = trained.features.grid, trained.split
    parts = (("training", split.train), ("validation", split.validation), ("held out", split.holdout))
    spans = "; ".join(f"{name} {str(o[0])[:10]} to {str(o[-1])[:10]}" for name, o in parts if len(o))
    seen = float(np.isfinite(grid.values).mean())
    size = f"{len(grid.stations):,} stations, {seen:.1%} of the minutes observed"
    return [f"**Data** `{meta['data']}`: {size}; {spans} (UTC)."]


def _shown(figure: str, value: float) -> str:
    return f"{value:.1%}" if figure in SHARES else f"{value:.1f}" if figure.endswith("hour") else f"{value:.3f}"


def roomy(markdown: str) -> str:
    """Markdown whose table cells, and what follows a table, stand apart where nothing is padded, as in MLflow."""
    return markdown.replace(" |\n\n", " |\n\n&nbsp;\n\n").replace(" |", "&ensp; |")


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, figures to six digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return out.getvalue()


def _log_data(run: Run, settings: Settings, trained: Trained, data: str) -> None:
    grid = trained.features.grid
    span = {"from": f"{grid.minutes[0]}Z", "to": f"{grid.minutes[-1]}Z", "interval": grid.interval}
    size = {"stations": len(grid.stations), "observed": round(float(np.isfinite(grid.values).mean()), 4)}
    run.data("minutes", data, provenance.redacted(settings.data_root), span | size)
    run.json("data.json", {**span, **size, "targets": list(grid.targets), "station_ids": list(grid.stations)})


def _log_epochs(run: Run, trained: Trained, as_of: np.datetime64) -> None:
    epochs = trained.log.epochs
    count = min((len(values) for values in epochs.values()), default=0)
    for name, values in epochs.items():
        first = 1 - (len(values) - count)  # a validation has one value before any epoch
        run.series({f"loss/{name}": values}, as_of, range(first, first + len(values)))


def _log_scores(run: Run, trained: Trained, as_of: np.datetime64) -> None:
    for name, scores in ordered(trained.scores):
        for section, values in (("holdout", scores.overall), ("network", scores.network)):
            run.metrics({f"{section}/{name}.{figure}": values[figure] for figure in FIGURES}, as_of)
        steps = columns(scores.by_horizon, STEP_FIGURES)
        run.series({f"horizon/{name}.{k}": v for k, v in steps.items()}, as_of, horizon_minutes(trained))
        hours = columns(scores.by_hour, FIGURES[:3])
        run.series({f"hour/{name}.{k}": v for k, v in hours.items()}, as_of, range(24))


def columns(rows: Iterable[Mapping[str, float]], names: Sequence[str]) -> dict[str, list[float]]:
    """Rows of figures as one list a figure."""
    table = list(rows)
    return {name: [row[name] for row in table] for name in names}
