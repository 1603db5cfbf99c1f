"""The command that tunes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import output
from flows.cli.app import (
    AsJson,
    Config,
    DataRoot,
    FirstOrigin,
    LastOrigin,
    app,
    required,
    settings_of,
    span_of,
)
from flows.reports.replay_reports import tune_document


@app.command()
def tune(
    start: FirstOrigin,
    end: LastOrigin,
    out: Annotated[Path, typer.Option("--out", help="Folder for best.toml.")],
    model: Annotated[
        str | None, typer.Option("--model", help="An architecture; default the one of the nights.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="In all, with those of earlier commands.")] = 30,
    every: Annotated[str, typer.Option("--every", help="Distance of the origins, such as 1h.")] = "1h",
    retrain_every: Annotated[str, typer.Option("--retrain-every", help="Such as 7d; prunes after each.")] = "7d",
    metric: Annotated[str, typer.Option("--metric", help="What is to be small, of every station's hour.")] = "rmsse",
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Find a better config of an architecture by backtests; the same command again goes on where it stopped."""
    from flows.pipelines.backtest import ReplaySpan
    from flows.pipelines.tune import run_tuning

    settings = settings_of(config, data_root)
    span = ReplaySpan(
        required(start, settings),
        required(end, settings),
        span_of(every, "--every"),
        (),
        span_of(retrain_every, "--retrain-every"),
    )
    with output.progress() as progress:
        report = run_tuning(settings, model or settings.retrain.model, span, trials, metric, out, progress)
    output.emit(report, json, tune_document(report))
