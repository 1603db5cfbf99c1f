"""Fixtures and environment that all tests share."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from support import order, quick
from support.prefect_server import PrefectServer

if TYPE_CHECKING:
    from tasks.model.training.train import Trained
    from tasks.settings.tree import Settings

_DATA = ("NEXTHOUR_REAL_DATA", "NEXTHOUR_CASES")
_NEXT = pytest.StashKey[pytest.Item | None]()
settings.register_profile("nexthour", derandomize=True, deadline=None)
settings.load_profile("nexthour")
for name, value in {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",  # threads that wait for one another spin: a fit of trees took three times as long
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}.items():
    os.environ.setdefault(name, value)
if Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 4 << 30:
    os.environ.setdefault("TMPDIR", "/dev/shm")  # a disk of memory: tests sync often, and wait for no other one
    tempfile.tempdir = None  # it may have been looked up before
for name in [n for n in os.environ if n.upper().startswith("NEXTHOUR_") and n not in _DATA]:
    del os.environ[name]  # the settings tree of whoever runs the tests is not the tests'


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`; see `support.quick`."""
    parser.addoption("--quick", action="store_true", help="only tests without TensorFlow, servers or processes")


def pytest_configure(config: pytest.Config) -> None:
    """Guard the quick selection."""
    if config.getoption("--quick"):
        config.pluginmanager.register(quick.Guard())


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and not among what was imported: that is a tenth of the time of a fit."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave slow files out of the quick selection before they are imported."""
    return True if config.getoption("--quick") and quick.is_slow_file(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark slow tests, leave them out of the quick selection, and put the longest first."""
    for item in items:
        if quick.is_slow(item):
            item.add_marker(pytest.mark.slow)
    if config.getoption("--quick"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    items[:] = order.longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> order.ByShare | None:
    """Share out whole files, in the order of the collection; see `support.order`."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return order.ByShare(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Note which test follows, for what lasts as long as it is shared."""
    item.config.stash[_NEXT] = nextitem


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[PrefectServer]:
    """The server of `prefect_harness`, which does not run yet."""
    server = PrefectServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def prefect_harness(prefect_server: PrefectServer, pytestconfig: pytest.Config) -> Iterator[None]:
    """A Prefect server, for tests that run flows; it ends before the next test of a file that does not share it."""
    prefect_server.start()
    yield
    following = pytestconfig.stash[_NEXT]
    if following is None or not order.needs_prefect(following):
        prefect_server.stop()


@pytest.fixture(scope="session")
def with_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Put MLflow's database, its tables created, into a data root that has none; returns the root.

    MLflow creates its tables by replaying all its migrations, which takes seconds; here once a session.
    """
    from tasks.settings.tree import Settings
    from tasks.tracking import runs

    first = tmp_path_factory.mktemp("mlflow root #1 ü")
    with runs.connect(Settings(data_root=str(first))):
        pass
    tables = first / "mlflow/mlflow.db"
    with closing(sqlite3.connect(tables)) as database, database:
        database.execute("DELETE FROM experiment_tags")
        database.execute("DELETE FROM experiments WHERE name = 'nexthour'")

    def place(root: Path) -> Path:
        (root / "mlflow").mkdir(parents=True)
        shutil.copy(tables, root / "mlflow/mlflow.db")
        return root

    return place


@pytest.fixture(scope="session")
def mlflow_settings(with_mlflow: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose data root holds an MLflow database; one for the session."""
    from tasks.settings.tree import Settings
    from tasks.tracking import runs

    made = Settings(data_root=str(with_mlflow(tmp_path_factory.mktemp("mlflow root #2 ü"))))
    with runs.connect(made):
        return made


@pytest.fixture(scope="session")
def tiny_champion() -> Trained:
    """The default model, trained on `tiny_city` once a session, with its hold-out scores; some 20 s with TensorFlow."""
    from support import tiny_city

    from tasks.model.training.train import train

    return train(tiny_city.features(), tiny_city.settings(), tiny_city.AS_OF)
