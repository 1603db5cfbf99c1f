"""What every run of a flow has: a name that tells what it does, and an artifact at its end, however it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

import numpy as np
from httpx import HTTPError
from prefect import Flow, State, flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from prefect.settings import PREFECT_UI_URL

from flows.common import to_utc
from flows.deployments import TIME_LIMITS
from flows.reports.document import Document, MarkdownOnly, markdown
from flows.reports.failures import failure_document
from tasks.clock import to_local
from tasks.errors import NexthourError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
DAILY = ("retrain", "features", "maintain")
"""Flows whose runs are distinguished by their day."""
TRAINED = ("retrain", "tune")
"""Flows that take the configured model where none is given."""
LONGEST_NAME = 120


def reported_flow(name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A Prefect flow of the registry: its runs are named by what they do, and say what to do now when they fail."""
    ends: dict[str, Any] = {"on_failure": [report_end], "on_crashed": [report_end], "on_cancellation": [report_end]}
    return flow(name=name, flow_run_name=name_run, timeout_seconds=TIME_LIMITS[name], **ends)


def name_run() -> str:
    """Name of the present flow run, such as `retrain 2026-11-21 next_hour_lstm`, in local time of the network."""
    try:
        settings = load_settings()
    except NexthourError:  # the run itself will say it
        return str(flow_run.flow_name)
    due = flow_run.scheduled_start_time or datetime.now(UTC)
    return describe_run(str(flow_run.flow_name), flow_run.parameters, due, settings)


def describe_run(name: str, given: Mapping[str, Any], due: datetime, settings: Settings) -> str:
    """What a run of the flow `name` does, and for when.

    Args:
        name: of the flow.
        given: its parameters, as Python values or as JSON.
        due: when it was to start.
        settings: the network's.
    """
    days = [str(given[key]) for key in ("first_day", "last_day") if given.get(key)]
    as_of = given.get("as_of")
    moment = to_utc(datetime.fromisoformat(str(as_of or due)), settings)
    day, clock = str(to_local(np.array([moment]), settings.network.timezone)[0]).split("T")
    when = " to ".join(days) or (day if name in DAILY else f"{day} {clock}" if as_of else clock)
    model = given.get("version") or given.get("model") or (settings.retrain.model if name in TRAINED else None)
    models = [model] if model else list(given.get("models") or ())
    what = [given.get("action"), given.get("source"), ", ".join(models)]
    return " ".join([name, when, *(str(word) for word in what if word)])[:LONGEST_NAME]


def publish_artifact(document: Document, key: str, description: str) -> None:
    """End a run with its report, with a link to the one of the run before."""
    before = _previous(key)
    link = [MarkdownOnly(f"[The {key} before this one]({before})")] if before else []
    create_markdown_artifact(
        markdown(Document(document.title, [*document.blocks, *link])), key=key, description=description
    )


def report_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """End a run that failed, crashed or was cancelled with what to do now, unless its own report is there.

    A runner that ends a run calls it by the names of its parameters, which are Prefect's.
    """
    with get_client(sync_client=True) as client:
        own = ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]), key=ArtifactFilterKey(any_=[flow.name])
        )
        if client.read_artifacts(artifact_filter=own, limit=1):
            return
        error = state.result(raise_on_failure=False) if state.is_failed() else None  # others have none, or raise
        name = "Cancelled" if state.is_cancelling() else state.name or ""
        document = failure_document(flow.name, name, state.message or "", isinstance(error, NexthourError))
        client.create_artifact(
            ArtifactCreate(
                key=flow.name,
                type="markdown",
                data=markdown(document),
                description="What went wrong, and what to do",
                flow_run_id=flow_run.id,
            )
        )


def _previous(key: str) -> str | None:
    """Address of the newest artifact of a key; None where there is none, or Prefect does not answer."""
    try:
        with get_client(sync_client=True) as client:
            return _newest(client, key)
    except (PrefectException, HTTPError) as error:
        log.warning("no link to the artifact before: %s", error)
        return None


def _newest(client: SyncPrefectClient, key: str) -> str | None:
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    found = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1)
    return f"{PREFECT_UI_URL.value() or ''}/artifacts/artifact/{found[0].id}" if found else None
