"""After downtime: settle what was left behind in Prefect, and catch up once.

Prefect would run every missed minute, the oldest first. One ingest reads all that came meanwhile, so that the others
are cancelled; of a nightly or hourly flow the last missed run is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed

from flows.machine.runner import WarmRunner
from tasks.model.steps import champion_pointer
from tasks.settings.tree import Settings
from tasks.storage.store import Store

log = logging.getLogger(__name__)

STALE = timedelta(minutes=3)
"""How late a scheduled run may be; one that is later was missed."""
REPLACED = frozenset({"ingest", "forecast"})
"""Flows of which one run, now, does the work of all that were missed."""
DIED = "Its process ended with the runner; a later run does what it had not finished."
MISSED = "Missed while nothing ran here; one later run does the work of all that were missed."
PAGE = 100


async def settle(client: PrefectClient, deployments: Collection[UUID]) -> dict[str, int]:
    """Mark runs whose process died as crashed, and cancel scheduled runs that were missed.

    Call it before a runner of these deployments is started: then no run of theirs is at work.

    Returns:
        Number of runs per outcome: crashed, cancelled, kept.
    """
    crashed = await _crash_orphans(client, deployments)
    cancelled, kept = await _cancel_missed(client, deployments)
    if crashed or cancelled:
        log.warning("after downtime: %d runs crashed, %d missed runs cancelled, %d kept", crashed, cancelled, kept)
    return {"crashed": crashed, "cancelled": cancelled, "kept": kept}


async def _crash_orphans(client: PrefectClient, deployments: Collection[UUID]) -> int:
    """Mark runs as crashed that are pending or running, though nothing executes them."""
    types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=types))
    runs = [run async for run in _pages(client, FlowRunFilter(deployment_id=_any(deployments), state=state))]
    for run in runs:
        ended: State[None] = Crashed(message=DIED)
        result = await client.set_flow_run_state(run.id, ended)
        if result.state is None or not result.state.is_crashed():
            await client.set_flow_run_state(run.id, ended, force=True)
    return len(runs)


async def _cancel_missed(client: PrefectClient, deployments: Collection[UUID]) -> tuple[int, int]:
    """Cancel scheduled runs whose time is over; the last one of a flow that no run replaces stays, and runs now."""
    filters = FlowRunFilter(
        deployment_id=_any(deployments),
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Scheduled", "Late"])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) - STALE),
    )
    names = {item: (await client.read_deployment(item)).name for item in deployments}
    missed = [run async for run in _pages(client, filters)]
    newest: dict[UUID, FlowRun] = {run.deployment_id: run for run in missed if run.deployment_id}
    keep = {run.id for item, run in newest.items() if names[item] not in REPLACED}
    for run in missed:
        if run.id not in keep:
            await client.set_flow_run_state(run.id, Cancelled(message=MISSED), force=True)
    return len(missed) - len(keep), len(keep)


async def _pages(client: PrefectClient, filters: FlowRunFilter) -> AsyncIterator[FlowRun]:
    """Every run of a filter, the earliest first."""
    offset = 0
    while found := await client.read_flow_runs(
        flow_run_filter=filters, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=PAGE, offset=offset
    ):
        for run in found:
            yield run
        offset += PAGE


def _any(deployments: Collection[UUID]) -> FlowRunFilterDeploymentId:
    return FlowRunFilterDeploymentId(any_=list(deployments))


async def catch_up(settings: Settings, runner: WarmRunner) -> None:
    """Ingest once, then forecast once; then train and forecast again, if there is no champion yet.

    A network without any minutes takes the history of a simulated city as known when it happened; feeds of a real
    network say themselves what they still have.
    """
    store = Store(settings.data_root)
    try:
        is_new = not store.partitions("minutes") and all(source.kind == "simulate" for source in settings.sources)
        runs: list[tuple[str, dict[str, Any]]] = [("ingest", {"backfill": True} if is_new else {}), ("forecast", {})]
        if champion_pointer(settings) is None:
            runs += [("retrain", {}), ("forecast", {})]
        while not runner.started:
            await asyncio.sleep(0.2)
        for flow, parameters in runs:
            log.info("caught up: %s ended as %s", flow, await runner.run_now(f"{flow}/{flow}", parameters))
    # Schedules go on without it, whatever keeps it from the server.
    except Exception:
        log.exception("catching up failed; the schedules go on")
