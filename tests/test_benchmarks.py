"""The page of measurements is what the committed results say."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import datetime
from importlib import import_module
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import common  # noqa: E402
import night  # noqa: E402
import process_tree  # noqa: E402
import report  # noqa: E402
import schedule_figures  # noqa: E402
import simulated_days  # noqa: E402


def test_the_committed_page_is_rendered_from_the_committed_results() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.render(), "run python benchmarks/report.py"


def test_the_run_of_a_script_is_on_the_page_with_its_date_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/gate.py"])
    common.save({"paired": {"false": 0.04321}, "days": [7, 14]})
    results = tmp_path / "benchmarks" / "results"
    run = json.loads((results / "runs" / "gate.json").read_text(encoding="utf-8"))
    page = report.render(results)
    assert f"`benchmarks/gate.py`, {run['date']}, {run['machine']}:" in page
    assert "| paired.false | 0.043 |\n| days.0 | 7 |\n| days.1 | 14 |" in page


def seen(pid: int, parent: int, command: str = "", own: float = 0.0, waited: float = 0.0) -> process_tree.Seen:
    return process_tree.Seen(pid, parent, float(pid), command, own, waited)


TREE = [
    seen(1, 0, own=0.5, waited=4.0),
    seen(2, 1, "python bin/prefect server start --port 1", own=10.0, waited=0.25),
    seen(3, 1, "python -m flows.machine.serve", own=3.0, waited=100.0),
    seen(4, 3, own=2.0, waited=30.0),
    seen(9, 3, own=1.0, waited=0.5),
    seen(10, 9, own=0.125),
    seen(11, 4, own=7.0, waited=1.0),
    seen(12, 1, "python -m flows.api 127.0.0.1 2", own=0.75),
]
"""Supervisor, Prefect, fork server, runner, a forked run with a child, a run in a process of its own, interface."""


def test_cpu_of_runs_counts_those_that_have_ended_and_those_at_work_each_once() -> None:
    assert process_tree.cpu_per_kind(TREE) == {
        "supervisor": 0.5,
        "restarted processes": 4.0,
        "Prefect server": 10.25,
        "runner": 5.0,
        "runs": 100.0 + 30.0 + 1.5 + 0.125 + 8.0,
        "reading interface": 0.75,
    }


def test_a_run_that_ends_moves_its_seconds_and_loses_none() -> None:
    after = [each for each in TREE if each.pid not in (9, 10)]
    after[2] = seen(3, 1, "python -m flows.machine.serve", own=3.0, waited=100.0 + 1.5 + 0.125 + 0.25)
    before = process_tree.cpu_per_kind(TREE)
    assert process_tree.spent_between(before, process_tree.cpu_per_kind(after)) == dict.fromkeys(before, 0.0) | {
        "runs": 0.25
    }
    assert process_tree.ended_between(TREE, after) == [process_tree.Ended(9.0, 1.875, isolated=False)]
    last = [each for each in after if each.pid != 11]
    last[3] = seen(4, 3, own=2.0, waited=39.0)
    assert process_tree.ended_between(after, last) == [process_tree.Ended(11.0, 9.0, isolated=True)]


def test_what_a_process_burnt_is_counted_after_it_has_ended() -> None:
    """As the runs of `up`: forks that their parent waits for, while somebody else looks at the tree."""
    burn = "import os, sys, time\nfor _ in range(3):\n if not os.fork():\n  while time.process_time() < 0.1: pass\n"
    burn += "  os._exit(0)\n os.wait()\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = process_tree.look(psutil.Process(process.pid))
        process.communicate()
    assert 0.25 < sum(process_tree.cpu_per_kind(found).values()) < 3


def test_the_process_of_a_run_is_the_last_that_began_before_it_and_lag_is_from_the_scheduled_moment() -> None:
    ended = [process_tree.Ended(began, cpu, isolated=False) for began, cpu in ((9.0, 1.0), (9.5, 2.0), (70.0, 3.0))]
    ended.append(process_tree.Ended(9.75, 60.0, isolated=True))
    runs = [
        {"id": name, "flow": flow, "due": due, "began": due + 0.5, "done": due + 2}
        for name, flow, due in (("a", "forecast", 10.0), ("b", "ingest", 10.0), ("c", "ingest", 70.0))
    ]
    runs.append({"id": "d", "flow": "retrain", "due": 9.0, "began": 12.0, "done": 50.0})
    found = schedule_figures.processes_of(runs, ended)
    assert {name: process.cpu for name, process in found.items()} == {"a": 2.0, "b": 1.0, "c": 3.0, "d": 60.0}
    figures = schedule_figures.figures_of_runs(runs, {"d": 12.25}, ended)
    assert figures["ingest: CPU s per day"] == 1440 * 2.0
    assert figures["retrain: s from process to flow, longest"] == 2.25
    assert figures["ingest: s from process to flow, longest"] == 0.5  # its process waited until it was due
    assert figures["retrain: s from process to first task, longest"] == 2.5
    assert figures["forecast: s from process to first task, longest"] == "no task runs"
    lag = schedule_figures.figures_of_lag(runs[:3], {8.0, 11.5, 40.0})
    assert (lag["scheduled forecasts"], lag["start lag of a scheduled forecast, s, median"]) == (1, 0.5)
    assert lag["from its scheduled moment to its publication, s, 99th percentile"] == 1.5


def test_a_copy_of_a_run_has_ids_and_moments_of_its_own_and_all_else_as_it_was() -> None:
    database = sqlite3.connect(":memory:")
    for table in simulated_days.TABLES:
        database.execute(f"CREATE TABLE {table} (id, flow_run_id, task_run_id, event_id, resource_id, at, text)")
    database.execute("ALTER TABLE flow_run ADD COLUMN flow_id")
    for column in ("expected_start_time", "state_type", "idempotency_key", "auto_scheduled"):
        database.execute(f"ALTER TABLE flow_run ADD COLUMN {column}")
    database.execute("CREATE TABLE flow (id, name)")
    ids = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(6)]
    run, state, task, event, resource, flow = ids
    due = "2026-11-30 08:00:00.000000"
    key = f"scheduled {ids[5]} 2026"
    database.execute("INSERT INTO flow VALUES (?, 'ingest')", [flow])
    row = [run, None, None, None, None, due, f"state {state}", flow, due, "COMPLETED", key, 1]
    by_hand = [ids[0][::-1], *row[1:-1], 0]
    database.executemany(f"INSERT INTO flow_run VALUES ({', '.join('?' * 12)})", [by_hand, row])
    others = {
        "flow_run_state": (state, run, None, None, None, "2026-11-30 08:00:01.500000", "done"),
        "task_run": (task, run, None, None, None, due, "a task"),
        "events": (event, None, None, None, None, due, f'{{"run": "{run}"}}'),
        "event_resources": (resource, None, None, event, f"prefect.flow-run.{run}", due, ""),
    }
    for table, values in others.items():
        database.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    (read,) = simulated_days.read_runs(database, "ingest")
    copied = simulated_days.copy_rows(read, datetime(2026, 12, 1, 9))

    (new,) = copied["flow_run"]
    assert new[0] != run
    assert (new[5], new[7:10]) == ("2026-12-01 09:00:00.000000", (flow, "2026-12-01 09:00:00.000000", "COMPLETED"))
    assert new[6] == f"state {copied['flow_run_state'][0][0]}"
    assert new[10] != key
    assert copied["flow_run_state"][0][1] == new[0]
    assert copied["flow_run_state"][0][5] == "2026-12-01 09:00:01.500000"
    assert copied["event_resources"][0][3:5] == (copied["events"][0][0], f"prefect.flow-run.{new[0]}")
    assert copied["events"][0][6] == f'{{"run": "{new[0]}"}}'
    assert len({*ids, *(row[0] for rows in copied.values() for row in rows)}) == len(ids) + 5


@pytest.mark.parametrize("place", night.PHASES, ids=lambda place: f"{place[0]}.{place[1]}")
def test_every_phase_of_a_night_is_a_function_of_the_project(place: tuple[str, str, str]) -> None:
    assert callable(getattr(import_module(place[0]), place[1]))
