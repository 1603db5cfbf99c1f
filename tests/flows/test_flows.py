"""Flows as Prefect runs them: their states, their task runs, and what a person reads at their end."""

import logging
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("prefect_harness")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names a network with two days of counts, one row of which is refused."""
    rows = ["station_id,minute,entries,exits"]
    for day in ("04", "05"):
        rows += [f"A,2024-03-{day}T{h:02d}:{m:02d}Z,{h},{m % 3}" for h in range(24) for m in range(60)]
    (tmp_path / "a.csv").write_text("\n".join([*rows, "A,2024-03-05T08:30Z,many,1"]) + "\n")
    (tmp_path / "net.toml").write_text(
        'data_root = "root"\n[[sources]]\nname = "gates"\nkind = "counts"\npath = "a.csv"\n'
    )
    monkeypatch.setenv("NEXTHOUR_CONFIG", str(tmp_path / "net.toml"))


def artifact(key: str) -> str:
    from prefect.artifacts import Artifact

    found: Any = Artifact.get(key)
    return str(found.data)


@pytest.mark.usefixtures("network")
def test_ingest_tells_what_came_in_and_what_was_rejected() -> None:
    from flows.backfill import backfill

    state = backfill(return_state=True)
    assert state.is_completed()
    said = artifact("backfill")
    assert "2,880" in said
    assert "not_a_number" in said
    assert "many" in said


@pytest.mark.usefixtures("network")
def test_forecast_shows_the_next_hour_as_a_table_and_a_picture_and_why_it_is_degraded() -> None:
    from flows.backfill import backfill
    from flows.forecast import forecast

    backfill()
    state = forecast(as_of=datetime(2024, 3, 5, 23, tzinfo=UTC), return_state=True)
    assert state.is_completed()
    said = artifact("forecast")
    assert "busiest stations" in said
    assert "- **DEGRADED** " in said
    assert "data:image/png;base64," in said


def logs_of(flow: str) -> list[str]:
    """Messages that the newest run of a flow left in Prefect, once its end is among them, or after ten seconds."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, LogFilter
    from prefect.client.schemas.sorting import FlowRunSort

    messages: list[str] = []
    with get_client(sync_client=True) as client:
        wanted = FlowFilter(name={"any_": [flow]})
        [run] = client.read_flow_runs(flow_filter=wanted, sort=FlowRunSort.START_TIME_DESC, limit=1)
        for _ in range(50):
            messages = [log.message for log in client.read_logs(LogFilter(flow_run_id={"any_": [run.id]}))]
            if any("Finished in state" in message for message in messages[-3:]):
                break
            time.sleep(0.2)
    return messages


@pytest.mark.usefixtures("network")
def test_the_log_of_a_run_holds_what_our_own_modules_log() -> None:
    from flows.backfill import backfill
    from flows.forecast import forecast

    backfill()
    said = logs_of("backfill")
    assert "gates: 2880 rows stored in 2 days, 1 rejected" in said  # from flows.pipelines
    forecast(as_of=datetime(2024, 3, 5, 23, tzinfo=UTC))
    said = logs_of("forecast")
    assert [line for line in said if line.startswith("published to latest_json: ")]  # from tasks, in a task run
    assert [line for line in said if line.startswith("features: 1 stations")]


@pytest.mark.usefixtures("network")
def test_what_our_modules_log_outside_of_a_run_is_nothing_that_prefect_warns_of() -> None:
    from prefect.settings import PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW, temporary_settings

    from flows.backfill import backfill

    backfill()
    with warnings.catch_warnings(), temporary_settings({PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "warn"}):
        warnings.simplefilter("error")
        logging.getLogger("tasks.publish.steps").info("published by no run")


@pytest.mark.usefixtures("network")
def test_retrain_with_too_little_history_waits_and_says_how_much_is_needed() -> None:
    from flows.backfill import backfill
    from flows.retrain import retrain

    backfill()
    state = retrain(as_of=datetime(2024, 3, 5, 23, tzinfo=UTC), return_state=True)
    assert state.name == "Waiting"
    assert "days" in (state.message or "")


@pytest.mark.usefixtures("network")
def test_maintain_mends_a_minute_table_that_is_not_what_the_observations_say(tmp_path: Path) -> None:
    from flows.backfill import backfill
    from flows.maintain import maintain

    backfill()
    file = tmp_path / "root/minutes/service_date=2024-03-05/part.parquet"
    good = file.read_bytes()
    file.write_bytes((tmp_path / "root/minutes/service_date=2024-03-04/part.parquet").read_bytes())
    assert maintain(return_state=True).is_completed()
    assert file.read_bytes() == good
    assert "2024-03-05 was folded again and replaced" in artifact("maintain")


@pytest.mark.usefixtures("network")
def test_maintain_shows_what_it_did_and_fails_where_a_person_is_needed(tmp_path: Path) -> None:
    from flows.backfill import backfill
    from flows.maintain import maintain

    backfill()
    day = tmp_path / "root/observations/service_date=2024-03-04"
    [batch] = day.iterdir()
    (day / f"{'0' * 24}.parquet").write_bytes(batch.read_bytes())
    assert maintain(return_state=True).is_completed()
    said = artifact("maintain")
    assert "| 2024-03-04 | 2 | 1 |" in said
    assert "| files | new | read again | changed | lost | unreadable | not ours |" in said
    [batch] = day.iterdir()
    batch.write_bytes(b"PAR1")
    state = maintain(full=True, return_state=True)
    assert state.is_failed()
    assert "run nexthour backfill --source gates" in artifact("maintain")


def test_a_schedule_makes_runs_in_the_database_of_the_installed_versions() -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("scheduled")
        made = client.create_deployment(
            flow, "scheduled", schedules=[DeploymentScheduleCreate(schedule=CronSchedule(cron="* * * * *"))]
        )
        reply = client._client.post(f"/deployments/{made}/schedule", json={})
        assert reply.status_code == 200
        found = client._client.post("/flow_runs/filter", json={"deployments": {"id": {"any_": [str(made)]}}}).json()
    assert {run["state"]["type"] for run in found} == {"SCHEDULED"}
