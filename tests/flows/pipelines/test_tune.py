"""Tuning tries the present config first, goes on where it stopped, and writes what can be pasted."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from support.late_town import SPAN, late_town

from flows.pipelines.backtest import backtest
from flows.pipelines.tune import tune
from flows.reports import replay_artifacts
from tasks.backtest.study import SUFFIX, best, finished, open_study, optimize
from tasks.errors import ConfigError
from tasks.settings.tree import Settings
from tasks.tracking import runs as tracking


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return late_town(tmp_path_factory.mktemp("town"))


def test_a_study_goes_on_where_it_stopped_and_its_best_config_can_be_pasted(town: Settings, tmp_path: Path) -> None:
    first = tune(town, "weekday_level", SPAN, 2, "pinball", tmp_path)
    told: list[tuple[str, int, int]] = []
    again = tune(town, "weekday_level", SPAN, 4, "pinball", tmp_path, lambda *said: told.append(said))
    assert again.study == first.study
    assert again.trials[:2] == first.trials
    assert told == [("trials", 3, 4), ("trials", 4, 4)]
    assert first.trials[0].values == {"fit_origins": 400, "dispersion_prior": 50.0}
    losses = [trial.loss for trial in again.trials]
    assert again.best.loss == min(losses)
    pasted = tomllib.loads((tmp_path / "best.toml").read_text())
    assert pasted == {"models": {"weekday_level": again.best.values}}
    settings = town.model_copy(update={"models": pasted["models"]})
    span = replace(SPAN, models=("weekday_level",))
    whole = backtest(settings, span, tmp_path / "bt", jobs=1, track=False).figures["models"]["weekday_level"]
    assert whole["stations"]["all"]["overall"]["pinball"] == pytest.approx(again.best.loss)
    with tracking.connect(town, SUFFIX) as mlflow:
        runs = mlflow.client.search_runs([mlflow.experiment])
    assert len(runs) == 5
    assert min(r.data.metrics["pinball"] for r in runs if "pinball" in r.data.metrics) == pytest.approx(again.best.loss)
    assert [p.name for p in (tmp_path / "parts").iterdir()] == [".lock"]
    said = replay_artifacts.tune_markdown(again)
    assert "dispersion_prior" in said
    assert "trial | state | pinball" in said


def test_a_hopeless_trial_is_given_up_and_one_that_was_killed_counts_for_nothing(town: Settings) -> None:
    asked: list[int] = []

    def loss(values: dict[str, float], report) -> float:  # type: ignore[no-untyped-def]
        for period in range(3):
            asked.append(period)
            if period < 2 and report(period, values["x"]):
                break
        return values["x"]

    space = {"x": tuple(float(v) for v in range(100))}
    with open_study(town, "toy", 1) as study:
        study.ask()  # a process that is killed leaves its trial open
    with open_study(town, "toy", 1) as study:
        optimize(study, space, {"x": 3.0}, loss, 25, lambda done: None)
        trials, winner = finished(study), best(study)
        assert study.get_trials()[0].state.name == "FAIL"
    assert len(trials) == 25
    assert winner is not None
    assert winner.loss == min(t.loss for t in trials if t.state == "complete")
    given_up = [t for t in trials if t.state == "pruned"]
    assert given_up
    assert len(asked) < 3 * 25


def test_what_cannot_be_tuned_is_said_in_one_line(town: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="declares no space"):
        tune(town, "weekly_lag_lstm", SPAN, 1, "pinball", tmp_path)
    with pytest.raises(ConfigError, match="it may be rmsse"):
        tune(town, "weekday_level", SPAN, 1, "rmse", tmp_path)
