"""Backtest: replay past moments as if they were now, with several models side by side.

The pipeline is `run_backtest` in flows/pipelines/backtest.py: Prefect takes seconds to import, and `nexthour backtest`
does without it. Its steps, in order:

1. `load_past`        tasks/features/   the minutes, and when each became known
2. `replay_origins`   tasks/backtest/   fit and forecast part by part, in worker processes; score; write the report
3. `log_backtest`     tasks/backtest/   the report in MLflow
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.common import begin, current_progress, run_name, to_utc
from flows.pipelines.backtest import ReplaySpan, run_backtest
from flows.reports.document import markdown
from flows.reports.replay_reports import backtest_document


@flow(name="backtest", flow_run_name=run_name, timeout_seconds=24 * 3600)
def backtest(
    start: datetime,
    end: datetime,
    out: str,
    every_minutes: int = 15,
    models: tuple[str, ...] = ("weekday_mean", "weekday_level", "linear_level", "next_hour_lstm"),
    retrain_days: int | None = None,
    seeds: tuple[int, ...] = (),
    jobs: int | None = None,
) -> None:
    """Replay every origin of a past span with several models side by side and score them.

    Args:
        start: first origin.
        end: origins end before it.
        out: folder for forecasts.parquet and report.json.
        every_minutes: distance of the origins.
        models: architectures, or registry versions that were trained before `start`.
        retrain_days: days between retrainings; default once, at the start.
        seeds: of the fits; default that of the configuration.
        jobs: worker processes; default as many as cores.
    """
    settings, _ = begin(None)
    span = ReplaySpan(
        to_utc(start),
        to_utc(end),
        np.timedelta64(every_minutes, "m"),
        models,
        np.timedelta64(retrain_days, "D") if retrain_days else None,
        seeds,
    )
    report = run_backtest(settings, span, Path(out), jobs=jobs, progress=current_progress())
    create_markdown_artifact(
        markdown(backtest_document(report)), key="backtest", description="Models side by side on past moments"
    )
