"""`nexthour up` with real processes: it fills an empty data root, survives kills of its parts, and ends in time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[3]
NEXTHOUR = [sys.executable, "-c", "from flows.cli.main import main; main()"]
SETTINGS = """
data_root = "."
network = { timezone = "Europe/Berlin" }
sources = [{ name = "city", kind = "simulate", stations = 3, weeks = 8 }]
features = { weeks = 4 }
retrain = { model = "linear_level", train_days = 14, validation_days = 3, holdout_days = 4, origin_minutes = 60 }
gate = { baselines = ["weekday_mean"] }
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Machine:
    """A running `up`."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]
    command: list[str]
    api: int
    client: httpx.Client

    def until(self, what: str, found: Callable[[], Any], seconds: float = 240) -> Any:
        """Wait for something; on time-out the logs say why it did not come."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if result := found():
                    return result
            except (httpx.HTTPError, OSError, ValueError, psutil.Error):
                pass
            time.sleep(0.25)
        logs = "\n".join(path.read_text()[-3000:] for path in [self.root / "up.log", *self.root.glob("logs/*.log")])
        raise AssertionError(f"{what} did not come within {seconds} s:\n{logs}")

    def ask(self, path: str, **body: Any) -> Any:
        """What Prefect's API answers to a POST."""
        return self.client.post(f"http://127.0.0.1:{self.port}/api/{path}", json=body).raise_for_status().json()

    def read(self, path: str) -> Any:
        """A JSON file of the data root."""
        return json.loads((self.root / path).read_text())

    def child(self, part: str) -> int:
        """Process id of a child, by a part of its command line."""
        children = psutil.Process(self.process.pid).children()
        return next((c.pid for c in children if part in " ".join(c.cmdline())), 0)

    def run(self, flow: str, **parameters: Any) -> None:
        """Start a run as the form of the UI would, and wait until it has completed."""
        named = self.client.get(f"http://127.0.0.1:{self.port}/api/deployments/name/{flow}/{flow}").raise_for_status()
        made = self.ask(f"deployments/{named.json()['id']}/create_flow_run", parameters=parameters)
        one = {"flow_runs": {"id": {"any_": [made["id"]]}}}
        self.until(f"a run of {flow}", lambda: self.ask("flow_runs/filter", **one)[0]["state_type"] == "COMPLETED")

    def states(self) -> dict[str, int]:
        """Number of runs per state."""
        counts: dict[str, int] = {}
        for run in self.ask("flow_runs/filter", limit=200):
            counts[run["state_name"]] = counts.get(run["state_name"], 0) + 1
        return counts


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    root = tmp_path_factory.mktemp("machine")
    (root / "nexthour.toml").write_text(SETTINGS)
    port, mlflow, api = free_port(), free_port(), free_port()
    command = [*NEXTHOUR, "up", "--data-root", str(root), "--prefect-port", str(port), "--mlflow-port", str(mlflow)]
    command += ["--api-port", str(api)]
    with (root / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, env=os.environ)
    try:
        with httpx.Client(timeout=30, verify=False) as client:  # certificates take longer to read than an answer
            yield Machine(root, port, process, command, api, client)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


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
