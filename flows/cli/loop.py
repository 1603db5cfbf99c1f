"""Commands of the loop: each is one turn of the flow of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from flows.cli import output
from flows.cli.app import (
    AsJson,
    AsOf,
    Config,
    DataRoot,
    End,
    FirstOrigin,
    LastOrigin,
    Start,
    app,
    moment,
    now,
    required,
    settings_of,
    span_of,
)
from flows.pipelines import loop
from flows.reports.loop_reports import (
    forecast_document,
    ingest_document,
    lag_document,
    retrain_document,
    score_document,
)
from flows.reports.replay_reports import backtest_document
from tasks.errors import ConfigError, SourceError

SourceName = Annotated[str | None, typer.Option("--source", help="Only this source.")]
Paths = Annotated[list[str] | None, typer.Option("--path", help="Read these files instead of the configured ones.")]
Model = Annotated[str | None, typer.Option("--model", help="An architecture or a registry version.")]


@app.command()
def ingest(
    source: SourceName = None,
    path: Paths = None,
    start: Start = None,
    end: End = None,
    rejects: Annotated[
        bool, typer.Option("--rejects", help="List open rejects; with --out write them, with --path take them back.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="With --rejects: CSV to write for repair.")] = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Read the sources: what is new lands in the minute table, what is rejected in the rejects.

    Rows rejected for the configuration (a time zone, maximum, columns) land with the next ingest once that is
    corrected: files whose source is configured otherwise are read again. Rows that are wrong themselves are repaired
    in a CSV: --rejects --out bad.csv writes it, --rejects --path bad.csv takes it back.
    """
    if rejects:
        if start or end:
            raise ConfigError("--rejects takes no --start and --end: it ingests files as they were ingested")
        from flows.cli.rejects import run

        run(settings_of(config, data_root), source, path or [], out, json)
        return
    if out:
        raise ConfigError("--out goes with --rejects: nexthour ingest --rejects --out bad.csv")
    _ingest(source, path, start, end, config, data_root, json, backfill=False)


@app.command()
def backfill(
    source: SourceName = None,
    path: Paths = None,
    start: Start = None,
    end: End = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Read history: it counts as known when it happened."""
    _ingest(source, path, start, end, config, data_root, json, backfill=True)


def _ingest(
    source: str | None,
    path: list[str] | None,
    start: str | None,
    end: str | None,
    config: str | None,
    data_root: str | None,
    json: bool,
    *,
    backfill: bool,
) -> None:
    settings = settings_of(config, data_root)
    try:
        with output.progress() as progress:
            report = loop.ingest(
                settings,
                now(),
                source=source,
                paths=tuple(path or ()),
                start=moment(start, settings),
                end=moment(end, settings),
                backfill=backfill,
                progress=progress,
            )
    except loop.NothingRead as error:
        output.emit(error.report, json, ingest_document(error.report))
        raise SourceError(str(error)) from None
    output.emit(report, json, ingest_document(report))
    if report.failures or any(s.failures for s in report.sources):
        raise typer.Exit(1)


@app.command()
def features(
    start: Annotated[str, typer.Option("--start", help="First service day.")],
    end: Annotated[str, typer.Option("--end", help="Last service day, included.")],
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Write the lag table, the inspectable form of what the models see."""
    settings = settings_of(config, data_root)
    report = loop.features(settings, _day(start), _day(end))
    output.emit(report, json, lag_document(report))


@app.command()
def retrain(
    as_of: AsOf = None,
    model: Model = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Fit a challenger; it becomes champion if it beats champion and baselines on days it never saw."""
    settings = settings_of(config, data_root)
    with output.progress() as progress:
        report = loop.retrain(settings, moment(as_of, settings) or now(), model, progress)
    output.emit(report, json, retrain_document(report))


@app.command()
def forecast(
    as_of: AsOf = None,
    model: Annotated[str, typer.Option("--model", help="An architecture or a registry version.")] = "champion",
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Forecast the next hour and publish it; a model that fails is replaced by the next best, and that is said."""
    settings = settings_of(config, data_root)
    report = loop.forecast(settings, moment(as_of, settings) or now(), model)
    output.emit(report, json, forecast_document(report))
    if report.failures:
        raise typer.Exit(1)


@app.command()
def score(
    start: Start = None,
    end: End = None,
    as_of: AsOf = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Join matured forecasts with what then happened."""
    settings = settings_of(config, data_root)
    report = loop.score(settings, moment(as_of, settings) or now(), moment(start, settings), moment(end, settings))
    output.emit(report, json, score_document(report))


@app.command()
def backtest(
    start: FirstOrigin,
    end: LastOrigin,
    out: Annotated[Path, typer.Option("--out", help="Folder for forecasts.parquet and report.json.")],
    every: Annotated[str, typer.Option("--every", help="Distance of the origins, such as 15min.")] = "15min",
    models: Annotated[str | None, typer.Option("--models", help="Comma-separated architectures.")] = None,
    retrain_every: Annotated[str | None, typer.Option("--retrain-every", help="Such as 1d; default once.")] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="Such as 7,8,9: means and spread in the report.")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Worker processes; default: the cores.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Whether to log it in MLflow.")] = True,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Replay past moments as if they were now, and score them: the tool for every claim of accuracy.

    What is done stays under OUT/parts: the same command takes up where it stopped.
    """
    from flows.pipelines.backtest import ReplaySpan, run_backtest

    settings = settings_of(config, data_root)
    names = [m.strip() for m in (models or f"weekday_mean,weekday_level,{settings.retrain.model}").split(",")]
    span = ReplaySpan(
        required(start, settings),
        required(end, settings),
        span_of(every, "--every"),
        tuple(dict.fromkeys(name for name in names if name)),
        span_of(retrain_every, "--retrain-every") if retrain_every else None,
        _numbers(seeds, "--seeds"),
    )
    with output.progress() as progress:
        report = run_backtest(settings, span, out, jobs=jobs, track=track, progress=progress)
    output.emit(report, json, backtest_document(report))


@app.command()
def minutes(
    start: Annotated[str, typer.Option("--start", help="First minute.")],
    end: Annotated[str, typer.Option("--end", help="Minute after the last.")],
    out: Annotated[Path, typer.Option("--out", help="A .parquet or .csv file.")],
    as_of: AsOf = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Export the minute table, as it is today or as it was known at a moment."""
    from tasks.tables.export import export_minutes

    settings = settings_of(config, data_root)
    rows = export_minutes(settings, required(start, settings), required(end, settings), out, moment(as_of, settings))
    output.emit({"rows": rows, "out": str(out)}, json, [f"{rows:,} minutes written to {out}"])


def _day(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "D")
    except ValueError:
        raise ConfigError(f"service day {text!r} is not a date: write it like 2013-10-09") from None


def _numbers(text: str | None, option: str) -> tuple[int, ...]:
    """Whole numbers such as 7,8,9."""
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise ConfigError(f"{option} {text!r} are no whole numbers: write them like 7,8,9")
    return tuple(int(part) for part in parts)
