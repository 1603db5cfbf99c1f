"""Retrain: fit a challenger, hold it against champion and baselines, promote it if it earned it."""

from __future__ import annotations

from datetime import datetime

from prefect import State, flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed

from flows.common import begin, run_name, shown_progress
from flows.pipelines import loop
from flows.reports import artifacts
from tasks.errors import HistoryError


@flow(name="retrain", flow_run_name=run_name, timeout_seconds=6 * 3600)
def retrain(
    config: str | None = None,
    data_root: str | None = None,
    model: str | None = None,
    as_of: datetime | None = None,
) -> State[None]:
    """Fit a challenger on the recent past; it becomes champion if it wins on held-out days it never saw.

    Args:
        config: TOML of the network; default deployments/nexthour.toml.
        data_root: folder or URL of the tables; overrides the configuration's.
        model: architecture; default the configuration's [retrain] model.
        as_of: pretend that it is this moment; default now.
    """
    settings, moment = begin(config, data_root, as_of)
    try:
        report = loop.retrain(settings, moment, model, shown_progress())
    except HistoryError as error:
        return Completed(name="Waiting", message=str(error))
    create_markdown_artifact(
        artifacts.retrain_markdown(report), key="retrain", description="Challenger against champion and baselines"
    )
    return Completed(message=report.reason)
