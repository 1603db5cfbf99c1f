"""Flow runs as forks of a warm process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCENE = """
import atexit, json, os, sys
from flows.leave import leave
from flows.machine.fork_server import serve_forks

def runner(end):
    lines = end.makefile("rw")
    for code in (0, 7, -9):  # all at once
        lines.write(json.dumps({"id": f"run-{code}", "environment": {"CODE": str(code)}}) + "\\n")
    lines.flush()
    print(json.dumps([json.loads(lines.readline()) for _ in range(6)]), flush=True)
    %s

outcome = serve_forks(runner)
if isinstance(outcome, dict):
    code = int(outcome["CODE"])
    if code < 0:
        os.kill(os.getpid(), -code)
    atexit.register(lambda: sys.stderr.write(f"end of {code}, "))
    leave(code)
sys.exit(outcome)
"""


def play(last_act: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCENE % last_act], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_each_run_is_a_process_of_its_own_whose_end_is_reported() -> None:
    done = play("os._exit(5)")
    said = json.loads(done.stdout)
    pids = {message["id"]: message["pid"] for message in said if "pid" in message}
    assert len(set(pids.values())) == 3
    assert {m["id"]: m["code"] for m in said if "code" in m} == {"run-0": 0, "run-7": 7, "run--9": -9}
    assert done.returncode == 5
    assert sorted(part for part in done.stderr.split(", ") if part) == ["end of 0", "end of 7"]


def test_a_runner_that_fails_ends_the_server_with_its_trace() -> None:
    done = play("raise RuntimeError('no luck')")
    assert done.returncode == 1
    assert "no luck" in done.stderr


def test_a_runner_that_is_asked_to_end_ends_without_a_trace() -> None:
    done = play("raise SystemExit(0)")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_what_runs_share_holds_no_library_that_a_minute_does_without() -> None:
    script = (
        "import sys; from flows.machine.serve import import_everything; import_everything();"
        "print(sorted({'mlflow', 'tensorflow', 'keras', 'pandas'} & set(sys.modules)), 'tasks.ingest.steps' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[] True"


def test_the_list_of_time_zones_is_read_once_for_all_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.types import _datetime

    from flows.machine.serve import list_zones_once

    read: list[int] = []

    def zones() -> set[str]:
        read.append(1)
        return {"UTC", "Asia/Kolkata"}

    monkeypatch.setattr(_datetime, "available_timezones", zones)
    list_zones_once()
    for zone in ("UTC", "Asia/Kolkata", "UTC"):
        assert CronSchedule(cron="* * * * *", timezone=zone).timezone == zone
    assert read == [1]
