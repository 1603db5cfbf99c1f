"""A retraining leaves a run with every figure, a version that predicts, and a bundle that publishes."""

from __future__ import annotations

import csv
import json
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.champion_alias import champion_version

from flows.machine.doctor import _champion
from tasks.contracts import FitLog
from tasks.errors import ModelError
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.model.architectures import initial_forecaster
from tasks.model.promotion.champion import POINTER, sync_champion
from tasks.model.promotion.decision import Decision
from tasks.model.review import pictures
from tasks.model.review.held_out import HOUR
from tasks.model.review.register import register_challenger
from tasks.model.review.retrain_report import RetrainReport
from tasks.model.review.training_run import FlowRun
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.serving.pyfunc import to_arrays
from tasks.model.steps import judge, load_forecaster, load_version
from tasks.model.training.train import Trained, train
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import Network, RetrainSettings, Settings
from tasks.storage.store import Store
from tasks.tracking import registry, runs
from tasks.tracking.uri import tracking_uri

START = np.datetime64("2026-01-05T00:00", "m")
FLOW = FlowRun("flow-7", "http://127.0.0.1:4200/runs/flow-run/flow-7")
AS_OF = np.datetime64("2026-02-13T09:00:00", "s")
TIMEZONE = "America/Chicago"
NETWORK = Network(name="Four stations", timezone=TIMEZONE, interval_minutes=5)
RETRAIN = RetrainSettings(model="weekday_level", train_days=10, validation_days=2, holdout_days=3, origin_minutes=60)


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A training on six weeks of four stations, each five minutes; the challenger is a baseline, so it takes no time."""
    steps = 40 * 288
    day = 2 * np.pi * np.arange(steps) / 288
    rate = np.array([40, 20, 9, 3])[None, :, None] * (1.1 + np.sin(day)) * np.array([1, 0.8])[:, None, None]
    counts = np.random.default_rng(3).poisson(rate).astype(np.float32)
    grid = Grid(counts, START, 5, ("a", "b", "c", "d"), ("entries", "exits"))
    features = MinuteFeatures(grid, TIMEZONE)
    settings = Settings(network=NETWORK, retrain=RETRAIN)
    made = train(features, settings, AS_OF, champion=BundledForecaster(initial_forecaster("weekday_mean"), "1", {}))
    made.log.epochs.update(loss=[3.0, 2.0], val_loss=[4.0, 3.5, 3.0])
    made.log.notes.update(best_epoch=2, fit_seconds=1.5)
    return made


def settings_of(session: Settings, name: str, root: Path) -> Settings:
    """A registered model, an experiment and a data root of its own in the session's registry."""
    mlflow = MlflowSettings(tracking_uri=tracking_uri(session), experiment=name, registered_model=name)
    return Settings(data_root=str(root), network=NETWORK, retrain=RETRAIN, mlflow=mlflow)


def decision(promoted: bool) -> Decision:
    return Decision(promoted, "It was better." if promoted else "It was worse.", 3, (), ())


@pytest.fixture(scope="module")
def kept(
    mlflow_settings: Settings, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, RetrainReport]:
    """A retraining that was not promoted."""
    settings = settings_of(mlflow_settings, "kept", tmp_path_factory.mktemp("kept"))
    return settings, register_challenger(settings, trained, judge(settings, trained, None), flow_run=FLOW)


def test_the_page_of_a_night_shows_its_error_cases_and_asks_no_server(kept: tuple[Settings, RetrainReport]) -> None:
    import mlflow

    settings, first = kept
    with runs.connect(settings):
        page = Path(mlflow.artifacts.download_artifacts(run_id=first.run_id, artifact_path="night.html"))
    text = page.read_text()
    assert first.reason in text
    assert "Error cases" in text
    assert FLOW.url in text  # type: ignore[operator]
    assert text.count("data:image/png;base64,") == 7
    assert not re.search(r"(src|href)=.https?://(?!127\.0\.0\.1)", text)


def test_every_model_has_its_figures_in_the_run(kept: tuple[Settings, RetrainReport]) -> None:
    settings, report = kept
    with runs.connect(settings) as mlflow:
        run = mlflow.client.get_run(report.run_id)
        horizon = mlflow.client.get_metric_history(report.run_id, "horizon/challenger.mae_step")
        loss = mlflow.client.get_metric_history(report.run_id, "loss/val_loss")
    for model in ("challenger", "champion", "weekday_level", "weekday_mean"):
        for name in ("holdout/{}.rmse_hour", "network/{}.mae_hour", "horizon/{}.mae_step", "hour/{}.rmse_hour"):
            assert run.data.metrics[name.format(model)] >= 0
    assert run.data.metrics["gate/promoted"] == float(report.promoted)
    assert 0 <= run.data.metrics["gate/champion.confidence"] <= 1
    assert [point.step for point in horizon] == list(range(5, 65, 5))
    assert [(point.step, point.value) for point in loss] == [(0, 4.0), (1, 3.5), (2, 3.0)]


def test_a_run_says_what_it_was_made_of(kept: tuple[Settings, RetrainReport], trained: Trained) -> None:
    settings, report = kept
    with runs.connect(settings) as mlflow:
        run = mlflow.client.get_run(report.run_id)
    assert run.data.tags["nexthour.as_of"] == "2026-02-13T09:00:00Z"
    assert run.data.tags["nexthour.flow_run"] == "flow-7"
    assert run.data.tags["nexthour.data"] == run.data.params["data_fingerprint"]
    assert run.data.params["retrain.holdout_days"] == "3"
    assert run.info.run_name == "2026-02-13 03:00 weekday_level"
    assert report.reason in run.data.tags["mlflow.note.content"]
    read = {data.tags[0].value: data.dataset for data in run.inputs.dataset_inputs}
    assert set(read) == {"training", "validation", "held-out"}
    assert len({data.digest for data in read.values()}) == 3


def test_nights_are_ranked_by_their_figures_on_the_held_out_days(kept: tuple[Settings, RetrainReport]) -> None:
    import mlflow

    settings, report = kept
    with runs.connect(settings) as tracking:
        ranked = mlflow.search_logged_models(
            experiment_ids=[tracking.experiment],
            filter_string="metrics.`holdout/challenger.rmse_hour` > 0",
            datasets=[{"dataset_name": "minutes"}],
            order_by=[{"field_name": "metrics.holdout/challenger.rmse_hour", "dataset_name": "minutes"}],
            output_format="list",
        )
        run = tracking.client.get_run(report.run_id)
    assert [model.name for model in ranked] == ["2026-02-13 weekday_level"]
    assert ranked[0].params["retrain.holdout_days"] == "3"
    figures = {metric.key: metric for metric in ranked[0].metrics}
    held_out = next(data for data in run.inputs.dataset_inputs if data.tags[0].value == "held-out")
    assert figures["holdout/challenger.rmse_hour"].dataset_digest == held_out.dataset.digest
    assert figures["gate/promoted"].value == float(report.promoted)
    assert not [name for name in figures if ".weekday_mean" in name and "gate" not in name]


def test_pictures_and_tables_are_artifacts(kept: tuple[Settings, RetrainReport], tmp_path: Path) -> None:
    import mlflow

    settings, report = kept
    with runs.connect(settings):
        at = Path(mlflow.artifacts.download_artifacts(run_id=report.run_id, dst_path=str(tmp_path)))
    assert {p.stem for p in (at / "plots").iterdir()} == {
        "loss_by_epoch", "error_by_horizon", "error_by_hour", "calibration", "training_validation_holdout",
        "next_hour_station", "next_hour_network", "error_case_1", "error_case_2", "error_case_3",
    }  # fmt: skip
    with (at / "tables/holdout.csv").open() as file:
        assert [row["model"] for row in csv.DictReader(file)] == [row["model"] for row in report.metrics]
    with (at / "tables/stations.csv").open() as file:
        assert {row["station_id"] for row in csv.DictReader(file)} == {"a", "b", "c", "d"}
    assert json.loads((at / "config.json").read_text())["network"]["name"] == "Four stations"
    assert json.loads((at / "decision.json").read_text())["reason"] == report.reason


def test_a_challenger_that_lost_is_registered_and_does_not_publish(kept: tuple[Settings, RetrainReport]) -> None:
    settings, report = kept
    assert not report.promoted
    assert Store(settings.data_root).read_json(POINTER) is None
    with runs.connect(settings) as mlflow:
        assert registry.alias_version(mlflow, settings, registry.CHALLENGER) == report.version
        assert registry.alias_version(mlflow, settings, registry.CHAMPION) is None
    assert load_forecaster(settings, report.version).name == report.version


def test_the_registered_model_predicts_what_the_forecaster_does(
    kept: tuple[Settings, RetrainReport], trained: Trained
) -> None:
    import mlflow

    settings, report = kept
    with runs.connect(settings):
        model = mlflow.pyfunc.load_model(f"models:/{settings.mlflow.registered_model}/{report.version}")
    tensors = trained.features.tensors(trained.split.holdout[:3])
    answer = model.predict(to_arrays(tensors, trained.features.grid.stations))
    expected = trained.forecaster.predict(tensors)
    np.testing.assert_array_equal(answer["mean"], np.moveaxis(expected.mean, 1, 0))
    np.testing.assert_array_equal(answer["quantiles"], np.moveaxis(expected.quantiles, 2, 0))
    shapes = {spec.name: spec.shape for spec in model.metadata.get_input_schema().inputs}
    assert shapes["lags"] == (-1, 14, 2, -1, 36)
    assert shapes["calendar"] == (-1, 12, 12)


def test_any_version_answers_over_http_to_the_example_that_lies_beside_it(
    kept: tuple[Settings, RetrainReport], tmp_path: Path
) -> None:
    import mlflow
    from mlflow.pyfunc import scoring_server
    from starlette.testclient import TestClient

    settings, report = kept
    with runs.connect(settings):
        uri = f"models:/{settings.mlflow.registered_model}/{report.version}"
        at = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path)))
        model = mlflow.pyfunc.load_model(str(at))
    example = (at / "serving_input_example.json").read_bytes()
    client = TestClient(scoring_server.init(model))
    said = client.post("/invocations", content=example, headers={"Content-Type": "application/json"})
    assert said.status_code == 200
    assert np.shape(said.json()["predictions"]["mean"]) == (1, 2, 2, 12)
    assert np.shape(said.json()["predictions"]["quantiles"]) == (1, 7, 2, 2, 12)


def test_a_retried_retraining_is_the_same_run_and_version(
    kept: tuple[Settings, RetrainReport], trained: Trained
) -> None:
    settings, report = kept
    slower = replace(trained, log=FitLog(trained.log.epochs, {**trained.log.notes, "fit_seconds": 99.5}))
    again = register_challenger(settings, slower, judge(settings, trained, None), flow_run=FlowRun("flow-8", None))
    assert (again.run_id, again.version, again.warnings) == (report.run_id, report.version, ())
    with runs.connect(settings) as mlflow:
        assert mlflow.client.get_run(again.run_id).data.metrics["fit/fit_seconds"] == 99.5
        version = mlflow.client.get_model_version(settings.mlflow.registered_model, again.version)
        model = mlflow.client.get_logged_model(registry.model_id_of(version))
    assert len([metric for metric in model.metrics if metric.key == "gate/promoted"]) == 1


def test_a_promoted_challenger_publishes_and_the_registry_agrees(
    mlflow_settings: Settings, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.model.review.night.retrain_pictures", lambda *_: [])
    settings = settings_of(mlflow_settings, "promoted", tmp_path)
    report = register_challenger(settings, trained, decision(True))
    pointer = Store(settings.data_root).read_json(POINTER)
    assert (pointer["version"], pointer["registry"], pointer["previous"]) == (report.version, report.version, None)
    assert "It was better." in pointer["source"]
    assert champion_version(settings) == report.version
    assert sync_champion(settings, AS_OF) is None
    again = register_challenger(settings, replace(trained, as_of=AS_OF + np.timedelta64(1, "h")), decision(True))
    with runs.connect(settings) as mlflow:
        aliases = mlflow.client.get_registered_model(settings.mlflow.registered_model).aliases
    assert {alias: str(v) for alias, v in aliases.items()} == {"champion": again.version, "previous": report.version}
    tensors = trained.features.tensors(trained.split.holdout[-1:])
    loaded = load_forecaster(settings, "champion").predict(tensors)
    np.testing.assert_array_equal(loaded.quantiles, trained.forecaster.predict(tensors).quantiles)


def test_without_mlflow_a_promoted_bundle_publishes_all_the_same(trained: Trained, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
    settings = Settings(data_root=str(tmp_path), network=NETWORK, mlflow=MlflowSettings(tracking_uri=uri))
    report = register_challenger(settings, trained, decision(True))
    assert (report.run_id, report.version) == (None, "local-20260213T090000")
    assert "does not answer" in report.warnings[0]
    champion = load_forecaster(settings, "champion")
    assert champion.name == "local-20260213T090000"


def test_a_report_can_be_written_as_json(kept: tuple[Settings, RetrainReport]) -> None:
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(kept[1])))["version"] == kept[1].version


def test_the_gate_is_given_the_champion_by_its_version(trained: Trained, kept: tuple[Settings, RetrainReport]) -> None:
    settings, report = kept
    table = judge(settings, trained, load_version(settings, report.version)).table
    assert [(row.rival, row.role) for row in table] == [
        (f"champion {report.version}", "champion"),
        ("weekday_mean", "baseline"),
        ("weekday_level", "baseline"),
        ("linear_level", "baseline"),
    ]


def test_the_linear_rival_of_the_night_is_kept_for_forecasts_that_step_down(
    trained: Trained, kept: tuple[Settings, RetrainReport]
) -> None:
    settings, _ = kept
    tensors = trained.features.tensors(trained.split.holdout[:3])
    fallback = load_forecaster(settings, "linear_level")
    assert fallback.name == "linear_level"
    assert np.array_equal(fallback.predict(tensors).mean, trained.baselines["linear_level"].predict(tensors).mean)
    with pytest.raises(ModelError, match=f"linear_level was trained on interval {tensors.interval}, the network has 7"):
        fallback.predict(replace(tensors, interval=7))


def test_features_that_were_changed_since_the_training_are_named_by_the_forecast_and_by_the_doctor(
    kept: tuple[Settings, RetrainReport], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version, now = kept[1].version, np.datetime64("2026-02-14", "us")
    shutil.copytree(Path(kept[0].data_root) / "bundles", tmp_path / "bundles")
    Store(str(tmp_path)).write_json(POINTER, {"version": version, "folder": f"bundles/{version}"})
    settings = kept[0].model_copy(update={"data_root": str(tmp_path)})
    assert _champion(settings, now) == (True, f"version {version}")
    assert "[features]" not in caplog.text
    features = settings.features.model_copy(update={"level_minutes": 31, "mapped_mib": 1})
    was = f"level_minutes was {settings.features.level_minutes}, is 31"
    changed = settings.model_copy(update={"features": features})
    assert _champion(changed, now) == (False, f"version {version}; trained with other [features]: {was}")
    assert f"version {version} was trained with other [features] ({was})" in caplog.text


def test_a_training_without_held_out_days_has_only_its_loss_to_show(trained: Trained) -> None:
    bare = replace(trained, split=replace(trained.split, holdout=trained.split.holdout[:0]))
    assert [name for name, _ in pictures.retrain_pictures(bare, TIMEZONE)] == ["loss_by_epoch"]


def test_the_whole_day_is_a_service_day_within_the_origins() -> None:
    hours = np.arange(np.datetime64("2026-03-06T20:00", "m"), np.datetime64("2026-03-10T02:00", "m"), HOUR)
    start, end = pictures.whole_day(hours, TIMEZONE)
    assert (start, end) == (np.datetime64("2026-03-08T06:00"), np.datetime64("2026-03-09T05:00"))
    few = hours[:5]
    assert pictures.whole_day(few, TIMEZONE) == (few[0], few[-1] + HOUR)


def test_network_bands_are_as_wide_as_the_other_hours_were_wrong() -> None:
    rng = np.random.default_rng(0)
    mean = np.full((500, 12), 400.0)
    actual = mean + 40 * rng.normal(size=mean.shape)
    low, middle, high = pictures.network_bands(mean, actual, np.array([400.0, 1600.0]), (0.05, 0.5, 0.95))
    np.testing.assert_allclose(middle, [400, 1600], atol=8)
    np.testing.assert_allclose(high - low, [2 * 1.645 * 40, 2 * 1.645 * 80], rtol=0.05)
    assert np.isnan(pictures.network_bands(mean[:0], actual[:0], mean[0, :2], (0.5,))).all()


def test_quantile_shares_hold_ties_apart() -> None:
    truth = np.array([0.0, 0.0, 1.0, np.nan], np.float32)
    below, at_most = pictures.quantile_shares(np.zeros((1, 4), np.float32), truth)
    assert below == [0.0]
    assert at_most == pytest.approx([2 / 3])
