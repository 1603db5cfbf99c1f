"""`nexthour up` with the records of Prefect and MLflow in PostgreSQL; long runs that a person cancels on their page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from support import postgres_server
from support.machine import Machine, running_machine

BINARIES = postgres_server.binaries()
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL here")
SETTINGS = """
data_root = "."
sources = [{ name = "city", kind = "simulate", stations = 3, weeks = 8 }]
features = { weeks = 4 }
retrain = { model = "linear_level", train_days = 14, validation_days = 3, holdout_days = 4, origin_minutes = 60 }
gate = { baselines = ["weekday_mean"] }
prefect = { database = "env:RUNS" }
mlflow = { tracking_uri = "env:NIGHTS" }
"""
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
SPAN = {"first_day": str(YESTERDAY - timedelta(days=20)), "last_day": str(YESTERDAY)}
BACKTEST = {**SPAN, "models": ["weekday_mean", "weekday_level"], "every_minutes": 30, "retrain_days": 1, "jobs": 1}


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    assert BINARIES is not None
    with postgres_server.running(BINARIES) as running:
        for database in ("runs", "nights"):
            running.run("postgres", f"CREATE DATABASE {database}")
        yield running


@pytest.fixture(scope="module")
def machine(server: postgres_server.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNS", server.url("runs").replace("+psycopg", ""))
        patch.setenv("NIGHTS", server.url("nights"))
        with running_machine(tmp_path_factory.mktemp("machine"), SETTINGS) as machine:
            yield machine


def count(server: postgres_server.Server, database: str, table: str) -> int:
    with server.connect(database) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_forecasts_are_published_and_a_champion_is_registered_with_all_records_in_postgres(
    machine: Machine, server: postgres_server.Server
) -> None:
    machine.until("a forecast", lambda: machine.read("publications/latest.json"))
    champion = machine.until("a champion", lambda: machine.read("bundles/champion.json"))
    machine.until(
        "its forecast",
        lambda: machine.read("publications/latest.json")["model_version"] == champion["version"],
    )
    assert count(server, "runs", "flow_run WHERE state_type = 'COMPLETED'") >= 3
    assert count(server, "nights", "registered_model_aliases WHERE alias = 'champion'") == 1
    assert not list(machine.root.glob("prefect/*.db*"))
    assert not list(machine.root.glob("mlflow/*.db*"))
    said = "".join(path.read_text() for path in [machine.root / "up.log", *machine.root.glob("logs/*.log")])
    assert postgres_server.PASSWORD not in said


def test_long_runs_that_a_person_cancels_end_at_once_and_lose_nothing(
    machine: Machine, server: postgres_server.Server
) -> None:
    before = machine.read("bundles/champion.json")
    tuned = {**SPAN, "model": "linear_level", "trials": 500, "retrain_days": 1, "name": "long"}
    runs = {
        "tune": machine.start("tune", **tuned),
        "retrain": machine.start("retrain", model="next_hour_lstm"),
    }
    nights = "runs WHERE status = 'RUNNING' AND name LIKE '%next_hour_lstm%'"
    machine.until("a night that trains", lambda: count(server, "nights", nights) == 1)
    runs["backtest"] = machine.start("backtest", **BACKTEST, name="halves")
    for flow in ("backtest", "tune"):
        machine.until(f"progress of {flow}", lambda run=runs[flow]: artifacts(machine, run))  # type: ignore[misc]

    for run in runs.values():
        machine.ask(f"flow_runs/{run}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})

    for flow, run in runs.items():
        machine.until(f"the end of {flow}", lambda run=run: machine.state(run) == "CANCELLED", 60)  # type: ignore[misc]
        last = machine.until("its artifact", lambda run=run, flow=flow: artifacts(machine, run, flow))  # type: ignore[misc]
        assert "Run it again with the same parameters" in last[0]["data"]
    runner = psutil.Process(machine.child("flows.machine.serve"))
    machine.until("the end of their processes", lambda: not any("prefect.engine" in line(p) for p in tree(runner)))
    assert count(server, "nights", nights) == 0
    assert count(server, "nights", nights.replace("RUNNING", "KILLED")) == 1
    assert machine.read("bundles/champion.json") == before
    machine.run("backtest", **BACKTEST, name="halves")
    assert (machine.root / "reports/backtest/halves/report.json").exists()


def artifacts(machine: Machine, run: str, key: str | None = None) -> list[dict[str, Any]]:
    """Artifacts of a run, all or those of a key."""
    wanted: dict[str, Any] = {"flow_run_id": {"any_": [run]}} | ({"key": {"any_": [key]}} if key else {})
    found: list[dict[str, Any]] = machine.ask("artifacts/filter", artifacts=wanted)
    return found


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Processes below one."""
    found: list[psutil.Process] = process.children(recursive=True)
    return found


def line(process: psutil.Process) -> str:
    """Command line of a process; empty where it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
