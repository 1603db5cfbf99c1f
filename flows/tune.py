"""Tune: find a better config of an architecture on past moments.

The pipeline is `run_tuning` in flows/pipelines/tune.py: Prefect takes seconds to import, and `nexthour tune` does
without it. Its steps, in order:

1. `load_past`   tasks/features/   the minutes, and when each became known, once for all trials
2. `optimize`    tasks/backtest/   one backtest per trial; a trial that is clearly worse is stopped early
3. `log_study`   tasks/backtest/   all trials and the best config in MLflow
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.common import begin, current_progress, run_name, to_utc
from flows.pipelines.backtest import ReplaySpan
from flows.pipelines.tune import run_tuning
from flows.reports.document import markdown
from flows.reports.replay_reports import tune_document


@flow(name="tune", flow_run_name=run_name, timeout_seconds=48 * 3600)
def tune(
    start: datetime,
    end: datetime,
    out: str,
    model: str | None = None,
    trials: int = 30,
    every_minutes: int = 60,
    retrain_days: int = 7,
    metric: str = "rmsse",
) -> None:
    """Try configs of an architecture, each by a backtest; the same again goes on where it stopped.

    Args:
        start: first origin.
        end: origins end before it.
        out: folder for best.toml.
        model: architecture; default the configuration's [retrain] model.
        trials: in all.
        every_minutes: distance of the origins.
        retrain_days: days between retrainings; a hopeless trial is given up after one of them.
        metric: rmsse, mase, rmse_hour, mae_hour, poisson_deviance or pinball.
    """
    settings, _ = begin(None)
    again = np.timedelta64(retrain_days, "D")
    span = ReplaySpan(to_utc(start), to_utc(end), np.timedelta64(every_minutes, "m"), (), again)
    report = run_tuning(
        settings, model or settings.retrain.model, span, trials, metric, Path(out), progress=current_progress()
    )
    create_markdown_artifact(markdown(tune_document(report)), key="tune", description="Configs tried, the best first")
