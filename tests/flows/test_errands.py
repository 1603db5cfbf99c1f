"""What people do from the form of a run alone, each through the API as the form does it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.machine.forms import fill_form
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.minutes import last_minute

pytestmark = pytest.mark.usefixtures("prefect_harness", "town")

FIRST, DAYS = np.datetime64("2024-02-05T06:00"), 28
END = FIRST + np.timedelta64(DAYS, "D")
TOML = """
data_root = "root"
[network]
timezone = "America/Chicago"
interval_minutes = 15
targets = ["entries"]
[features]
weeks = 2
[retrain]
model = "weekday_level"
train_days = 12
validation_days = 2
holdout_days = 3
minimum_days = 14
origin_minutes = 120
[gate]
baselines = ["last_known"]
[[sources]]
name = "gates"
kind = "counts"
path = "counts.csv"
"""


@pytest.fixture(scope="module")
def town(prefect_harness: None, tmp_path_factory: pytest.TempPathFactory, with_mlflow: Any) -> Iterator[Path]:
    """The environment names a network with four weeks of counts at two stations, one count of which cannot be read."""
    from prefect.client.orchestration import get_client

    folder = tmp_path_factory.mktemp("town")
    with_mlflow(folder / "root")
    minutes = FIRST + np.arange(DAYS * 96) * np.timedelta64(15, "m")
    hour = (minutes.astype("datetime64[h]").astype(int) - 6) % 24
    noise = np.random.default_rng(1).poisson(3, (2, len(minutes)))
    rows = [
        f"{station},{minute}Z,{count}"
        for station, more in zip("AB", noise, strict=True)
        for minute, count in zip(minutes, more + 20 * np.exp(-((hour - 9) ** 2) / 8).astype(int), strict=True)
    ]
    rows[100] = rows[100].rpartition(",")[0] + ",many"
    (folder / "counts.csv").write_text("\n".join(["station_id,minute,entries", *rows]) + "\n")
    (folder / "town.toml").write_text(TOML)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXTHOUR_CONFIG", str(folder / "town.toml"))
        yield folder
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)


def submit(flow: str, **parameters: Any) -> Any:
    """The flow run that the form of a deployment creates."""
    from prefect.client.orchestration import get_client

    function = getattr(importlib.import_module(f"flows.{flow}"), flow)
    schema = function.parameters.model_dump()
    fill_form(schema["properties"], load_settings())
    with get_client(sync_client=True) as client:
        made = client.create_deployment(
            client.create_flow(function), flow, parameter_openapi_schema=schema, enforce_parameter_schema=True
        )
        return client.create_flow_run_from_deployment(made, parameters=parameters)


def execute(run: Any) -> Any:
    """State in which a process of the deployment leaves a flow run."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run.id)
        flow = client.read_flow(run.flow_id).name
    function = getattr(importlib.import_module(f"flows.{flow}"), flow)
    return run_flow(function, flow_run=run, parameters=run.parameters, return_type="state")


def artifact(key: str) -> str:
    from prefect.artifacts import Artifact

    found: Any = Artifact.get(key)
    return str(found.data)


def champion(town: Path) -> str:
    return str(json.loads((town / "root/bundles/champion.json").read_text())["version"])


def test_a_week_is_loaded_as_history_by_its_days_and_then_the_rest(town: Path) -> None:
    run = submit("backfill", first_day="2024-02-05", last_day="2024-02-11", source="gates")
    assert execute(run).is_completed()
    store = Store(str(town / "root"))
    assert sorted(store.partitions("minutes"))[0::6] == ["2024-02-05", "2024-02-11"]
    assert last_minute(store, ("entries",)) == np.datetime64("2024-02-12T05:45")
    assert execute(submit("backfill")).is_completed()
    assert len(store.partitions("minutes")) == DAYS


def test_a_rejected_row_is_written_out_repaired_in_the_form_and_taken_back(town: Path) -> None:
    assert execute(submit("repair")).is_completed()
    said = artifact("repair")
    assert said.startswith("# 1 rejected rows to repair")
    rows = said.partition("```csv\n")[2].partition("\n```")[0]
    assert "many" in rows
    assert execute(submit("repair", action="take back", rows=rows.replace("many", "4"))).is_completed()
    assert artifact("repair").startswith("# 1 repaired rows taken back")
    assert execute(submit("repair")).is_completed()
    assert artifact("repair").startswith("# 0 rejected rows to repair")


def test_a_promotion_waits_for_a_person_across_processes(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import Pause

    monkeypatch.setenv("NEXTHOUR_GATE__APPROVAL", "true")
    run = submit("retrain", model="weekday_mean", as_of="2024-03-03T22:00")
    with pytest.raises(Pause):  # which ends the process of a run
        execute(run)
    assert not (town / "root/bundles/champion.json").exists()
    with get_client(sync_client=True) as client:
        state: Any = client.read_flow_run(run.id).state
        assert state.is_paused()
        keyset = state.state_details.run_input_keyset
        asked = client.read_flow_run_input(run.id, keyset["description"])
        assert "would be promoted" in str(asked).lower()
        client.resume_flow_run(run.id, run_input={"decision": "promote"})
    done = execute(run)
    assert done.is_completed(), done.message
    assert "promoted by a person" in done.message
    assert json.loads((town / "root/bundles/champion.json").read_text())["by"] == "person"


def test_a_promotion_that_nobody_decides_on_leaves_the_champion_and_says_so(
    town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
    from prefect.exceptions import Pause
    from prefect.states import Failed

    from flows import approval, events
    from tasks.model.steps import RetrainReport

    said: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(events, "emit", lambda settings, name, payload, **_: said.append((name, payload)))
    waits = RetrainReport.__new__(RetrainReport)
    for name, value in {"version": "7", "reason": "it wins", "decision": "| table |"}.items():
        object.__setattr__(waits, name, value)
    before = (town / "root/bundles/champion.json").read_bytes()
    run = submit("retrain")
    with get_client(sync_client=True) as client:

        def suspend(settings: Settings, *_: Any) -> None:
            approval.await_person(settings, np.datetime64("2024-03-03T22:00"), approval.remember(settings, waits))

        monkeypatch.setattr("flows.retrain.loop.retrain", suspend)
        with pytest.raises(Pause):
            execute(run)
        settings = load_settings()
        assert approval.close_unanswered(settings) == []  # it still waits
        # what the server does once the time of the form is over
        expired: Any = Failed(message="The flow was paused and never resumed.")
        client.set_flow_run_state(run.id, expired, force=True)
        assert execute(submit("score")).is_completed()
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        )
    stays = "Version 7 was not promoted: nobody decided within 20 hours. The champion stays"
    assert [stays in str(each.data) and "nexthour promote 7" in str(each.data) for each in found] == [True]
    asked = [payload for name, payload in said if name == events.UNANSWERED]
    assert asked == [{"version": "7", "reason": "nobody decided within 20 hours"}]
    assert approval.close_unanswered(settings) == []
    assert (town / "root/bundles/champion.json").read_bytes() == before


def test_another_architecture_is_trained_on_a_span_and_a_person_promotes_and_rolls_back(town: Path) -> None:
    assert execute(submit("retrain", model="linear_level", train_days=10, as_of="2024-03-03T23:00")).is_completed()
    assert "data:image/png;base64," in artifact("retrain")
    before = champion(town)
    assert execute(submit("promote", version="2" if before == "1" else "1")).is_completed()
    assert champion(town) != before
    assert execute(submit("promote", action="roll back")).is_completed()
    assert champion(town) == before
    failed = execute(submit("promote", version=before))
    assert failed.is_failed()
    assert f"version {before} publishes already" in artifact("promote")


def test_a_forecast_as_of_a_past_moment_leaves_the_latest_where_it_is(town: Path) -> None:
    assert execute(submit("forecast", as_of="2024-03-03T22:00:00-06:00")).is_completed()
    latest = (town / "root/publications/latest.json").read_bytes()
    assert execute(submit("forecast", model="weekday_mean", as_of="2024-03-02T08:00")).is_completed()
    assert "2024-03-02 08:00 to 09:00" in artifact("forecast")
    assert "[The forecast before this one](" in artifact("forecast")
    assert (town / "root/publications/latest.json").read_bytes() == latest


def test_an_architecture_is_tuned_for_a_limited_time_and_the_result_lies_under_the_data_root(town: Path) -> None:
    days = {"first_day": "2024-03-01", "last_day": "2024-03-02", "every_minutes": 240}
    run = submit("tune", **days, model="weekday_level", metric="mae_hour", trials=2, limit_minutes=60, retrain_days=1)
    assert execute(run).is_completed()
    assert (town / "root/reports/tune/weekday_level_2024-03-01_2024-03-02/best.toml").exists()


def test_a_backtest_that_is_cancelled_keeps_its_parts_and_the_same_run_goes_on(
    town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.common import PROGRESS

    told: list[tuple[int, int]] = []

    def stop(what: str, done: int, total: int) -> None:
        told.append((done, total))
        raise KeyboardInterrupt

    wanted = {"first_day": "2024-03-01", "last_day": "2024-03-02", "every_minutes": 240, "jobs": 1, "name": "halves"}
    wanted |= {"models": ["weekday_mean", "weekday_level"]}
    token = PROGRESS.set(stop)
    with pytest.raises(KeyboardInterrupt):
        execute(submit("backtest", **wanted))
    kept = sorted((town / "root/reports/backtest/halves/parts").rglob("*.*"))
    assert kept
    stamps = [path.stat().st_mtime_ns for path in kept]
    PROGRESS.set(lambda what, done, total: None)
    assert execute(submit("backtest", **wanted)).is_completed()
    PROGRESS.reset(token)
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    assert (town / "root/reports/backtest/halves/report.json").exists()


@pytest.mark.parametrize(
    ("flow", "wrong", "said"),
    [
        ("ingest", {"first_day": "5 March"}, "first_day"),
        ("ingest", {"source": "gate"}, "source"),
        ("forecast", {"model": "the best"}, "model"),
        ("forecast", {"as_of": "yesterday"}, "as_of"),
        ("retrain", {"train_days": 0}, "train_days"),
        ("backtest", {"first_day": "2024-03-01", "last_day": "2024-03-02", "models": ["prophet"]}, "models"),
        ("backtest", {"first_day": "2024-03-01", "last_day": "2024-03-02", "name": "../up"}, "name"),
        ("tune", {"first_day": "2024-03-01", "last_day": "2024-03-02", "metric": "r2"}, "metric"),
        ("promote", {"version": "the last"}, "version"),
        ("maintain", {"sample_days": -1}, "sample_days"),
        ("override", {"who": "Ann", "why": "concert", "factor": 21}, "factor"),
    ],
)
def test_what_is_wrong_is_refused_before_a_run_exists(flow: str, wrong: dict[str, Any], said: str) -> None:
    from prefect.exceptions import PrefectHTTPStatusError

    with pytest.raises(PrefectHTTPStatusError, match=f"Validation failed for field '{said}"):
        submit(flow, **wrong)


def test_a_station_s_next_hours_are_scaled_in_the_form_and_that_is_ended_again(town: Path) -> None:
    assert execute(submit("ingest")).is_completed()
    assert execute(submit("override", who="Ann", why="concert", station="A", factor=1.5, hours=2)).is_completed()
    said = artifact("override")
    assert said.startswith("# Overrides: 1, 0 of 0 that are scored helped")
    (entry,) = (town / "root/overrides").iterdir()
    name = entry.stem[-8:]
    assert f"| {name} | A | concert | Ann |" in said
    assert execute(submit("override", action="remove", who="Bob", why="off", override_id=name)).is_completed()
    assert "removed by Bob at " in artifact("override")
    failed = execute(submit("override", who="Ann", why="concert", station="Q", factor=1.5, hours=2))
    assert "station 'Q' is unknown" in failed.message


def test_days_in_the_wrong_order_fail_the_run_in_one_line_that_its_artifact_repeats() -> None:
    state = execute(submit("backtest", first_day="2024-03-02", last_day="2024-03-01"))
    assert state.is_failed()
    said = artifact("backtest")
    assert "last_day 2024-03-01 is before first_day 2024-03-02: exchange them" in said
    assert said.startswith("# backtest: Failed")


def test_a_run_whose_process_was_stopped_ends_in_an_artifact_that_the_runner_makes() -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelling

    from flows.score import score

    run = submit("score")
    with get_client(sync_client=True) as client:
        stopped: Any = Cancelling(message="by a person")
        client.set_flow_run_state(run.id, stopped, force=True)
        run = client.read_flow_run(run.id)
    for hook in score.on_cancellation_hooks:
        hook(flow=score, flow_run=run, state=stopped)  # as Prefect's runner does
    said = artifact("score")
    assert said.startswith("# score: Cancelled")
    assert "by a person" in said
    assert "Run it again with the same parameters" in said


def test_an_error_of_the_code_ends_in_an_artifact_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.pipelines import loop

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(loop, "score", broken)
    assert execute(submit("score")).is_failed()
    assert "Look at the logs of this run" in artifact("score")
    assert "division by zero" in artifact("score")
