"""The page of a night and its pictures, logged once the version is registered and may publish."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tasks.model.promotion.decision import Decision
from tasks.model.review.changes import last_night_markdown
from tasks.model.review.description import describe_training, join, shorten
from tasks.model.review.error_cases import error_cases_markdown, find_error_cases
from tasks.model.review.held_out import HeldOut, held_out_hours
from tasks.model.review.page import night_page
from tasks.model.review.pictures import ERROR_CASE, retrain_pictures
from tasks.model.review.training_run import FlowRun
from tasks.model.training.train import Trained
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.tracking import registry, runs
from tasks.tracking.nights import last_night, this_night
from tasks.tracking.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "night.html"
ON_PAGE = ("next_hour_network", "error_by_hour", "calibration", "loss_by_epoch")
"""Pictures that the page shows after the error cases."""


def log_night(
    settings: Settings,
    run_id: str,
    version: str,
    trained: Trained,
    decision: Decision,
    meta: Mapping[str, Any],
    flow_run: FlowRun | None,
) -> list[str]:
    """Log pictures and page into a run, and describe run and version; a warning where MLflow does not answer any more.

    Args:
        settings: the tree.
        run_id: of the training.
        version: registered from it.
        trained: what was trained.
        decision: the gate's.
        meta: of the bundle.
        flow_run: Prefect flow run that it was a part of.
    """
    held_out = held_out_hours(trained)
    try:
        with runs.connect(settings) as mlflow:
            run = Run(mlflow, run_id)
            shown = _log_pictures(run, settings, trained, held_out)
            more = [*_more(run, settings, trained, held_out, flow_run)]
            sections = describe_training(trained, decision, meta, station_table(settings), more)
            title = f"{settings.network.name}, night of {trained.as_of.astype('datetime64[D]')}: version {version}"
            run.text(PAGE, night_page(title, join(sections), shown))
            run.tags({"mlflow.note.content": shorten(sections)})
            registry.describe_version(mlflow, settings, version, shorten(sections))
    except runs.TrackingError as error:
        return [f"{error}; the run has no pictures"]
    return []


def _log_pictures(run: Run, settings: Settings, trained: Trained, held_out: HeldOut | None) -> list[bytes]:
    """Log every picture; returns those of the page, error cases first."""
    shown: dict[str, bytes] = {}
    for name, figure in retrain_pictures(trained, settings.network.timezone, station_table(settings), held_out):
        run.figure(f"plots/{name}.png", figure)
        if name.startswith(ERROR_CASE) or name in ON_PAGE:
            shown[name] = _png(figure)
    cases = sorted(name for name in shown if name.startswith(ERROR_CASE))
    return [shown[name] for name in (*cases, *ON_PAGE) if name in shown]


def _more(
    run: Run, settings: Settings, trained: Trained, held_out: HeldOut | None, flow_run: FlowRun | None
) -> Iterator[str]:
    """Sections of the page that need MLflow or forecasts of the held-out hours."""
    before = last_night(run, settings.network.name, trained.model)
    if before is not None:
        yield last_night_markdown(before, this_night(run))
    if held_out is not None:
        grid = trained.features.grid
        cases = find_error_cases(held_out, grid)
        yield error_cases_markdown(cases, grid, settings.network.timezone, station_table(settings))
    links = {"this run in MLflow": run.url, "the flow run in Prefect": flow_run.url if flow_run else None}
    yield " · ".join(f"[{what}]({url})" for what, url in links.items() if url)


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=80)
    return out.getvalue()
