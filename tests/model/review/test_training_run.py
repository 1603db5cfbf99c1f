"""A training's run is open before its first epoch, its curves move, and it ends as the training did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_city

from tasks.contracts import FitLog
from tasks.errors import HistoryError
from tasks.model.promotion.decision import Decision
from tasks.model.review.register import register_challenger
from tasks.model.review.training_run import FlowRun, follow_training
from tasks.model.training.train import train
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import GateSettings, Settings
from tasks.tracking import runs
from tasks.tracking.run import Run, mlflow_errors
from tasks.tracking.uri import tracking_uri

MODEL = "weekday_level"
FLOW = FlowRun("flow-1", "http://127.0.0.1:4200/runs/flow-run/flow-1")
CITY = tiny_city.features()
LOST = Decision(False, "It was worse.", 3, (), ())


@pytest.fixture
def settings(mlflow_settings: Settings, tmp_path: Path) -> Settings:
    """The tiny city with an experiment and a registered model of its own."""
    name = tmp_path.name.replace("_", "-")
    mlflow = MlflowSettings(tracking_uri=tracking_uri(mlflow_settings), experiment=name, registered_model=name)
    return tiny_city.settings(str(tmp_path)).model_copy(
        update={"mlflow": mlflow, "gate": GateSettings(baselines=("weekday_mean",))}
    )


def found(settings: Settings) -> list[Any]:
    """Runs of the experiment."""
    with runs.connect(settings) as mlflow:
        return list(mlflow.client.search_runs([mlflow.experiment]))


def curve(settings: Settings, name: str = "loss/val_loss") -> list[tuple[int, float]]:
    """Steps and values of a metric of the only run."""
    (run,) = found(settings)
    with runs.connect(settings) as mlflow:
        return [(p.step, p.value) for p in mlflow.client.get_metric_history(run.info.run_id, name)]


def fit(notes: FitLog) -> None:
    for epoch in (1, 2):
        notes.add_epoch(epoch, {"loss": 3.0 - epoch, "val_loss": 4.0 - epoch})


def test_the_run_is_there_while_the_training_runs_and_its_curves_move(settings: Settings) -> None:
    with follow_training(settings, CITY, tiny_city.AS_OF, MODEL, None, FLOW) as notes:
        (run,) = found(settings)
        assert run.info.status == "RUNNING"
        assert run.data.params["retrain.train_days"] == "21"
        assert FLOW.url is not None
        assert FLOW.url in run.data.tags["mlflow.note.content"]
        assert [data.tags[0].value for data in run.inputs.dataset_inputs] == ["training", "validation", "held-out"]
        fit(notes)
    assert curve(settings) == [(1, 3.0), (2, 2.0)]


@pytest.mark.parametrize(
    ("error", "status"), [(ZeroDivisionError("by nothing"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_training_that_ends_early_says_so_and_a_retried_one_goes_on_in_the_same_run(
    settings: Settings, error: BaseException, status: str
) -> None:
    def begin(error: BaseException | None) -> None:
        with follow_training(settings, CITY, tiny_city.AS_OF, MODEL, None) as notes:
            fit(notes)
            if error is not None:
                raise error

    with pytest.raises(type(error)):
        begin(error)
    (run,) = found(settings)
    assert run.info.status == status
    assert run.data.tags["mlflow.note.content"].startswith("Failed" if status == "FAILED" else "Cancelled")
    begin(None)
    (again,) = found(settings)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "RUNNING")
    assert curve(settings) == [(1, 3.0), (2, 2.0)]


def test_an_mlflow_that_goes_away_costs_the_curves_and_not_the_night(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise mlflow_errors()[0]("no route to host")

    with monkeypatch.context() as away, follow_training(settings, CITY, tiny_city.AS_OF, MODEL, None) as notes:
        away.setattr(Run, "metrics", gone)
        fit(notes)
    assert caplog.text.count("stand still") == 1
    assert curve(settings) == []
    monkeypatch.setattr("tasks.model.review.night.retrain_pictures", lambda *_: [])
    made = train(CITY, settings, tiny_city.AS_OF, MODEL, notes)
    assert register_challenger(settings, made, LOST).warnings == ()
    (run,) = found(settings)
    assert (run.info.status, run.data.metrics["loss/loss"]) == ("FINISHED", 1.0)
    assert curve(settings) == [(1, 3.0), (2, 2.0)]


def test_a_training_without_mlflow_is_a_training(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    away = settings.model_copy(update={"mlflow": MlflowSettings(tracking_uri="http://127.0.0.1:9")})
    with follow_training(away, CITY, tiny_city.AS_OF, MODEL, None) as notes:
        fit(notes)
    assert notes.epochs["loss"] == [2.0, 1.0]
    assert "not followed in MLflow" in caplog.text


def test_too_little_history_leaves_no_run(settings: Settings) -> None:
    early = tiny_city.START + np.timedelta64(5, "D")
    with pytest.raises(HistoryError), follow_training(settings, CITY, early, MODEL, None):
        pass
    assert found(settings) == []


def test_memory_and_processors_are_measured_meanwhile(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr("tasks.tracking.curves.SECONDS_BETWEEN_SAMPLES", 0.2)
    with follow_training(settings, CITY, tiny_city.AS_OF, MODEL, None):
        time.sleep(0.7)
    (run,) = found(settings)
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 0
    assert "system/cpu_utilization_percentage" in run.data.metrics
