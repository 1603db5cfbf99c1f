"""`nexthour up` with real processes: it fills an empty data root, survives kills of its parts, and ends in time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from support.machine import ROOT, Machine, running_machine

SETTINGS = """
data_root = "."
network = { timezone = "Europe/Berlin" }
sources = [{ name = "city", kind = "simulate", stations = 3, weeks = 8 }]
features = { weeks = 4 }
retrain = { model = "linear_level", train_days = 14, validation_days = 3, holdout_days = 4, origin_minutes = 60 }
gate = { baselines = ["weekday_mean"] }
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running_machine(tmp_path_factory.mktemp("machine"), SETTINGS) as machine:
        yield machine


def test_a_forecast_is_published_by_a_baseline_first_and_by_a_trained_champion_later(machine: Machine) -> None:
    first = machine.until("a forecast", lambda: machine.read("publications/latest.json"))
    assert first["model_version"] in ("weekday_level", "weekday_mean")
    machine.until("a champion", lambda: machine.read("bundles/champion.json"))
    latest = machine.until(
        "its forecast",
        lambda: (found := machine.read("publications/latest.json"))["degraded_reason"] is None and found,
    )
    assert latest["model_version"] not in ("weekday_level", "weekday_mean", "linear_level")


def test_the_reading_interface_answers_what_is_published(machine: Machine) -> None:
    address = f"http://127.0.0.1:{machine.api}"
    machine.until("health", lambda: machine.client.get(f"{address}/health").json()["status"] == "ok")
    station = machine.client.get(f"{address}/stations").json()["rows"][0]["station_id"]
    assert machine.client.get(f"{address}/stations/{station}/next-hour").json()["issued_at"]


def test_a_second_up_names_the_first_and_exits_with_2(machine: Machine) -> None:
    second = subprocess.run(machine.command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=os.environ)
    assert second.returncode == 2
    assert f"pid {machine.process.pid}" in second.stderr
    assert f"http://127.0.0.1:{machine.port}/" in second.stderr


def test_forecasts_are_scored_when_their_hour_is_over(machine: Machine) -> None:
    past = datetime.now(UTC) - timedelta(hours=3)
    machine.run("forecast", as_of=past.isoformat())
    machine.run("score")
    assert list(machine.root.glob("scores/*/*.parquet"))


def test_the_steps_of_a_scheduled_minute_are_no_task_runs_and_those_of_a_run_by_hand_are(machine: Machine) -> None:
    def task_runs(run: str) -> list[str]:
        return [found["name"] for found in machine.ask("task_runs/filter", flow_runs={"id": {"any_": [run]}})]

    def ingests(scheduled: bool) -> list[str]:
        wanted = {"state": {"type": {"any_": ["COMPLETED"]}}, "name": {"like_": "ingest"}}
        found = machine.ask("flow_runs/filter", flow_runs=wanted)
        return [run["id"] for run in found if run["auto_scheduled"] == scheduled]

    machine.run("ingest")
    machine.until("its task runs", lambda: any("ingest source" in name for name in task_runs(ingests(False)[0])))
    minutely = machine.until("a scheduled run", lambda: ingests(True))
    assert [task_runs(run) for run in minutely] == [[]] * len(minutely)


def test_runs_by_hand_that_meet_one_another_are_all_done(machine: Machine) -> None:
    runs = [machine.start("ingest") for _ in range(3)]
    machine.until("the end of all", lambda: [machine.state(run) for run in runs] == ["COMPLETED"] * 3)
    states = f"http://127.0.0.1:{machine.port}/api/flow_run_states/"
    histories = [machine.client.get(states, params={"flow_run_id": run}).json() for run in runs]
    assert "AwaitingConcurrencySlot" in {state["name"] for history in histories for state in history}


def test_a_server_that_is_killed_comes_back_and_schedules_go_on(machine: Machine) -> None:
    killed = machine.child("prefect server start")
    os.kill(killed, signal.SIGKILL)
    machine.until("another server", lambda: machine.child("prefect server start") not in (0, killed))
    machine.until("its answer", lambda: machine.client.get(f"http://127.0.0.1:{machine.port}/api/health").is_success)
    before = machine.states().get("Completed", 0)
    machine.until("a minutely run", lambda: machine.states().get("Completed", 0) > before)


def test_a_runner_that_is_killed_comes_back_and_leaves_no_run_at_work(machine: Machine) -> None:
    killed = machine.child("flows.machine.serve")
    started = {p.pid for p in psutil.Process(killed).children(recursive=True)}
    os.kill(killed, signal.SIGKILL)
    machine.until("another runner", lambda: machine.child("flows.machine.serve") not in (0, killed))
    machine.until("the end of its runs", lambda: not any(psutil.pid_exists(pid) for pid in started), 20)
    done = machine.states().get("Completed", 0)
    machine.until("runs after it", lambda: machine.states().get("Completed", 0) >= done + 2)
    machine.until("no run left behind", lambda: machine.states().get("Running", 0) <= 1)


def test_everything_ends_within_five_seconds(machine: Machine) -> None:
    everyone = psutil.Process(machine.process.pid).children(recursive=True)
    started = time.monotonic()
    machine.process.send_signal(signal.SIGTERM)
    assert machine.process.wait(20) == 0
    assert time.monotonic() - started < 5.5
    assert not psutil.wait_procs(everyone, timeout=5)[1]
