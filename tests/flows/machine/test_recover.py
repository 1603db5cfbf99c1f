"""What downtime leaves in Prefect, on a real server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import State
from prefect.states import Completed, Late, Paused, Pending, Running, Scheduled

from flows.machine.recover import settle

pytestmark = pytest.mark.usefixtures("prefect_harness")


async def deployed(client: PrefectClient, name: str) -> UUID:
    flow = await client.create_flow_from_name(f"{name}-of-downtime")
    return await client.create_deployment(flow_id=flow, name=name)


async def run_at(client: PrefectClient, deployment: UUID, minutes: float, *states: State[object]) -> UUID:
    """A run that was due so many minutes ago, brought through states."""
    due = datetime.now(UTC) - timedelta(minutes=minutes)
    run = await client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=due))
    for state in states:
        await client.set_flow_run_state(run.id, state, force=True)
    return run.id


async def states(client: PrefectClient, deployment: UUID) -> dict[UUID, tuple[str, str]]:
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    )
    return {run.id: (str(run.state_name), str(run.state.message) if run.state else "") for run in found}


def test_missed_minutes_are_cancelled_and_the_last_missed_night_stays() -> None:
    async def scene() -> None:
        async with get_client() as client:
            ingest, retrain, other = [await deployed(client, name) for name in ("ingest", "retrain", "elsewhere")]
            missed = [await run_at(client, ingest, minutes) for minutes in (300, 200, 4)]
            missed += [await run_at(client, ingest, 30, Late(scheduled_time=datetime.now(UTC) - timedelta(minutes=30)))]
            soon = [await run_at(client, ingest, minutes) for minutes in (1, -5)]
            nights = [await run_at(client, retrain, 60 * hours) for hours in (49, 25, 1)]
            foreign = await run_at(client, other, 500)

            settled = await settle(client, [ingest, retrain])

            assert settled == {"crashed": 0, "cancelled": 6, "kept": 1}
            minutely = await states(client, ingest)
            assert {minutely[run][0] for run in missed} == {"Cancelled"}
            assert "one later run does the work" in minutely[missed[0]][1]
            assert {minutely[run][0] for run in soon} <= {"Scheduled", "Late"}
            nightly = await states(client, retrain)
            assert [nightly[run][0] for run in nights[:2]] == ["Cancelled", "Cancelled"]
            assert {nightly[nights[2]][0], (await states(client, other))[foreign][0]} <= {"Scheduled", "Late"}
            assert await settle(client, [ingest, retrain]) == {"crashed": 0, "cancelled": 0, "kept": 1}

    asyncio.run(scene())


def test_runs_whose_process_died_are_crashed_and_those_that_ended_or_wait_for_a_person_stay() -> None:
    async def scene() -> None:
        async with get_client() as client:
            score = await deployed(client, "score")
            died = [await run_at(client, score, 10, Pending()), await run_at(client, score, 10, Running())]
            done = await run_at(client, score, 10, Running(), Completed())
            asked = await run_at(client, score, 10, Running(), Paused(timeout_seconds=3600))

            assert (await settle(client, [score]))["crashed"] == 2

            found = await states(client, score)
            assert {found[run] for run in died} == {
                ("Crashed", "Its process ended with the runner; a later run does what it had not finished.")
            }
            assert (found[done][0], found[asked][0]) == ("Completed", "Paused")

    asyncio.run(scene())


def test_more_missed_runs_than_one_page_holds_are_all_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.machine.recover.PAGE", 3)

    async def scene() -> None:
        async with get_client() as client:
            forecast = await deployed(client, "forecast")
            for minutes in range(10, 18):
                await run_at(client, forecast, minutes)
            assert (await settle(client, [forecast]))["cancelled"] == 8

    asyncio.run(scene())
