"""A backtest as the command runs it: worker processes, what was known then, the same bytes however the work is cut."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support.late_town import SPAN, START, late_town
from support.mortal_workers import CLUSTERS

from flows.pipelines.backtest import TASKS, ReplaySpan, replayed_modules, run_backtest
from tasks.backtest.replay import BacktestReport
from tasks.errors import ConfigError
from tasks.settings.tree import RunnerSettings, Settings

TESTS = Path(__file__).parents[2]
PATHS = os.pathsep.join(map(str, (TESTS, TESTS.parent)))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return late_town(tmp_path_factory.mktemp("town"))


def said(report: BacktestReport) -> dict[str, Any]:
    return {name: value for name, value in report.figures.items() if name != "timing"}


def test_worker_processes_leave_the_bytes_that_one_process_leaves(town: Settings, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    one = run_backtest(town, SPAN, tmp_path / "1", jobs=1, track=False)
    two = run_backtest(town, SPAN, tmp_path / "2", jobs=2, track=False, progress=lambda *said: told.append(said))
    assert Path(one.forecasts).read_bytes() == Path(two.forecasts).read_bytes()
    assert (
        said(one) == said(two) == {k: v for k, v in json.loads(Path(two.report).read_text()).items() if k != "timing"}
    )
    assert told[0] == ("replaying", 0, 64)
    assert told[-1] == ("replaying", 64, 64)
    assert sorted(p.name for p in (tmp_path / "2").iterdir()) == ["forecasts.parquet", "parts", "report.json"]
    assert [p.name for p in (tmp_path / "2" / "parts").glob(".*")] == [".lock"]


@pytest.mark.parametrize("kind", CLUSTERS)
def test_clusters_leave_the_bytes_that_one_process_leaves_though_a_worker_is_killed(
    kind: str, town: Settings, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(what: str, done: int, total: int) -> None:
        if done and not killed:
            killed.append(kill_a_worker(kind))

    clustered = town.model_copy(update={"runner": RunnerSettings(kind=kind, workers=2)})
    alone = run_backtest(town, SPAN, tmp_path / "alone", jobs=1, track=False)
    spread = run_backtest(clustered, SPAN, tmp_path / kind, track=False, progress=kill_one)
    assert killed
    assert Path(alone.forecasts).read_bytes() == Path(spread.forecasts).read_bytes()
    assert said(alone) == said(spread)
    assert [p.name for p in (tmp_path / kind / "parts").glob(".*")] == [".lock"]


WORKER = {"dask": "spawn_main", "ray": "^ray::_outcome"}
"""What the command line of a worker at work says."""


def kill_a_worker(kind: str) -> int:
    """Kill a worker of this process's cluster; returns its id."""
    children = psutil.Process().children(recursive=True)
    told: dict[int, str] = {child.pid: " ".join(child.cmdline()) for child in children}
    pid = next((pid for pid, command in told.items() if re.search(WORKER[kind], command)), None)
    assert pid, told
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_process_that_is_killed_is_replaced(town: Settings, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(what: str, done: int, total: int) -> None:
        if done and not killed:
            [*_, worker] = multiprocessing.active_children()
            worker.kill()
            killed.append(done)

    alone = run_backtest(town, SPAN, tmp_path / "alone", jobs=1, track=False)
    again = run_backtest(town, SPAN, tmp_path / "again", jobs=2, track=False, progress=kill_one)
    assert killed
    assert Path(alone.forecasts).read_bytes() == Path(again.forecasts).read_bytes()


HANGS = """
import multiprocessing, sys, time
from pathlib import Path
from flows.pipelines.backtest import run_backtest
from support.late_town import SPAN, late_town

def hang(what, done, total):
    if done:
        print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)
        time.sleep(600)

if __name__ == "__main__":
    run_backtest(late_town(Path(sys.argv[1])), SPAN, Path(sys.argv[2]), jobs=2, track=False, progress=hang)
"""


def alive(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_killed_backtest_takes_its_workers_along_and_the_next_one_clears_what_it_left(
    town: Settings, tmp_path: Path
) -> None:
    script, out = tmp_path / "hangs.py", tmp_path / "out"
    script.write_text(HANGS)
    command = [sys.executable, str(script), str(tmp_path / "town"), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": PATHS}) as hung:
        try:
            assert hung.stdout
            workers = [Path("/proc") / pid for pid in hung.stdout.readline().split()]
            assert workers
            assert all(map(alive, workers))
            with pytest.raises(ConfigError, match=r"out: another backtest .* writes there"):
                run_backtest(town, SPAN, out, jobs=1, track=False)
            assert list((out / "parts").glob(".minutes-*"))
        finally:
            hung.kill()
    for wait in [0.05] * 400:
        if not any(map(alive, workers)):
            break
        time.sleep(wait)
    assert not any(map(alive, workers))
    run_backtest(town, SPAN, out, jobs=1, track=False)
    assert [p.name for p in (out / "parts").glob(".*")] == [".lock"]


def test_an_error_in_a_worker_ends_the_backtest_with_its_line(town: Settings, tmp_path: Path) -> None:
    wanted = town.model_copy(update={"models": {"weekday_level": {"fit_origin": 3}}})
    with pytest.raises(ConfigError, match="fit_origins"):
        run_backtest(wanted, SPAN, tmp_path, jobs=2, track=False)
    early = ReplaySpan(START - np.timedelta64(30, "D"), START, SPAN.every, SPAN.models)
    with pytest.raises(Exception, match="training needs"):
        run_backtest(town, early, tmp_path, jobs=2, track=False)


def test_only_code_that_a_replay_runs_voids_the_parts_that_are_kept(town: Settings, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from support.late_town import SPAN, late_town\n"
        "from flows.pipelines.backtest import replayed_modules, run_backtest\n"
        "town = late_town(Path(sys.argv[1]) / 'town')\n"
        "for name in [n for n in sys.modules if n.startswith('tasks.')]: del sys.modules[name]\n"
        "run_backtest(town, SPAN, Path(sys.argv[1]) / 'out', jobs=1, track=False)\n"
        "run = {m.__file__ for n, m in sys.modules.items() if n.startswith('tasks.') and getattr(m, '__file__', None)}\n"
        "print(sorted(run - set(map(str, replayed_modules()))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    names = {path.relative_to(TASKS).as_posix() for path in replayed_modules()}
    assert "ingest/land/writer.py" not in names
    assert {"base_forecast.py", "features/tensors.py", "backtest/replay.py", "clock.py"} <= names
