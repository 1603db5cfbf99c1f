"""Old nights go from MLflow where its records are in PostgreSQL, and where it is behind a tracking server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import postgres_server
from support.machine import free_port
from support.served_bundle import register_night

from tasks.model.review.retention import remove_nights
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import Settings
from tasks.tracking import registry, runs

BINARIES = postgres_server.binaries()
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL here")


@pytest.fixture(scope="module")
def database() -> Iterator[postgres_server.Server]:
    assert BINARIES is not None
    with postgres_server.running(BINARIES) as running:
        yield running


@pytest.fixture(scope="module")
def tracking_server(database: postgres_server.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an MLflow server on that database, which keeps the files, too."""
    files, port = tmp_path_factory.mktemp("files"), free_port()
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment["MLFLOW_BACKEND_STORE_URI"] = database.url()
    command = [sys.executable, "-m", "tasks.tracking.server", "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(files), "--host", "127.0.0.1"]
    with (files / ".log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + 180
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert time.monotonic() < deadline, (files / ".log").read_text()
            assert process.poll() is None, (files / ".log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("place", ["PostgreSQL", "tracking server"])
def test_what_nothing_points_to_goes_with_its_files(
    place: str, tracking_server: str, database: postgres_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTS", database.url())
    name = place.replace(" ", "-")
    mlflow = MlflowSettings(
        tracking_uri="env:NIGHTS" if place == "PostgreSQL" else tracking_server,
        experiment=name,
        registered_model=name,
        keep_nights=1,
    )
    settings = Settings(data_root=str(tmp_path / "root"), mlflow=mlflow)
    for night in range(1, 4):
        register_night(settings, f"night {night}", tmp_path / f"made {night}")
    with runs.connect(settings) as tracking:
        registry.set_alias(tracking, settings, registry.CHAMPION, "1")
        kept, gone = [
            tracking.client.get_run(tracking.client.get_model_version(name, version).run_id) for version in "12"
        ]
        assert tracking.client.list_artifacts(gone.info.run_id)

    removed = remove_nights(settings)

    assert removed is not None
    assert (removed.runs, removed.versions) == (1, ("2",))
    with runs.connect(settings) as tracking:
        client, experiment = tracking.client, tracking.experiment
        assert {str(v.version) for v in client.search_model_versions(f"name = '{name}'")} == {"1", "3"}
        assert {run.info.run_name for run in client.search_runs([experiment])} == {"night 1", "night 3"}
        assert len(client.search_logged_models([experiment])) == 2
        assert str(client.get_model_version_by_alias(name, registry.CHAMPION).version) == "1"
        assert client.list_artifacts(kept.info.run_id)
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        assert get_artifact_repository(gone.info.artifact_uri).list_artifacts() == []
    with database.connect() as connection:
        rows = connection.execute("SELECT lifecycle_stage FROM runs WHERE run_uuid = %s", [gone.info.run_id]).fetchall()
    assert rows == ([] if place == "PostgreSQL" else [("deleted",)])
    assert remove_nights(settings) is None
