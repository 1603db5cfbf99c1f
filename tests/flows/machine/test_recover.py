"""What downtime leaves in Prefect, on a real server."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, State
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Cancelling, Completed, Late, Paused, Pending, Running, Scheduled

from flows.deployments import DEPLOYMENTS
from flows.machine.recover import catch_up, settle
from flows.machine.runner import WAITS, PatientProposer
from tasks.settings.tree import Settings

pytestmark = pytest.mark.usefixtures("prefect_harness")


async def deployed(client: PrefectClient, name: str) -> UUID:
    flow = await client.create_flow_from_name(f"{name}-of-downtime")
    return await client.create_deployment(flow_id=flow, name=name)


async def run_at(
    client: PrefectClient, deployment: UUID, minutes: float, *states: State[object], by_hand: bool = False
) -> UUID:
    """A run that was due so many minutes ago, brought through states; made by a schedule, or by a person."""
    due = datetime.now(UTC) - timedelta(minutes=minutes)
    run = await client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=due))
    url = get_current_settings().server.database.connection_url
    assert url is not None
    with closing(sqlite3.connect(url.get_secret_value().partition(":///")[2])) as database, database:
        wanted = "UPDATE flow_run SET auto_scheduled = ? WHERE replace(id, '-', '') = ?"
        assert database.execute(wanted, (not by_hand, run.id.hex)).rowcount == 1
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

            assert settled == {"crashed": 0, "restarted": 0, "cancelled": 6, "kept": 1}
            minutely = await states(client, ingest)
            assert {minutely[run][0] for run in missed} == {"Cancelled"}
            assert "one later run does the work" in minutely[missed[0]][1]
            assert {minutely[run][0] for run in soon} <= {"Scheduled", "Late"}
            nightly = await states(client, retrain)
            assert [nightly[run][0] for run in nights[:2]] == ["Cancelled", "Cancelled"]
            assert {nightly[nights[2]][0], (await states(client, other))[foreign][0]} <= {"Scheduled", "Late"}
            assert await settle(client, [ingest, retrain]) == {"crashed": 0, "restarted": 0, "cancelled": 0, "kept": 1}

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


def test_what_a_person_started_is_neither_cancelled_as_missed_nor_lost_with_its_process() -> None:
    async def scene() -> None:
        async with get_client() as client:
            backfill, ingest = [await deployed(client, name) for name in ("backfill", "ingest")]
            waiting = [await run_at(client, backfill, minutes, by_hand=True) for minutes in (90, 60)]
            asked = await run_at(client, ingest, 30, by_hand=True)
            died = await run_at(client, backfill, 10, Running(), by_hand=True)
            stopping = await run_at(client, backfill, 10, Running(), Cancelling(), by_hand=True)
            again: list[State[object]] = [Running(), Scheduled(), Running(), Scheduled(), Running()]
            often = await run_at(client, backfill, 10, *again, by_hand=True)

            settled = await settle(client, [backfill, ingest])

            assert settled == {"crashed": 2, "restarted": 1, "cancelled": 0, "kept": 0}
            found = await states(client, backfill)
            assert {found[run][0] for run in waiting} <= {"Scheduled", "Late"}
            assert (await states(client, ingest))[asked][0] in ("Scheduled", "Late")
            assert found[died] == (
                "Scheduled",
                "Its process ended with the runner; it is started again and goes on where it was.",
            )
            assert (found[stopping][0], found[often][0]) == ("Crashed", "Crashed")

    asyncio.run(scene())


def test_a_backfill_runs_beside_the_minutely_ingest_and_waits_for_the_one_before_it() -> None:
    async def scene() -> None:
        async with get_client() as client:
            ids = {}
            for item in DEPLOYMENTS:
                if item.flow in ("ingest", "backfill"):
                    flow = await client.create_flow_from_name(f"{item.flow}-that-meets")
                    options = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy(item.collision))
                    ids[item.flow] = await client.create_deployment(
                        flow, item.flow, concurrency_limit=1, concurrency_options=options
                    )
            came: dict[str, list[str | None]] = {}
            for name in ("ingest", "backfill", "ingest", "backfill"):
                run = await client.create_flow_run_from_deployment(ids[name])
                pending: State[object] = Pending()
                await client.set_flow_run_state(run.id, pending)
                came.setdefault(name, []).append((await client.read_flow_run(run.id)).state_name)
            assert came == {"ingest": ["Pending", "Cancelled"], "backfill": ["Pending", "AwaitingConcurrencySlot"]}

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


def test_a_run_by_hand_waits_for_the_run_that_it_meets_and_a_scheduled_one_gives_way() -> None:
    async def scene() -> None:
        async with get_client() as client:
            flow = await client.create_flow_from_name("score-by-hand")
            options = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
            score = await client.create_deployment(flow, "score", concurrency_limit=1, concurrency_options=options)
            proposer = PatientProposer(client=client)
            runs = [await run_at(client, score, 0, by_hand=by_hand) for by_hand in (False, True, False)]
            scheduled, asked, later = [await client.read_flow_run(run) for run in runs]

            assert [await proposer.propose_pending(run) for run in (scheduled, asked, later)] == [True, False, False]

            found = await states(client, score)
            assert (found[asked.id], found[later.id][0]) == (("AwaitingConcurrencySlot", WAITS), "Cancelled")
            over: tuple[State[object], ...] = (Running(), Completed())
            for state in over:
                await client.set_flow_run_state(scheduled.id, state)
            assert await proposer.propose_pending(await client.read_flow_run(asked.id))
            stopped: State[object] = Cancelled(message="by a person")
            await client.set_flow_run_state(asked.id, stopped, force=True)
            assert not await proposer.propose_pending(await client.read_flow_run(asked.id))
            assert (await states(client, score))[asked.id] == ("Cancelled", "by a person")

    asyncio.run(scene())


def test_the_catch_up_trains_where_there_is_no_champion(tmp_path: Path) -> None:
    ran = list[str]()

    class Runner:
        started = True

        async def run_now(self, deployment: str) -> str:
            ran.append(deployment.partition("/")[0])
            return "Completed"

    asyncio.run(catch_up(Settings(data_root=str(tmp_path)), Runner()))  # type: ignore[arg-type]
    assert ran == ["ingest", "forecast", "retrain", "forecast"]
