"""Tuning tries the present config first, goes on where it stopped, and writes what can be pasted."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.late_town import SPAN, late_town
from support.mortal_workers import CLUSTERS, one_is_killed

from flows.pipelines.backtest import run_backtest
from flows.pipelines.tune import StudyContext, run_tuning
from flows.pipelines.workers import open_lanes
from flows.reports.document import markdown
from flows.reports.replay_reports import tune_document
from tasks.backtest.study import SUFFIX, best_trial, finished_trials, open_study, optimize
from tasks.errors import ConfigError
from tasks.settings.tree import RunnerSettings, Settings
from tasks.tracking import runs as tracking

SPACE = {"x": tuple(float(v) for v in range(100))}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, with_mlflow: Callable[[Path], Path]) -> Settings:
    return late_town(with_mlflow(tmp_path_factory.mktemp("town")))


def test_a_study_goes_on_where_it_stopped_and_its_best_config_can_be_pasted(town: Settings, tmp_path: Path) -> None:
    first = run_tuning(town, "weekday_level", SPAN, 2, "pinball", tmp_path)
    told: list[tuple[str, int, int]] = []
    again = run_tuning(town, "weekday_level", SPAN, 4, "pinball", tmp_path, progress=lambda *said: told.append(said))
    assert again.study == first.study
    assert again.trials[:2] == first.trials
    assert told == [("trials", 3, 4), ("trials", 4, 4)]
    assert first.trials[0].values == {"fit_origins": 400, "dispersion_prior": 50.0}
    losses = [trial.loss for trial in again.trials if trial.loss is not None]
    assert again.best.loss == min(losses)
    pasted = tomllib.loads((tmp_path / "best.toml").read_text())
    assert pasted == {"models": {"weekday_level": again.best.values}}
    settings = town.model_copy(update={"models": pasted["models"]})
    span = replace(SPAN, models=("weekday_level",))
    whole = run_backtest(settings, span, tmp_path / "bt", jobs=1, track=False).figures["models"]["weekday_level"]
    assert whole["stations"]["all"]["overall"]["pinball"] == pytest.approx(again.best.loss)
    with tracking.connect(town, SUFFIX) as mlflow:
        runs = mlflow.client.search_runs([mlflow.experiment])
    assert len(runs) == 5
    assert min(r.data.metrics["pinball"] for r in runs if "pinball" in r.data.metrics) == pytest.approx(again.best.loss)
    assert [p.name for p in (tmp_path / "parts").iterdir()] == [".lock"]
    said = markdown(tune_document(again))
    assert "dispersion_prior" in said
    assert "trial | state | pinball" in said


@pytest.mark.parametrize("kind", CLUSTERS)
def test_trials_in_a_cluster_have_the_losses_that_they_have_in_this_process_though_a_worker_is_killed(
    kind: str, town: Settings, tmp_path: Path
) -> None:
    cluster = town.model_copy(update={"runner": RunnerSettings(kind=kind, workers=2)})
    with one_is_killed(kind, r"/parts/trial-", tmp_path / "killed"):  # a part is replayed, and not yet in its place
        report = run_tuning(cluster, "weekday_level", SPAN, 4, "mae_hour", tmp_path)
    assert [trial.state for trial in report.trials] == ["complete"] * 4
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [".lock"]
    span = replace(SPAN, models=("weekday_level",))
    context = StudyContext(town, "weekday_level", span, "mae_hour", tmp_path / "parts")
    with open_lanes(town.runner, context.past, context.parts) as (at_once, lane):
        assert at_once == 1
        here = [context.loss(lane, trial.values, lambda period, loss: None) for trial in report.trials]
    assert [trial.loss for trial in report.trials] == here


def test_a_trial_worse_than_the_median_is_pruned(town: Settings) -> None:
    asked: list[int] = []

    def loss(values: dict[str, float], report) -> float:  # type: ignore[no-untyped-def]
        for period in range(3):
            asked.append(period)
            if period < 2:
                report(period, values["x"])
        return values["x"]

    counts: list[int] = []
    with open_study(town, "toy", 1) as study:
        optimize(study, SPACE, {"x": 3.0}, loss, 25, counts.append)
        optimize(study, SPACE, {"x": 3.0}, loss, 25, counts.append)
        trials, best = finished_trials(study), best_trial(study)
    assert counts == list(range(1, 26))
    assert len(trials) == 25
    assert best is not None
    assert best.loss == min(t.loss for t in trials if t.state == "complete" and t.loss is not None)
    assert [t for t in trials if t.state == "pruned"]
    assert len(asked) < 3 * 25


def test_the_config_of_a_killed_trial_is_tried_again_and_that_of_a_running_one_is_left_alone(
    town: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.backtest.study.HEARTBEAT_SECONDS", 1)

    def abandon(study, value: float, beats: int) -> None:  # type: ignore[no-untyped-def]
        study.enqueue_trial({"x": value})
        trial = study.ask()
        trial.suggest_categorical("x", SPACE["x"])
        for _ in range(beats):
            study._storage.record_heartbeat(trial._trial_id)
            time.sleep(2.5 / beats)

    with open_study(town, "killed", 1) as study:
        abandon(study, 3.0, 1)
        abandon(study, 5.0, 5)
        optimize(study, SPACE, {"x": 7.0}, lambda values, report: values["x"], 1, lambda done: None)
        states = [trial.state.name for trial in study.get_trials()]
        [again] = finished_trials(study)
    assert states == ["FAIL", "RUNNING", "COMPLETE"]
    assert again.values == {"x": 3.0}


def test_what_cannot_be_tuned_is_said_in_one_line(town: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="declares no space"):
        run_tuning(town, "weekly_lag_lstm", SPAN, 1, "pinball", tmp_path)
    with pytest.raises(ConfigError, match="it may be rmsse"):
        run_tuning(town, "weekday_level", SPAN, 1, "rmse", tmp_path)
