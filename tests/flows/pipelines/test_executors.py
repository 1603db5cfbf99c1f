"""Wide work in the workers of a cluster, one of which is killed: the same results, in order, and clear errors."""

from __future__ import annotations

import math
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Timer
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from support.batch_days import Said, path_of, rows_of
from support.mortal_workers import CLUSTERS, one_is_killed
from torture.power.scorings import DAY, NOON, Scorings

from flows.pipelines import executors, loop
from flows.pipelines.executors import open_spread
from tasks.errors import ConfigError
from tasks.settings.tree import RunnerSettings, Settings
from tasks.storage.store import Store

NOW = np.datetime64("2024-05-12T12:00", "us")
TWO = {"kind": "dask", "workers": 2}


def test_without_a_cluster_work_is_done_in_this_process() -> None:
    with open_spread(RunnerSettings()) as spread:
        assert spread is map


@pytest.mark.parametrize("kind", CLUSTERS)
def test_a_cluster_compacts_days_to_the_bytes_that_this_process_leaves_though_a_worker_is_killed(
    kind: str, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "one"))
    for day in range(6, 11):
        for name in ("a" * 24, "b" * 24):
            said = rows_of([Said(name[:1], (day - 10) * 1440)])
            store.write_table(path_of(name, f"2024-05-{day:02}"), said)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one = loop.maintain(Settings(data_root=str(tmp_path / "one")), NOW, 7)
    clustered = Settings(data_root=str(tmp_path / "two"), runner={"kind": kind, "workers": 2})
    with one_is_killed(kind, r"/integrity/observations/", tmp_path / "killed"):  # one file is there, the batches too
        two = loop.maintain(clustered, NOW, 7)
    assert [day.day for day in one.compacted] == [day.day for day in two.compacted]
    assert len(one.compacted) == 5
    assert one.needs_a_person == two.needs_a_person == []
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize("kind", CLUSTERS)
def test_a_cluster_scores_a_span_to_the_bytes_and_the_report_of_this_process_though_a_worker_is_killed(
    kind: str, tmp_path: Path
) -> None:
    Scorings().prepare(tmp_path)
    (tmp_path / "root").rename(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    network: Any = {"name": "Metro", "timezone": "America/Chicago", "interval_minutes": 15}
    alone = Settings(data_root=str(tmp_path / "one"), network=network)
    clustered = Settings(data_root=str(tmp_path / "two"), network=network, runner={"kind": kind, "workers": 2})
    with patch("tasks.score.steps.log_live"):
        one = loop.score(alone, NOON + 2 * DAY, NOON - DAY)
        with one_is_killed(kind, r"/alert_signals/", tmp_path / "killed"):  # the scores are there, the signals not
            two = loop.score(clustered, NOON + 2 * DAY, NOON - DAY)
    assert one == two
    assert one.hours > 0
    kept = [tree(tmp_path / name, ("scores", "alert_signals", "busy_hours")) for name in ("one", "two")]
    assert kept[0] == kept[1] != {}


def tree(root: Path, tables: tuple[str, ...] = ("observations", "minutes")) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes() for name in tables for file in root.glob(f"{name}/**/*.parquet")
    }


def test_an_error_in_a_cluster_is_the_error_that_was_raised_there() -> None:
    with open_spread(RunnerSettings(**TWO)) as spread, pytest.raises(ValueError, match="math domain error"):
        list(spread(math.sqrt, [4.0, -1.0]))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"address": "tcp://127.0.0.1:9"}, 'needs kind = "dask" or "ray"'),
        ({"kind": "dask", "address": "tcp://127.0.0.1:9"}, "no Dask scheduler answers"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(
    keys: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.pipelines.executors.CONNECT_SECONDS", 0.5)
    with pytest.raises(ConfigError, match=said), open_spread(RunnerSettings(**keys)):
        pass


def test_a_running_cluster_does_the_work_unless_its_workers_have_another_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distributed import LocalCluster

    with LocalCluster(1, 1, host="127.0.0.1", dashboard_address=None) as cluster:
        there = RunnerSettings(kind="dask", address=cluster.scheduler_address)
        with open_spread(there) as spread:
            assert list(spread(math.sqrt, [4.0, 9.0])) == [2.0, 3.0]
        monkeypatch.setattr(executors, "version", lambda name: "0.0")
        with (
            pytest.raises(ConfigError, match=r"have release .* of Nexthour, and this process 0\.0: install the same"),
            open_spread(there),
        ):
            pass
        monkeypatch.setattr(executors, "release", lost_module)
        with (
            pytest.raises(ConfigError, match=r"its workers cannot run Nexthour \(No module named 'lost'\)"),
            open_spread(there),
        ):
            pass


def test_a_cluster_without_a_free_worker_is_waited_for_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(1) as executor:
        executors._check_release(executor, "tcp://there:1")
        assert not caplog.messages
        monkeypatch.setattr(executors, "CONNECT_SECONDS", 0.01)
        started = Event()
        executor.submit(started.wait, 30)
        Timer(0.2, started.set).start()
        executors._check_release(executor, "tcp://there:1")
    (said,) = caplog.messages
    assert said == "[runner] address tcp://there:1: no worker took work within 0.01 s; waiting for one"


def lost_module() -> str:
    raise ModuleNotFoundError("No module named 'lost'")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"install nexthour\[ray\]"), open_spread(RunnerSettings(kind="ray")):
        pass
