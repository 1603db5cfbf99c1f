"""Retrain: fit a challenger, compare it with the champion and the baselines, promote it if it wins.

The pipeline is `retrain` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour retrain` does
without it. Its steps, in order:

1. `follow_registry`   tasks/model/promotion/   take over a champion that a person chose in MLflow
2. `load_features`     tasks/features/          the minutes of the training span as tensors
3. `load_version`      tasks/model/serving/     the present champion, if there is one
4. `follow_training`   tasks/model/review/      open the MLflow run, whose curves move while it trains
5. `train_model`       tasks/model/training/    split by time, fit, score everyone on the held-out days
6. `judge`             tasks/model/promotion/   the gate decides
7. `register`          tasks/model/review/      figures, page and registered version; bundle; move the alias if promoted
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import State
from prefect.states import Completed
from pydantic import Field

from flows import approval
from flows.common import begin, current_progress
from flows.model_parameters import Architecture
from flows.outcomes import emit_retrain_events, emit_waiting
from flows.parameters import Moment
from flows.pipelines import loop
from flows.reports.document import MarkdownOnly, embed_picture
from flows.reports.loop_reports import retrain_document
from flows.runs import publish_artifact, reported_flow
from tasks.errors import HistoryError
from tasks.model.steps import RetrainReport, draw_error_by_horizon
from tasks.settings.tree import Settings


@reported_flow("retrain")
def retrain(
    model: Architecture | None = None,
    train_days: Annotated[int, Field(ge=1, le=1000)] | None = None,
    mode: Literal["alternate", "fine_tune", "scratch"] | None = None,
    as_of: Moment | None = None,
) -> State[Any]:
    """Fit a challenger on the recent past; it becomes champion if it wins on held-out days it never saw.

    Args:
        model: architecture; the configured one by default.
        train_days: days to train on, before those that validate and those that are held out; as configured by default.
        mode: start from scratch, go on from the champion's network, or in turn by night; as configured by default.
        as_of: end of the span: pretend that it is this moment; now by default.

    Returns:
        A state that holds the report; with too little history it is named Waiting and holds None.
        Where `[gate] approval` is set and the gate would promote, the run is suspended until a person decides.
    """
    settings, moment = begin(as_of)
    if waiting := approval.recall(settings):
        return approval.await_person(settings, moment, waiting)
    try:
        report = loop.retrain(override(settings, train_days=train_days, mode=mode), moment, model, current_progress())
    except HistoryError as error:
        emit_waiting(settings, str(error))
        return Completed(name="Waiting", message=str(error))
    emit_retrain_events(settings, report)
    document = retrain_document(report, _picture(settings, report))
    publish_artifact(document, "retrain", "Challenger against champion and baselines")
    if report.waits:
        return approval.await_person(settings, moment, approval.remember(settings, report))
    return Completed(message=report.reason, data=report)


def override(settings: Settings, **given: object) -> Settings:
    """Settings with the keys of [retrain] that are given in their place."""
    keys = {key: value for key, value in given.items() if value is not None}
    return settings.model_copy(update={"retrain": settings.retrain.model_copy(update=keys)}) if keys else settings


def _picture(settings: Settings, report: RetrainReport) -> MarkdownOnly | None:
    """The error by horizon of all that were compared."""
    if not report.by_horizon:
        return None
    return embed_picture(draw_error_by_horizon(settings, report.by_horizon), "error by horizon on held-out days")
