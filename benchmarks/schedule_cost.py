"""What `nexthour up` costs while its schedules run: CPU per process, memory, database bytes, start lag, in one run.

python benchmarks/schedule_cost.py --minutes 60     (20 simulated stations; nothing is trained)
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from common import report

from flows.machine.environment import BRIEF_EVENTS

SETTINGS = """
data_root = "."
sources = [{ name = "city", kind = "simulate", stations = 20, weeks = 20 }]
retrain = { minimum_days = 10000 }
"""
PARTS = {
    "prefect server start": "Prefect server",
    "uvicorn": "MLflow server",
    "machine.serve": "runner",
    "flows.api": "reading interface",
}
EVENTS = ("events", "event_resources")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(top: psutil.Process) -> dict[str, float]:
    """CPU seconds so far, per part; those of the runs that have ended are counted by their parent."""
    spent = {"supervisor": sum(top.cpu_times()[:2]), "runs": 0.0}
    for child in top.children():
        name = next((name for part, name in PARTS.items() if part in " ".join(child.cmdline())), "other")
        times = child.cpu_times()
        spent[name] = times.user + times.system
        spent["runs"] += times.children_user + times.children_system
        for runner in child.children()[:1] if name == "runner" else ():
            spent[name] += sum(runner.cpu_times()[:2])
    return spent


def memory_mb(top: psutil.Process) -> tuple[float, float]:
    """Resident memory of everything, and the same with shared pages counted once (PSS)."""
    found = []
    for process in (top, *top.children(recursive=True)):
        try:
            found.append(process.memory_full_info())
        except psutil.Error:
            continue  # a run that has just ended
    return sum(m.rss for m in found) / 1e6, sum(m.pss for m in found) / 1e6


def used_bytes(database: Path) -> dict[str, int]:
    """Bytes of the rows and indexes of each table of a SQLite database."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(
            "SELECT tbl_name, sum(pgsize - unused) FROM dbstat JOIN sqlite_master USING (name) GROUP BY tbl_name"
        )
        return {str(table): int(size) for table, size in found}


def brief_share(database: Path, moment: str) -> float:
    """Share of the events since a moment, by their bytes, that go after an hour."""
    size = "length(payload) + length(resource) + length(related)"
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            f"SELECT event, sum({size}) FROM events WHERE occurred >= ? GROUP BY event", [moment.replace("T", " ")]
        ).fetchall()
    brief = sum(int(bytes_) for event, bytes_ in rows if event in BRIEF_EVENTS)
    return brief / max(1, sum(int(bytes_) for _, bytes_ in rows))


def runs_since(api: str, moment: str) -> list[dict[str, Any]]:
    """Runs that have completed since a moment."""
    query = {"flow_runs": {"start_time": {"after_": moment}, "state": {"type": {"any_": ["COMPLETED"]}}}, "limit": 200}
    return list(httpx.post(f"{api}/flow_runs/filter", json=query, timeout=60).raise_for_status().json())


def lag_seconds(run: dict[str, Any]) -> float:
    """Seconds from the scheduled to the actual start."""
    due, began = (datetime.fromisoformat(run[key]) for key in ("expected_start_time", "start_time"))
    return (began - due).total_seconds()


def largest(grown: dict[str, int]) -> list[str]:
    """Tables without those of events that grew most."""
    others = [table for table in grown if table not in EVENTS]
    return sorted(others, key=lambda table: -grown[table])[:6]


def wait_until_quiet(root: Path, top: psutil.Process) -> float:
    """Wait for the first forecast and the end of the catch-up; returns the seconds until the forecast."""
    began = time.monotonic()
    while not (root / "publications/latest.json").exists():
        if not top.is_running():
            raise SystemExit(f"up ended: see {root}/logs")
        time.sleep(0.5)
    first = time.monotonic() - began
    time.sleep(60)
    return first


def measure_machine(root: Path, minutes: float) -> dict[str, object]:
    """Figures of one `up` on an empty data root."""
    port, mlflow = free_port(), free_port()
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-c", "from flows.cli.main import main; main()", "up", "--data-root", str(root)]
    with subprocess.Popen([*command, "--prefect-port", str(port), "--mlflow-port", str(mlflow)]) as process:
        top = psutil.Process(process.pid)
        try:
            first = wait_until_quiet(root, top)
            moment, began, before = f"{datetime.now(UTC).isoformat()}", time.monotonic(), cpu_seconds(top)
            bytes_before, peaks = used_bytes(root / "prefect/prefect.db"), [memory_mb(top)]
            while time.monotonic() - began < minutes * 60:
                time.sleep(1)
                peaks.append(memory_mb(top))
            seconds, after = time.monotonic() - began, cpu_seconds(top)
            bytes_after, runs = used_bytes(root / "prefect/prefect.db"), runs_since(api, moment)
            share = brief_share(root / "prefect/prefect.db", moment)
        finally:
            stopping = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait()
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    lags = np.array([lag_seconds(run) for run in runs])
    grown = {table: size - bytes_before.get(table, 0) for table, size in bytes_after.items()}
    brief = share * sum(grown.get(table, 0) for table in EVENTS)
    days = seconds / 86_400
    resident, shared_once = np.array(peaks).T
    return {
        "load of the machine (one minute)": os.getloadavg()[0],
        "seconds to the first forecast": first,
        "minutes measured": seconds / 60,
        "runs completed": len(runs),
        **{f"CPU % of a core, {name}": 100 * used / seconds for name, used in sorted(spent.items())},
        "CPU % of a core, everything": 100 * sum(spent.values()) / seconds,
        "CPU seconds per run, in its process": spent["runs"] / max(1, len(runs)),
        "resident MB, median": float(np.median(resident)),
        "resident MB, shared pages once, median": float(np.median(shared_once)),
        "resident MB, shared pages once, peak": float(shared_once.max()),
        "database bytes per run": sum(grown.values()) / max(1, len(runs)),
        "database MB per day before anything expires": sum(grown.values()) / 1e6 / days,
        "database MB per day that stay longer than an hour": (sum(grown.values()) - brief) / 1e6 / days,
        **{f"of these {table}": grown[table] / 1e6 / days for table in largest(grown)},
        "start lag s, median": float(np.median(lags)) if len(lags) else float("nan"),
        "start lag s, 99th percentile": float(np.quantile(lags, 0.99)) if len(lags) else float("nan"),
        "seconds to stop": time.monotonic() - stopping,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long to measure")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nexthour.toml").write_text(SETTINGS, encoding="utf-8")
        report("cost of the schedules", measure_machine(Path(folder), given.minutes))
