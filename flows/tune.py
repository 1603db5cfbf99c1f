"""Tune: find a better config of an architecture on past moments.

The pipeline is `run_tuning` in flows/pipelines/tune.py: Prefect takes seconds to import, and `nexthour tune` does
without it. Its steps, in order:

1. `load_past`   tasks/features/   the minutes, and when each became known, once for all trials
2. `optimize`    tasks/backtest/   one backtest per trial; a trial that is clearly worse is stopped early
3. `log_study`   tasks/backtest/   all trials and the best config in MLflow
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from flows.common import begin, current_progress, replay_days, report_folder
from flows.model_parameters import Architecture
from flows.parameters import Day, OriginMinutes, ReportName, RetrainDays
from flows.pipelines.backtest import ReplaySpan
from flows.pipelines.tune import Metric, run_tuning
from flows.reports.replay_reports import tune_document
from flows.runs import publish_artifact, reported_flow


@reported_flow("tune")
def tune(
    first_day: Day,
    last_day: Day,
    model: Architecture | None = None,
    metric: Metric = "rmsse",
    trials: Annotated[int, Field(ge=1, le=1000)] = 30,
    limit_minutes: Annotated[int, Field(ge=1, le=2820)] = 60,
    every_minutes: OriginMinutes = 60,
    retrain_days: RetrainDays = 7,
    name: ReportName | None = None,
) -> None:
    """Try configs of an architecture, each by a backtest; the same again goes on where it stopped.

    Args:
        first_day: service day of the first origin.
        last_day: service day of the last origin.
        model: architecture; the configured one by default.
        metric: error that is minimised.
        trials: configs to try in all, those of earlier runs included.
        limit_minutes: no trial starts after so many minutes.
        every_minutes: minutes between origins.
        retrain_days: days between retrainings; a trial that cannot win is pruned after one of them.
        name: folder of the result under reports/tune in the data root; model and days by default.
    """
    settings, _ = begin(None)
    model = model or settings.retrain.model
    days = replay_days(settings, first_day, last_day)
    span = ReplaySpan(*days, np.timedelta64(every_minutes, "m"), (), np.timedelta64(retrain_days, "D"))
    out = report_folder(settings, "tune", name or f"{model}_{first_day}_{last_day}")
    report = run_tuning(
        settings, model, span, trials, metric, out, limit_minutes=limit_minutes, progress=current_progress()
    )
    publish_artifact(tune_document(report), "tune", "Configs tried, the best first")
