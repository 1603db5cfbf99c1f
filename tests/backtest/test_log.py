"""A backtest in MLflow: one run, with a child run per model, figures to chart, the same again once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backtest.test_part import Workshop, replayed
from matplotlib.patches import Rectangle

from tasks.backtest.log import SUFFIX, log_backtest
from tasks.backtest.plots import pictures
from tasks.backtest.replay import BacktestReport
from tasks.settings.tree import Settings
from tasks.tracking import runs


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> BacktestReport:
    return replayed(tmp_path_factory.mktemp("replay"), Workshop(), seeds=(7, 9), unseeded=frozenset({"b"}))


def test_a_run_holds_the_report_and_a_child_a_model_the_figures(
    mlflow_settings: Settings, report: BacktestReport
) -> None:
    run_id = log_backtest(mlflow_settings, report)
    assert run_id is not None
    assert log_backtest(mlflow_settings, report, plots=False) == run_id
    with runs.connect(mlflow_settings, SUFFIX) as mlflow:
        parent = mlflow.client.get_run(run_id)
        found = mlflow.client.search_runs([mlflow.experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
        children = {run.info.run_name: run for run in found}
        files = [f.path for f in mlflow.client.list_artifacts(run_id)]
        plots = [f.path for f in mlflow.client.list_artifacts(run_id, "plots")]
        bands = mlflow.client.get_metric_history(children["a"].info.run_id, "horizon/mae_band")
    assert sorted(children) == ["a", "b"]
    assert len(found) == 2
    assert {"report.json", "config.json", "plots"} <= set(files)
    assert len(plots) == 5
    assert parent.data.tags["mlflow.note.content"].startswith("**A station's hour**")
    whole = report.figures["models"]["b"]["network"]["all"]["overall"]
    assert parent.data.metrics["network/b.rmse_hour"] == pytest.approx(whole["rmse_hour"])
    tree: dict[str, Any] = report.figures["models"]["a"]
    metrics = children["a"].data.metrics
    for scope in ("stations", "network"):
        whole = tree[scope]["all"]["overall"]
        assert metrics[f"{scope}/rmse_hour"] == pytest.approx(whole["rmse_hour"])
        assert metrics[f"{scope}/mase"] == pytest.approx(whole["mase"])
    assert metrics["spread/stations.rmse_hour"] == pytest.approx(
        tree["spread"]["stations"]["all"]["overall"]["rmse_hour"]
    )
    assert [(m.step, m.value) for m in sorted(bands, key=lambda m: m.step)] == [
        (int(name.split("-")[1]), pytest.approx(row["mae_band"]))
        for name, row in list(tree["stations"]["all"]["by_band"].items())[:-1]
    ]


def test_pictures_show_every_model_with_its_figures(report: BacktestReport) -> None:
    shown = dict(pictures(report.figures))
    assert list(shown) == ["errors", "horizon", "days", "hours", "calibration"]
    rmse = {name: of["stations"]["all"]["overall"]["rmse_hour"] for name, of in report.figures["models"].items()}
    bars = [bar.get_width() for bar in shown["errors"].axes[0].patches if isinstance(bar, Rectangle)]
    assert sorted(bars) == pytest.approx(sorted(rmse.values()))
    for name in ("horizon", "days", "hours"):
        assert [np.size(line.get_ydata()) for line in shown[name].axes[0].lines] == [
            {"horizon": 3, "days": 2, "hours": 6}[name]
        ] * 2
    level, share = map(np.asarray, shown["calibration"].axes[0].lines[1].get_data())
    kept = report.figures["models"]["a"]["stations"]["all"]["calibration"]
    np.testing.assert_allclose(level, [float(name) for name in kept])
    np.testing.assert_allclose(share, list(kept.values()))


def test_without_mlflow_a_backtest_ends_well(
    report: BacktestReport, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = Settings(data_root=str(tmp_path), mlflow={"tracking_uri": "http://127.0.0.1:9"})
    assert log_backtest(away, report) is None
    assert "the backtest is not logged" in caplog.text
