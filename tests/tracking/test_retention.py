"""Old nights go from MLflow with their files; what an alias names, or a rollback needs, stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.served_bundle import register_night

from tasks.model.promotion.champion import POINTER, bundle_folder
from tasks.model.review.retention import remove_nights
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking import registry, runs
from tasks.tracking.live_scores import log_live_metrics
from tasks.tracking.uri import tracking_uri

TABLES = ("runs", "metrics", "params", "tags", "logged_models", "logged_model_metrics", "model_versions")


@pytest.fixture(scope="module")
def settings(mlflow_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Six nights, of which the two newest are kept for their age."""
    root = tmp_path_factory.mktemp("retention")
    mlflow = MlflowSettings(
        tracking_uri=tracking_uri(mlflow_settings), experiment="retained", registered_model="retained", keep_nights=2
    )
    settings = mlflow_settings.model_copy(update={"mlflow": mlflow, "data_root": str(root)})
    for night in range(1, 7):
        version = register_night(settings, f"night {night}", root / f"made {night}")
        Store(str(root)).write_json(f"{bundle_folder(version)}/bundle.json", {"night": night})
    with runs.connect(settings) as tracking:
        registry.set_alias(tracking, settings, registry.CHAMPION, "1")
        registry.set_alias(tracking, settings, "liked", "2")
    Store(str(root)).write_json(POINTER, {"version": "1", "previous": "3", "earlier": ["3"]})
    return settings


def test_what_nothing_points_to_goes_with_its_files_and_rows(settings: Settings) -> None:
    before = count(settings)
    removed = remove_nights(settings)
    assert removed is not None
    assert (removed.runs, removed.versions) == (1, ("4",))
    with runs.connect(settings) as tracking:
        left = {str(v.version) for v in tracking.client.search_model_versions("name = 'retained'")}
        nights = {run.info.run_name for run in tracking.client.search_runs([tracking.experiment])}
        models = list(tracking.client.search_logged_models([tracking.experiment]))
    assert left == {"1", "2", "3", "5", "6"}
    assert nights == {f"night {n}" for n in (1, 2, 3, 5, 6)}
    assert len(models) == 5
    after = count(settings)
    assert {name: before[name] - after[name] for name in ("runs", "logged_models")} == {"runs": 1, "logged_models": 1}
    assert all(after[name] < before[name] for name in TABLES[:5])
    root = Path(artifacts(settings))
    assert len(list(root.rglob("bundle.json"))) == 5
    assert len(list(root.rglob("decision.md"))) == 5
    store = Store(settings.data_root)
    assert [v for v in "123456" if store.exists(f"{bundle_folder(v)}/bundle.json")] == ["1", "2", "3", "5", "6"]
    assert remove_nights(settings) is None


def test_months_of_live_metrics_go_once_nothing_was_logged_into_them_since_the_nights_that_stay(
    mlflow_settings: Settings, tmp_path: Path
) -> None:
    mlflow = MlflowSettings(
        tracking_uri=tracking_uri(mlflow_settings), experiment="months", registered_model="months", keep_nights=1
    )
    settings = mlflow_settings.model_copy(update={"mlflow": mlflow, "data_root": str(tmp_path)})
    north = settings.model_copy(update={"network": settings.network.model_copy(update={"name": "network north"})})
    logged = [
        log_live_metrics(of, {"live/mae_hour": 1.0}, 1, np.datetime64(f"2026-0{month}-10T08:00", "us"))
        for of, month in ((settings, 3), (settings, 4), (north, 3))
    ]
    with runs.connect(settings, "-live") as tracking:
        for old in (logged[0], logged[2]):
            tracking.client.set_terminated(old, end_time=10**12)
    for night in ("first", "second"):
        register_night(settings, night, tmp_path / night)
    assert remove_nights(settings) is not None
    with runs.connect(settings, "-live") as tracking:
        left = {run.info.run_id for run in tracking.client.search_runs([tracking.experiment])}
    assert left == set(logged[1:])


def artifacts(settings: Settings) -> str:
    """Where the experiment keeps its files."""
    with runs.connect(settings) as tracking:
        return str(tracking.client.get_experiment(tracking.experiment).artifact_location)


def count(settings: Settings) -> dict[str, int]:
    """Rows of MLflow's tables."""
    with closing(sqlite3.connect(tracking_uri(settings).removeprefix("sqlite:///"))) as database:
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
