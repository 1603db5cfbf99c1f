"""The description of a run and its version, markdown: what a reviewer reads first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.escapes import escape_markdown
from tasks.model.promotion.decision import Decision
from tasks.model.review.changes import changes_markdown
from tasks.model.review.tables import FIGURES, metric_rows
from tasks.model.training.train import CHALLENGER, CHAMPION, Trained
from tasks.stations.table import NO_STATIONS, StationTable

SHARES = ("wape", "bias", "coverage_80", "coverage_90")
WORST = 3
"""Stations that are named where the challenger gains, and where it loses."""


def describe_training(
    trained: Trained, decision: Decision, meta: Mapping[str, Any], stations: StationTable = NO_STATIONS
) -> str:
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
        cells = (_format_figure(figure, row[figure]) if figure in row else "" for figure in FIGURES)
        lines.append(f"| {row['model']} | {' | '.join(cells)} |")
    lines += ["", *_where(trained, stations), "", *_about_data(trained, meta)]
    if trained.champion:
        lines += ["", changes_markdown(trained.champion, meta, trained.champion["version"])]
    return roomy("\n".join(lines) + "\n")


def _where(trained: Trained, table: StationTable) -> list[str]:
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
        lines += [
            f"| {what} | {escape_markdown(table.label(s))} | {ours[s]['mae_hour']:.2f} | {theirs[s]['mae_hour']:.2f} |"
            for s in shown
        ]
    return lines


def _about_data(trained: Trained, meta: Mapping[str, Any]) -> list[str]:
    """Which data, in a sentence."""
    grid, split = trained.features.grid, trained.split
    parts = (("training", split.train), ("validation", split.validation), ("held out", split.holdout))
    spans = "; ".join(f"{name} {str(o[0])[:10]} to {str(o[-1])[:10]}" for name, o in parts if len(o))
    seen = float(np.isfinite(grid.values).mean())
    size = f"{len(grid.stations):,} stations, {seen:.1%} of the minutes observed"
    return [f"**Data** `{meta['data']}`: {size}; {spans} (UTC)."]


def _format_figure(figure: str, value: float) -> str:
    return f"{value:.1%}" if figure in SHARES else f"{value:.1f}" if figure.endswith("hour") else f"{value:.3f}"


def roomy(markdown: str) -> str:
    """Markdown whose table cells, and what follows a table, stand apart where nothing is padded, as in MLflow."""
    return markdown.replace(" |\n\n", " |\n\n&nbsp;\n\n").replace(" |", "&ensp; |")
