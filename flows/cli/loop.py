"""Commands that run one flow once, each named as its flow."""

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
    parse_duration,
    read_settings,
    required_moment,
)
from flows.pipelines import loop
from flows.pipelines.run_reports import NothingRead
from flows.reports.loop_reports import (
    forecast_document,
    ingest_document,
    lag_document,
    retrain_document,
    score_document,
)
from flows.reports.replay_reports import backtest_document
from tasks.errors import ConfigError, SourceError
from tasks.stations.load import station_table

SourceName = Annotated[str | None, typer.Option("--source", help="Read only this source of the configuration.")]
Paths = Annotated[
    list[str] | None, typer.Option("--path", help="Read these files instead of the configured ones; may be repeated.")
]
Layout = Annotated[
    str,
    typer.Option("--format", help="Columns of the file: minutes (ours), or tides (TIDES station_activities)."),
]
Model = Annotated[str | None, typer.Option("--model", help="Architecture; default: the configured one.")]


@app.command()
def ingest(
    source: SourceName = None,
    path: Paths = None,
    start: Start = None,
    end: End = None,
    rejects: Annotated[
        bool,
        typer.Option("--rejects", help="List open rejects; with --out write them, with --path read them repaired."),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="With --rejects: CSV file to write.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="With --rejects: what each reason means.")] = False,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Read new data from all sources; rejected rows are kept with their reason.

    The exit code is 1 where nothing of a source's new input landed, or more than half was rejected; the first line of
    the report says what to change.

    If rows were rejected because of the configuration (time zone, maximum, columns), correct it: the next ingest reads
    the files of a changed source again. If the rows themselves are wrong, repair them: --rejects --out bad.csv writes
    them, --rejects --path bad.csv reads the corrected file.
    """
    if rejects:
        if start or end:
            raise ConfigError("--rejects takes no --start and --end: it ingests files as they were ingested")
        from flows.cli.rejects import run

        run(read_settings(config, data_root), source, path or [], out, json, explain)
        return
    if explain:
        raise ConfigError("--explain goes with --rejects: nexthour ingest --rejects --explain")
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
    """Load history: rows count as known since they happened, so that backtests may use them.

    Use ingest for new data, backfill for everything older than a day.
    """
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
    settings = read_settings(config, data_root)
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
    except NothingRead as error:
        output.emit(error.report, json, ingest_document(error.report, station_table(settings)))
        raise SourceError(str(error)) from None
    output.emit(report, json, ingest_document(report, station_table(settings)))
    if report.failures or report.problems or any(s.failures for s in report.sources):
        raise typer.Exit(1)


@app.command()
def features(
    start: Annotated[str, typer.Option("--start", help="First service day, such as 2024-03-05.")],
    end: Annotated[str, typer.Option("--end", help="Last service day, included.")],
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Write the lag table: the same-weekday values that the models use, as Parquet to inspect."""
    settings = read_settings(config, data_root)
    report = loop.features(settings, _parse_day(start), _parse_day(end))
    output.emit(report, json, lag_document(report))


@app.command()
def retrain(
    as_of: AsOf = None,
    model: Model = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Train a new model; it replaces the published one (the champion) if it is better on held-out days."""
    settings = read_settings(config, data_root)
    with output.progress() as progress:
        report = loop.retrain(settings, moment(as_of, settings) or now(), model, progress)
    output.emit(report, json, retrain_document(report))


@app.command()
def forecast(
    as_of: AsOf = None,
    model: Annotated[
        str, typer.Option("--model", help="champion, an architecture that needs no training, or a version.")
    ] = "champion",
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the expected counts to this file, .parquet or .csv.")
    ] = None,
    layout: Layout = "minutes",
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Forecast the next hour and publish it; if the champion fails, a simpler model forecasts, with the reason."""
    from tasks.tables.export import check_export, export_forecast

    settings = read_settings(config, data_root)
    if out is not None:
        check_export(settings, out, layout)
    elif layout != "minutes":
        raise ConfigError(f"--format goes with --out: nexthour forecast --out hour.csv --format {layout}")
    asked = moment(as_of, settings)
    report = loop.forecast(settings, now() if asked is None else asked, model, None if asked is None else now())
    output.emit(report, json, forecast_document(report, station_table(settings)))
    if out is not None:
        output.say(f"{export_forecast(settings, report.issue.table, out, layout):,} minutes written to {out}")
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
    """Compare forecasts whose hour is over with the observed counts."""
    settings = read_settings(config, data_root)
    report = loop.score(settings, moment(as_of, settings) or now(), moment(start, settings), moment(end, settings))
    output.emit(report, json, score_document(report, stations=station_table(settings)))


@app.command()
def backtest(
    start: FirstOrigin,
    end: LastOrigin,
    out: Annotated[Path, typer.Option("--out", help="Folder for forecasts.parquet and report.json.")],
    every: Annotated[str, typer.Option("--every", help="Time between origins, such as 15min.")] = "15min",
    models: Annotated[
        str | None, typer.Option("--models", help="Architectures or versions, separated by commas.")
    ] = None,
    retrain_every: Annotated[
        str | None, typer.Option("--retrain-every", help="Time between retrainings, such as 1d; default: train once.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Random seeds such as 7,8,9; the report has their mean and spread.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Worker processes; default: one per core.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Log the report in MLflow.")] = True,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Measure accuracy: forecast past moments with what was known then, and compare with what happened.

    Finished parts are kept under OUT/parts, so that the same command continues where it stopped.
    """
    from flows.pipelines.backtest import ReplaySpan, run_backtest

    settings = read_settings(config, data_root)
    names = [
        m.strip() for m in (models or f"weekday_mean,weekday_level,linear_level,{settings.retrain.model}").split(",")
    ]
    span = ReplaySpan(
        required_moment(start, settings),
        required_moment(end, settings),
        parse_duration(every, "--every"),
        tuple(dict.fromkeys(name for name in names if name)),
        parse_duration(retrain_every, "--retrain-every") if retrain_every else None,
        _parse_numbers(seeds, "--seeds"),
    )
    with output.progress() as progress:
        report = run_backtest(settings, span, out, jobs=jobs, track=track, progress=progress)
    output.emit(report, json, backtest_document(report))


@app.command()
def minutes(
    start: Annotated[
        str, typer.Option("--start", help="First minute (ISO 8601; without an offset, local time of the network).")
    ],
    end: Annotated[str, typer.Option("--end", help="End, exclusive.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, .parquet or .csv.")],
    layout: Layout = "minutes",
    as_of: AsOf = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Export counts per minute, as known now or, with --as-of, at an earlier moment."""
    from tasks.tables.export import export_minutes

    settings = read_settings(config, data_root)
    first, last = required_moment(start, settings), required_moment(end, settings)
    rows = export_minutes(settings, first, last, out, moment(as_of, settings), layout)
    output.emit({"rows": rows, "out": str(out)}, json, [f"{rows:,} minutes written to {out}"])


def _parse_day(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "D")
    except ValueError:
        raise ConfigError(f"service day {text!r} is not a date: write it like 2013-10-09") from None


def _parse_numbers(text: str | None, option: str) -> tuple[int, ...]:
    """Whole numbers such as 7,8,9.

    Raises:
        ConfigError: if the text is something else; names the option.
    """
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise ConfigError(f"{option} {text!r} is no list of whole numbers: write it like 7,8,9")
    return tuple(int(part) for part in parts)
