"""Runs, metrics, versions and aliases in a real MLflow on SQLite."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.champion_alias import champion_version
from support.served_bundle import served

from tasks.errors import ConfigError, ModelError
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import Settings
from tasks.tracking import registry, runs
from tasks.tracking.live_scores import log_live_metrics
from tasks.tracking.nights import end_stale_runs, last_night
from tasks.tracking.uri import UI_VARIABLE, artifact_root, tracking_uri

NOW = np.datetime64("2026-03-10T08:30:00", "s")


def registered(settings: Settings, name: str, folder: Path, factor: float = 2.0) -> tuple[str, str]:
    """Run and version of a retraining of that name."""
    with (
        runs.connect(settings) as mlflow,
        runs.open_run(mlflow, runs.RETRAIN_TAG, name, name, {}) as run,
    ):
        version = registry.log_version(run, settings, served(folder, factor), {"who": name}, f"**{name}**")
        return run.run_id, version.number


def test_the_default_is_sqlite_under_the_data_root(tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path))
    assert tracking_uri(settings) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert artifact_root(settings) == f"{tmp_path}/mlflow/artifacts"


def test_a_remote_data_root_needs_a_tracking_uri() -> None:
    with pytest.raises(ConfigError, match="set \\[mlflow\\] tracking_uri"):
        tracking_uri(Settings(data_root="s3://bucket/city"))
    with_uri = Settings(data_root="s3://bucket/city", mlflow=MlflowSettings(tracking_uri="http://mlflow:5000"))
    assert tracking_uri(with_uri) == "http://mlflow:5000"
    assert artifact_root(with_uri) is None


@pytest.mark.parametrize("name", ["100%", "what?"])
def test_a_data_root_that_mlflow_would_misread_is_rejected(name: str) -> None:
    with pytest.raises(ConfigError, match="misreads"):
        tracking_uri(Settings(data_root=f"/data/{name}"))


def test_a_database_of_ones_own_still_keeps_artifacts_under_the_data_root(tmp_path: Path) -> None:
    own = MlflowSettings(tracking_uri="postgresql://me:secret@db/mlflow")
    assert artifact_root(Settings(data_root=str(tmp_path), mlflow=own)) == f"{tmp_path}/mlflow/artifacts"


def test_experiments_store_artifacts_at_an_absolute_place(mlflow_settings: Settings) -> None:
    with runs.connect(mlflow_settings) as mlflow:
        found = mlflow.client.get_experiment(mlflow.experiment)
    assert found.artifact_location == f"{mlflow_settings.data_root}/mlflow/artifacts/nexthour"


def test_a_retried_run_is_the_same_run_and_its_series_are_not_doubled(mlflow_settings: Settings) -> None:
    ids, name = set(), "retried: 2026-03-10 o'clock"
    for _ in range(2):
        with (
            runs.connect(mlflow_settings) as mlflow,
            runs.open_run(mlflow, runs.RETRAIN_TAG, name, "retried", {"a": "b"}) as run,
        ):
            ids.add(run.run_id)
            run.params({"retrain.seed": 7})
            run.series({"loss": [3.0, 2.0, np.nan, 1.0]}, NOW, [1, 2, 3, 4])
            run.text("decision.md", "kept")
    (run_id,) = ids
    with runs.connect(mlflow_settings) as mlflow:
        found = mlflow.client.get_run(run_id)
        history = mlflow.client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 3.0), (2, 2.0), (4, 1.0)]
    assert found.data.params == {"retrain.seed": "7"}
    assert found.data.tags["a"] == "b"
    assert found.info.status == "FINISHED"


def test_a_run_whose_block_fails_is_marked_failed(mlflow_settings: Settings) -> None:
    with runs.connect(mlflow_settings) as mlflow:
        with pytest.raises(ZeroDivisionError), runs.open_run(mlflow, runs.RETRAIN_TAG, "bad", "bad", {}) as run:
            1 / 0  # noqa: B018
        assert mlflow.client.get_run(run.run_id).info.status == "FAILED"


def test_a_run_has_a_page_where_a_server_shows_it(mlflow_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def url() -> str | None:
        with runs.connect(mlflow_settings) as mlflow:
            return runs.find_or_create(mlflow, runs.RETRAIN_TAG, "paged", "paged", {}).url

    assert url() is None
    monkeypatch.setenv(UI_VARIABLE, "http://me:secret@127.0.0.1:5000/")
    assert str(url()).startswith("http://127.0.0.1:5000/#/experiments/")


def test_the_night_before_is_the_newest_finished_one_of_the_network_and_architecture(mlflow_settings: Settings) -> None:
    settings = mlflow_settings.model_copy(update={"mlflow": MlflowSettings(experiment="nights")})
    with runs.connect(settings) as mlflow:
        for name, model in (("first", "lstm"), ("second", "lstm"), ("other", "trees"), ("third", "lstm")):
            tags = {"nexthour.network": "town", "nexthour.model": model}
            with runs.open_run(mlflow, runs.RETRAIN_TAG, f"night {name}", name, tags) as run:
                run.metrics({"loss": 1.0}, NOW)
                time.sleep(0.002)  # runs are ordered by millisecond
        before = last_night(run, "town", "lstm")
        assert before is not None
        assert (before.name, before.metrics) == ("second", {"loss": 1.0})
        assert last_night(run, "another town", "lstm") is None
        mlflow.client.update_run(run.run_id, status="RUNNING")
        end_stale_runs(mlflow)
        assert mlflow.client.get_run(run.run_id).info.status == "RUNNING"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tasks.tracking.nights.STALE_SECONDS", -60)
            end_stale_runs(mlflow)
        assert mlflow.client.get_run(run.run_id).info.status == "KILLED"


def test_live_metrics_go_into_one_run_per_month(mlflow_settings: Settings) -> None:
    first = log_live_metrics(mlflow_settings, {"live.mae": 2.0, "live.none": float("nan")}, 1, NOW)
    second = log_live_metrics(mlflow_settings, {"live.mae": 1.5}, 2, NOW + np.timedelta64(3600, "s"))
    assert first == second
    later = log_live_metrics(mlflow_settings, {"live.mae": 1.0}, 3, NOW + np.timedelta64(31, "D"))
    with runs.connect(mlflow_settings, "-live") as mlflow:
        names = [mlflow.client.get_run(each).info.run_name for each in (first, later)]
        assert names == ["live: network, 2026-03", "live: network, 2026-04"]
        history = mlflow.client.get_metric_history(first, "live.mae")
        assert mlflow.client.get_experiment(mlflow.experiment).name == "nexthour-live"
        assert "live.none" not in mlflow.client.get_run(first).data.metrics
    assert [(p.step, p.value) for p in history] == [(1, 2.0), (2, 1.5)]


def test_live_figures_land_on_the_version_that_made_the_forecasts(mlflow_settings: Settings, tmp_path: Path) -> None:
    settings = mlflow_settings.model_copy(update={"mlflow": MlflowSettings(registered_model="scored")})
    run_id, version = registered(settings, "scored night", tmp_path)
    figures = {version: {"rmse_hour": 12.34567, "bias": 0.1}, "99": {"rmse_hour": 1.0}, "weekday_level": {"bias": 0.0}}
    for hour, moment in enumerate((NOW, NOW + np.timedelta64(1, "h"))):
        log_live_metrics(settings, {"live/rmse_hour": 1.0}, hour, moment, figures)
    with runs.connect(settings) as mlflow:
        found = mlflow.client.get_model_version("scored", version)
        history = mlflow.client.get_metric_history(run_id, "live/rmse_hour")
        model = mlflow.client.get_logged_model(registry.model_id_of(found))
        assert mlflow.client.get_run(run_id).info.status == "FINISHED"
    assert (found.tags["live.rmse_hour"], found.tags["live.until"]) == ("12.35", "2026-03-10T09:30Z")
    assert [(point.step, point.value) for point in history] == [(0, 12.34567), (1, 12.34567)]
    assert {metric.key: metric.value for metric in model.metrics} == {"live/rmse_hour": 12.34567, "live/bias": 0.1}


def test_a_logged_model_has_a_signature_no_pickle_and_predicts(mlflow_settings: Settings, tmp_path: Path) -> None:
    import mlflow as library

    _, version = registered(mlflow_settings, "predicts", tmp_path)
    with runs.connect(mlflow_settings):
        uri = f"models:/{mlflow_settings.mlflow.registered_model}/{version}"
        model = library.pyfunc.load_model(uri)
        at = Path(library.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "model")))
    spec = model.metadata.get_input_schema().inputs[0]
    assert (spec.name, spec.shape, spec.type) == ("lags", (-1, 2, 3), np.float32)
    assert [p for p in at.rglob("*") if p.suffix in (".pkl", ".pickle", ".cloudpickle")] == []
    assert "numpy==" in (at / "requirements.txt").read_text()
    lags = np.full((5, 2, 3), 3, np.float32)
    np.testing.assert_array_equal(model.predict({"lags": lags})["mean"], 2 * lags)


def test_a_retried_registration_keeps_its_version(mlflow_settings: Settings, tmp_path: Path) -> None:
    first = registered(mlflow_settings, "twice", tmp_path / "a")
    assert registered(mlflow_settings, "twice", tmp_path / "b") == first


def test_another_bundle_of_the_same_run_is_another_version(mlflow_settings: Settings, tmp_path: Path) -> None:
    run, version = registered(mlflow_settings, "changed", tmp_path / "a")
    again, other = registered(mlflow_settings, "changed", tmp_path / "b", factor=3)
    assert (again == run, other == version) == (True, False)


def test_aliases_point_to_one_version_and_can_be_dropped(mlflow_settings: Settings, tmp_path: Path) -> None:
    settings = mlflow_settings.model_copy(update={"mlflow": MlflowSettings(registered_model="aliased")})
    assert tracking_uri(settings) == tracking_uri(mlflow_settings)
    assert champion_version(settings) is None
    _, one = registered(settings, "alias one", tmp_path / "a")
    _, two = registered(settings, "alias two", tmp_path / "b")
    with runs.connect(settings) as mlflow:
        registry.set_alias(mlflow, settings, registry.CHAMPION, one)
        registry.set_alias(mlflow, settings, registry.CHAMPION, two)
        registry.describe_model(mlflow, settings, "Forecasts of the next hour")
        registry.describe_model(mlflow, settings, "overwritten?")
        assert mlflow.client.get_registered_model("aliased").description == "Forecasts of the next hour"
        assert mlflow.client.get_model_version("aliased", two).description == "**alias two**"
    assert champion_version(settings) == two
    with runs.connect(settings) as mlflow:
        registry.drop_alias(mlflow, settings, registry.CHAMPION)
        registry.drop_alias(mlflow, settings, registry.CHAMPION)
    assert champion_version(settings) is None


def test_the_bundle_of_a_version_comes_back_as_it_was(mlflow_settings: Settings, tmp_path: Path) -> None:
    _, version = registered(mlflow_settings, "fetched", tmp_path / "made", factor=7)
    (tmp_path / "back").mkdir()
    with runs.connect(mlflow_settings) as mlflow:
        folder = registry.fetch_bundle(mlflow, mlflow_settings, version, tmp_path / "back")
    assert json.loads((folder / "bundle.json").read_text()) == {"factor": 7}
    assert (folder / "network.onnx").read_bytes() == b"not read"


def test_a_version_without_a_bundle_says_so(mlflow_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    with runs.connect(mlflow_settings) as mlflow:
        name = mlflow_settings.mlflow.registered_model
        version = mlflow.client.create_model_version(name, str(tmp_path / "back")).version
        with pytest.raises(ModelError, match="holds no bundle"):
            registry.fetch_bundle(mlflow, mlflow_settings, version, tmp_path / "back")


def test_a_server_that_is_down_says_so_within_seconds() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(mlflow=MlflowSettings(tracking_uri=f"http://me:secret@127.0.0.1:{port}"))
    with pytest.raises(runs.TrackingError, match="does not answer") as caught:
        champion_version(settings)
    assert "secret" not in str(caught.value)


def test_importing_the_modules_does_not_import_mlflow() -> None:
    code = "import sys, tasks.tracking.runs, tasks.tracking.registry; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
