"""After downtime: settle what was left behind in Prefect, and catch up once.

Prefect would run every missed minute, the oldest first. One ingest reads all that came meanwhile, so that the others
are cancelled; of a nightly or hourly flow the last missed run is kept. What a person started is never cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime, timedelta
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
from prefect.states import Cancelled, Crashed, Scheduled

from flows.machine.runner import WarmRunner
from tasks.model.steps import champion_pointer
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)

STALE = timedelta(minutes=3)
"""How late a scheduled run may be; one that is later was missed."""
REPLACED = frozenset({"ingest", "forecast"})
"""Flows of which one run, now, does the work of all that were missed."""
GOES_ON = frozenset({"backfill", "backtest", "tune"})
"""Flows whose run, started again, goes on where it was: no schedule would repeat what a person started."""
MOST_STARTS = 3
"""Of one run: what takes the runner down with it is not started for ever."""
DIED = "Its process ended with the runner; a later run does what it had not finished."
AGAIN = "Its process ended with the runner; it is started again and goes on where it was."
MISSED = "Missed while nothing ran here; one later run does the work of all that were missed."
PAGE = 100


async def settle(client: PrefectClient, deployments: Collection[UUID]) -> dict[str, int]:
    """Mark runs whose process died as crashed, and cancel scheduled runs that were missed.

    Call it before a runner of these deployments is started: then no run of theirs is running.

    Returns:
        Number of runs per outcome: crashed, restarted, cancelled, kept.
    """
    names = {item: (await client.read_deployment(item)).name for item in deployments}
    crashed, restarted = await _settle_orphans(client, names)
    cancelled, kept = await _cancel_missed(client, names)
    if crashed or restarted or cancelled:
        log.warning(
            "after downtime: %d runs crashed, %d started again, %d missed runs cancelled, %d kept",
            *(crashed, restarted, cancelled, kept),
        )
    return {"crashed": crashed, "restarted": restarted, "cancelled": cancelled, "kept": kept}


async def _settle_orphans(client: PrefectClient, names: Mapping[UUID, str]) -> tuple[int, int]:
    """Mark runs as crashed that are pending or running, though nothing executes them, or start them again.

    Returns:
        How many crashed, and how many are started again.
    """
    types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=types))
    runs = [run async for run in _pages(client, FlowRunFilter(deployment_id=_any(names), state=state))]
    again = [run for run in runs if run.deployment_id and _goes_on(run, names[run.deployment_id])]
    for run in runs:
        wanted: State[None] = Scheduled(message=AGAIN) if run in again else Crashed(message=DIED)
        result = await client.set_flow_run_state(run.id, wanted)
        if result.state is None or result.state.type != wanted.type:
            await client.set_flow_run_state(run.id, wanted, force=True)
    return len(runs) - len(again), len(again)


def _goes_on(run: FlowRun, flow: str) -> bool:
    """Whether a run whose process died is started again."""
    cancelling = run.state is not None and run.state.is_cancelling()
    return flow in GOES_ON and run.run_count < MOST_STARTS and not cancelling


async def _cancel_missed(client: PrefectClient, names: Mapping[UUID, str]) -> tuple[int, int]:
    """Cancel scheduled runs whose time is over; the last one of a flow that no run replaces stays, and runs now.

    Runs that a person started stay: they wait for one before them, or for the runner.
    """
    filters = FlowRunFilter(
        deployment_id=_any(names),
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Scheduled", "Late"])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) - STALE),
    )
    missed = [run async for run in _pages(client, filters) if run.auto_scheduled]
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
    """Ingest once, then forecast once; then train and forecast again, if there is no champion yet."""
    try:
        runs = ["ingest", "forecast"]
        if champion_pointer(settings) is None:
            runs += ["retrain", "forecast"]
        while not runner.started:
            await asyncio.sleep(0.2)
        for flow in runs:
            log.info("caught up: %s ended as %s", flow, await runner.run_now(f"{flow}/{flow}"))
    # Schedules go on without it, whatever keeps it from the server.
    except Exception:
        log.exception("catching up failed; the schedules go on")
