"""The description of a run and its version, markdown: what a reviewer reads first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.model.promotion.decision import Decision
from tasks.model.review.changes import changes_markdown
from tasks.model.review.tables import metric_rows
from tasks.model.review.where import when_markdown, where_markdown
from tasks.model.training.train import Trained
from tasks.stations.table import NO_STATIONS, StationTable

LIMIT = 5000
"""Characters that MLflow takes in a description."""
HEADINGS = {
    "rmse_hour": "RMSE",
    "mae_hour": "MAE",
    "wape": "WAPE",
    "bias": "bias",
    "peak_wape": "peak WAPE",
    "poisson_deviance": "deviance per minute",
    "pinball": "pinball",
    "crps": "CRPS",
    "coverage_80": "within 80 %",
    "coverage_90": "within 90 %",
    "peak_precision": "peaks right",
    "peak_recall": "peaks found",
    "headroom_taken": "headroom",
}
SHARES = ("wape", "bias", "peak_wape", "coverage_80", "coverage_90", "peak_precision", "peak_recall", "headroom_taken")


def describe_training(
    trained: Trained,
    decision: Decision,
    meta: Mapping[str, Any],
    stations: StationTable = NO_STATIONS,
    more: Sequence[str] = (),
) -> list[str]:
    """Sections of what a reviewer reads, markdown: decision, where, more, figures of every model, data, changes.

    Args:
        trained: what was trained.
        decision: the gate's.
        meta: of the bundle.
        stations: their names.
        more: further sections, such as error cases.
    """
    figures = [
        "Loss: Poisson deviance of a station's hour, mean over stations; the tests are paired by held-out day.",
        "",
        "The held-out days, all stations, people in the hour:",
        "",
        f"| model | {' | '.join(HEADINGS.values())} |",
        "|---|" + "---:|" * len(HEADINGS),
    ]
    for row in metric_rows(trained):
        cells = (_format_figure(figure, row[figure]) if figure in row else "" for figure in HEADINGS)
        figures.append(f"| {row['model']} | {' | '.join(cells)} |")
    where = (where_markdown(trained, stations), when_markdown(trained))
    sections = [decision.to_markdown(), *where, *more, "\n".join(figures), *_about_data(trained, meta)]
    if trained.champion:
        sections.append(changes_markdown(trained.champion, meta, trained.champion["version"]))
    return [section for section in sections if section]


def shorten(sections: Sequence[str], limit: int = LIMIT) -> str:
    """As many whole sections as MLflow takes in a description; says where the rest is."""
    whole = roomy(join(sections))
    if len(whole) <= limit:
        return whole
    rest = "\nMore: `night.html` among the artifacts of the run.\n"
    count = len(sections)
    while count and len(roomy(join(sections[:count]))) + len(rest) > limit:
        count -= 1
    return roomy(join(sections[:count])) + rest


def join(sections: Sequence[str]) -> str:
    """Sections as one text, an empty line between them."""
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def _about_data(trained: Trained, meta: Mapping[str, Any]) -> list[str]:
    """Which data, in a sentence; and what more of it would bring."""
    grid, split = trained.features.grid, trained.split
    parts = (("training", split.train), ("validation", split.validation), ("held out", split.holdout))
    spans = "; ".join(f"{name} {str(o[0])[:10]} to {str(o[-1])[:10]}" for name, o in parts if len(o))
    seen = grid.observed_share
    size = f"{len(grid.stations):,} stations, {seen:.1%} of the minutes observed"
    history = [trained.history.to_markdown()] if trained.history else []
    return [f"**Data** `{meta['data']}`: {size}; {spans} (UTC).", *history]


def _format_figure(figure: str, value: float) -> str:
    return f"{value:.1%}" if figure in SHARES else f"{value:.1f}" if figure.endswith("hour") else f"{value:.3f}"


def roomy(markdown: str) -> str:
    """Markdown whose table cells, and what follows a table, stand apart where nothing is padded, as in MLflow."""
    return markdown.replace(" |\n\n", " |\n\n&nbsp;\n\n").replace(" |", "&ensp; |")
