"""What `nexthour up` costs while its schedules run: CPU and memory per process, database bytes, start lag, in one run.

    python benchmarks/schedule_cost.py --minutes 60

First `up --simulate` in an empty folder, until its first forecast is published. Then `up` with 20 simulated stations:
it trains a champion and runs every nightly flow once, rests, and is measured while nothing but its schedules runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
from common import report
from process_tree import RUNS, Ended, Seen, cpu_per_kind, ended_between, look, pss_per_kind, spent_between
from schedule_figures import (
    ISOLATED,
    figures_of_database,
    figures_of_lag,
    figures_of_memory,
    figures_of_runs,
    with_moments,
)

from flows.machine.environment import BRIEF_EVENTS

SETTINGS = """
data_root = "."
sources = [{ name = "city", kind = "simulate", stations = 20, weeks = 16 }]
retrain = { train_days = 42, origin_minutes = 30 }
models = { next_hour_lstm = { max_samples = 20000, max_validation = 2000, epochs = 8, refit = false } }
"""
BY_HAND = ("score", "features", "maintain")
LOOK_SECONDS, LOOKS_PER_MEMORY, LOOKS_PER_QUESTION = 0.5, 4, 10
MOST_SECONDS, REST_SECONDS = 900, 90


@dataclass
class Watch:
    """What is seen of an `up` from outside, look by look."""

    top: psutil.Process
    root: Path
    clock: float
    """Seconds to add to the start that the system tells of a process: it counts from a whole second."""
    seen: list[Seen] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    memory: list[dict[str, float]] = field(default_factory=list)
    published: set[float] = field(default_factory=set)
    looks: int = 0

    def until(self, what: str, is_so: Callable[[], bool], seconds: float) -> float:
        """Look again and again until something is so; returns how long that took.

        Raises:
            SystemExit: if it takes longer than `seconds`.
        """
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > seconds:
                raise SystemExit(f"{what} did not come in {seconds:.0f} s: see {self.root}/logs")
            self.step()
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    def wait(self, seconds: float) -> float:
        """Look for some time; returns how long it was."""
        end = time.monotonic() + seconds
        return self.until("the end", lambda: time.monotonic() >= end, seconds + 60)

    def step(self) -> None:
        """Look once."""
        before, self.seen, self.looks = self.seen, look(self.top), self.looks + 1
        self.ended += [replace(each, began=each.began + self.clock) for each in ended_between(before, self.seen)]
        if self.looks % LOOKS_PER_MEMORY == 0:
            self.memory.append(pss_per_kind(self.seen))
        newest = self.root / "publications/latest.json"
        if newest.exists():
            self.published.add(newest.stat().st_mtime)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(root: Path, *options: str) -> Iterator[tuple[Watch, str, float]]:
    """An `up` on a data root, the address of its Prefect API, and when it was started (UNIX seconds)."""
    prefect, mlflow, interface = free_port(), free_port(), free_port()
    command = [sys.executable, "-c", "from flows.cli.main import main; main()"]
    command += ["up", "--data-root", str(root), *options]
    command += ["--prefect-port", str(prefect), "--mlflow-port", str(mlflow), "--api-port", str(interface)]
    # Modules are compiled once, as where a package is installed; some machines forbid it to the shell.
    compiled = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    started = time.time()
    with subprocess.Popen(command, env=compiled) as process:
        try:
            top = psutil.Process(process.pid)
            yield Watch(top, root, started - top.create_time()), f"http://127.0.0.1:{prefect}/api", started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def used_bytes(database: Path) -> dict[str, int]:
    """Bytes of the rows and indexes of each table of a SQLite database."""
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        found = connection.execute(
            "SELECT tbl_name, sum(pgsize - unused) FROM dbstat JOIN sqlite_master USING (name) GROUP BY tbl_name"
        )
        return {str(table): int(size) for table, size in found}


def brief_share(database: Path, moment: str) -> float:
    """Share of the events since a moment, by their bytes, that go after an hour."""
    size = "length(payload) + length(resource) + length(related)"
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        rows = connection.execute(
            f"SELECT event, sum({size}) FROM events WHERE occurred >= ? GROUP BY event", [moment.replace("T", " ")]
        ).fetchall()
    brief = sum(int(bytes_) for event, bytes_ in rows if event in BRIEF_EVENTS)
    return brief / max(1, sum(int(bytes_) for _, bytes_ in rows))


def ask(api: str, path: str, **query: Any) -> Any:
    """What Prefect's API answers to a POST."""
    return httpx.post(f"{api}/{path}", json=query, timeout=60).raise_for_status().json()


def completed_runs(api: str) -> list[dict[str, Any]]:
    """Runs that have completed, the newest 200, with the UNIX seconds `due`, `began` and `done`."""
    completed = {"state": {"type": {"any_": ["COMPLETED"]}}}
    runs = ask(api, "flow_runs/filter", flow_runs=completed, sort="START_TIME_DESC", limit=200)
    return [with_moments(run) for run in runs]


def first_tasks(api: str, runs: list[dict[str, Any]]) -> dict[str, float]:
    """When the first task of each run began, UNIX seconds, by the id of the run; none where it has no task runs."""
    found: dict[str, float] = {}
    for run in runs:
        tasks = ask(api, "task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}}, limit=200)
        moments = [datetime.fromisoformat(task["start_time"]).timestamp() for task in tasks if task["start_time"]]
        if moments:
            found[run["id"]] = min(moments)
    return found


def seconds_to_first_forecast(root: Path) -> float:
    """From the command `up --simulate` in an empty folder to the first published forecast."""
    with running(root, "--simulate") as (watch, _, started):
        watch.until("the first forecast", lambda: bool(watch.published), MOST_SECONDS)
        return min(watch.published) - started


def bring_to_rest(watch: Watch, api: str) -> None:
    """Wait for the champion, run every other nightly flow once as a person would, and rest."""

    def has_ended(flow: str) -> bool:
        if watch.looks % LOOKS_PER_QUESTION:
            return False
        ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}}
        return bool(ask(api, "flow_runs/filter", flows={"name": {"any_": [flow]}}, flow_runs=ended, limit=1))

    watch.until("the first forecast", lambda: bool(watch.published), MOST_SECONDS)
    watch.until("a trained model", lambda: has_ended(ISOLATED), MOST_SECONDS)
    for flow in BY_HAND:
        deployment = httpx.get(f"{api}/deployments/name/{flow}/{flow}", timeout=60).raise_for_status().json()["id"]
        ask(api, f"deployments/{deployment}/create_flow_run")
        watch.until(flow, partial(has_ended, flow), MOST_SECONDS)
    watch.wait(REST_SECONDS)


def measure_machine(root: Path, minutes: float) -> dict[str, object]:
    """Figures of `up` with a champion, while nothing but its schedules runs."""
    database = root / "prefect/prefect.db"
    with running(root) as (watch, api, _):
        bring_to_rest(watch, api)
        moment, watch.memory = datetime.now(UTC), []
        bytes_before, own, machine = used_bytes(database), time.process_time(), busy_seconds()
        cpu_before = cpu_per_kind(look(watch.top))
        seconds = watch.wait(minutes * 60)
        spent = spent_between(cpu_before, cpu_per_kind(look(watch.top)))
        own, machine = time.process_time() - own, busy_seconds() - machine
        bytes_after, brief = used_bytes(database), brief_share(database, moment.isoformat())
        completed = completed_runs(api)
        runs = [run for run in completed if run["auto_scheduled"] and run["due"] >= moment.timestamp()]
        figures = figures_of_runs(completed, first_tasks(api, completed), watch.ended)
        lag = figures_of_lag(runs, watch.published)
        model = json.loads((root / "publications/latest.json").read_text(encoding="utf-8"))["model_version"]
        stopping = time.monotonic()
    return {
        "model of the forecasts": model,
        "minutes measured": seconds / 60,
        "scheduled runs completed": len(runs),
        **{f"CPU % of a core, {kind}": 100 * used / seconds for kind, used in spent.items()},
        "CPU % of a core, everything": 100 * sum(spent.values()) / seconds,
        "CPU % of a core, the machine without this script": 100 * (machine - own) / seconds,
        "CPU s per scheduled run, in its process": spent.get(RUNS, 0.0) / max(1, len(runs)),
        **figures_of_memory(watch.memory),
        **figures_of_database(bytes_before, bytes_after, brief, seconds / 86_400),
        **lag,
        **figures,
        "seconds to stop": time.monotonic() - stopping,
    }


def busy_seconds() -> float:
    """CPU seconds that all cores together have worked."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long to measure")
    parser.add_argument("--root", type=Path, help="empty folder that is kept, in place of a temporary one")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as folder:
        first = seconds_to_first_forecast(Path(empty))
        root = given.root or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        (root / "nexthour.toml").write_text(SETTINGS, encoding="utf-8")
        rows = {
            "load of the machine (one minute), before": load,
            "seconds from up --simulate to the first forecast": first,
        }
        report("cost of the schedules", rows | measure_machine(root, given.minutes))
