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


@app.command()
def tune(
    start: FirstOrigin,
    end: LastOrigin,
    out: Annotated[Path, typer.Option("--out", help="Folder for best.toml.")],
    model: Annotated[str | None, typer.Option("--model", help="Architecture; default: the configured one.")] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Number of configs to try, those of earlier commands included.")
    ] = 30,
    every: Annotated[str, typer.Option("--every", help="Time between origins, such as 1h.")] = "1h",
    retrain_every: Annotated[
        str,
        typer.Option(
            "--retrain-every", help="Time between retrainings, such as 7d; bad configs are dropped after each."
        ),
    ] = "7d",
    metric: Annotated[
        str,
        typer.Option(
            "--metric", help="Error to minimise: rmsse, mase, rmse_hour, mae_hour, poisson_deviance or pinball."
        ),
    ] = "rmsse",
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", help="Time after which no config is tried any more, such as 1h.")
    ] = None,
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
