"""Retrain: fit a challenger, compare it with the champion and the baselines, promote it if it wins.

The pipeline is `retrain` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour retrain` does
without it. Its steps, in order:

1. `follow_registry`   tasks/model/promotion/   take over a champion that a person chose in MLflow
2. `load_features`     tasks/features/          the minutes of the training span as tensors
3. `load_version`      tasks/model/serving/     the present champion, if there is one
4. `train_model`       tasks/model/training/    split by time, fit, score everyone on the held-out days
5. `judge`             tasks/model/promotion/   the gate decides
6. `register`          tasks/model/review/      MLflow run, registered version, bundle; move the alias if promoted
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import State, flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed

from flows.common import begin, current_progress, run_name
from flows.outcomes import tell_retrain, tell_waiting
from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import retrain_document
from tasks.errors import HistoryError


@flow(name="retrain", flow_run_name=run_name, timeout_seconds=6 * 3600)
def retrain(
    model: str | None = None,
    as_of: datetime | None = None,
) -> State[Any]:
    """Fit a challenger on the recent past; it becomes champion if it wins on held-out days it never saw.

    Args:
        model: architecture; default the configuration's [retrain] model.
        as_of: pretend that it is this moment; default now.

    Returns:
        A state that holds the report; with too little history it is named Waiting and holds None.
    """
    settings, moment = begin(as_of)
    try:
        report = loop.retrain(settings, moment, model, current_progress())
    except HistoryError as error:
        tell_waiting(settings, str(error))
        return Completed(name="Waiting", message=str(error))
    tell_retrain(settings, report)
    create_markdown_artifact(
        markdown(retrain_document(report)), key="retrain", description="Challenger against champion and baselines"
    )
    return Completed(message=report.reason, data=report)
