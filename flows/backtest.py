"""Backtest: replay past moments as if they were now, with several models side by side.

The pipeline is `run_backtest` in flows/pipelines/backtest.py: Prefect takes seconds to import, and `nexthour backtest`
does without it. Its steps, in order:

1. `load_past`        tasks/features/   the minutes, and when each became known
2. `replay_origins`   tasks/backtest/   fit and forecast part by part, in worker processes; score; write the report
3. `log_backtest`     tasks/backtest/   the report in MLflow
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from flows.common import begin, current_progress, replay_days, report_folder
from flows.model_parameters import ReplayedModel
from flows.parameters import Day, OriginMinutes, ReportName, RetrainDays
from flows.pipelines.backtest import ReplaySpan, run_backtest
from flows.reports.replay_reports import backtest_document
from flows.runs import publish_artifact, reported_flow

MODELS = ("weekday_mean", "weekday_level", "linear_level", "next_hour_lstm")


@reported_flow("backtest")
def backtest(
    first_day: Day,
    last_day: Day,
    models: Annotated[tuple[ReplayedModel, ...], Field(min_length=1)] = MODELS,
    every_minutes: OriginMinutes = 15,
    retrain_days: RetrainDays | None = None,
    seeds: Annotated[tuple[int, ...], Field(max_length=20)] = (),
    jobs: Annotated[int, Field(ge=1, le=64)] | None = None,
    name: ReportName | None = None,
) -> None:
    """Replay every origin of a past span with several models side by side and score them.

    Args:
        first_day: service day of the first origin.
        last_day: service day of the last origin.
        models: architectures, which are fitted again, or a champion that was trained before the first day.
        every_minutes: minutes between origins.
        retrain_days: days between retrainings; by default the models are fitted once, at the start.
        seeds: random seeds of the fits; that of the configuration by default.
        jobs: worker processes; as many as cores by default.
        name: folder of the result under reports/backtest in the data root; the days by default.
    """
    settings, _ = begin(None)
    span = ReplaySpan(
        *replay_days(settings, first_day, last_day),
        np.timedelta64(every_minutes, "m"),
        tuple(dict.fromkeys(models)),
        np.timedelta64(retrain_days, "D") if retrain_days else None,
        seeds,
    )
    out = report_folder(settings, "backtest", name or f"{first_day}_{last_day}")
    report = run_backtest(settings, span, out, jobs=jobs, progress=current_progress())
    publish_artifact(backtest_document(report), "backtest", "Models side by side on past moments")
