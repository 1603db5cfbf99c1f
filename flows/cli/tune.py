"""The command `tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from flows.cli import output
from flows.cli.app import (
    AsJson,
    Config,
    DataRoot,
    FirstOrigin,
    LastOrigin,
    app,
    parse_duration,
    read_settings,
    required_moment,
)
from flows.reports.replay_reports import tune_document

Out = Annotated[Path, typer.Option("--out", help="Folder for best.toml.")]
Model = Annotated[str | None, typer.Option("--model", help="Architecture; default: the configured one.")]
Trials = Annotated[
    int, typer.Option("--trials", min=1, help="Number of configs to try, those of earlier commands included.")
]
Every = Annotated[str, typer.Option("--every", help="Time between origins, such as 1h.")]
RetrainEvery = Annotated[
    str,
    typer.Option("--retrain-every", help="Time between retrainings, such as 7d; bad configs are dropped after each."),
]
Metric = Annotated[
    str,
    typer.Option("--metric", help="Error to minimise: rmsse, mase, rmse_hour, mae_hour, poisson_deviance or pinball."),
]
TimeLimit = Annotated[
    str | None, typer.Option("--time-limit", help="Time after which no config is tried any more, such as 1h.")
]


@app.command()
def tune(
    start: FirstOrigin,
    end: LastOrigin,
    out: Out,
    model: Model = None,
    trials: Trials = 30,
    every: Every = "1h",
    retrain_every: RetrainEvery = "7d",
    metric: Metric = "rmsse",
    time_limit: TimeLimit = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Search for a better config of an architecture by backtests; the same command continues where it stopped."""
    from flows.pipelines.backtest import ReplaySpan
    from flows.pipelines.tune import run_tuning

    settings = read_settings(config, data_root)
    span = ReplaySpan(
        required_moment(start, settings),
        required_moment(end, settings),
        parse_duration(every, "--every"),
        (),
        parse_duration(retrain_every, "--retrain-every"),
    )
    limit = int(parse_duration(time_limit, "--time-limit") / np.timedelta64(1, "m")) if time_limit else None
    with output.progress() as progress:
        report = run_tuning(
            settings, model or settings.retrain.model, span, trials, metric, out, limit_minutes=limit, progress=progress
        )
    output.emit(report, json, tune_document(report))
