"""Commands that concern a whole machine: demonstration, servers, check-up, rollback, maintenance."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import output
from flows.cli.app import AsJson, AsOf, Config, DataRoot, app, moment, now, read_settings
from flows.pipelines import loop
from flows.reports.loop_reports import maintain_document
from tasks.errors import ConfigError

if TYPE_CHECKING:
    from flows.machine.doctor import Check


@app.command()
def demo(
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", help="simulate (a simulated city, the default), or a file or glob of counts; may be repeated."
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Time zone of the network, such as America/Chicago.")
    ] = None,
    interval: Annotated[int | None, typer.Option("--interval", help="Minutes per row, such as 15 or 60.")] = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Run every flow once on a simulated city or your own file: start here."""
    from flows.demo import run, write_config
    from flows.machine.environment import use_one_shot_server

    settings, path = write_config(source or [], timezone, interval, config, data_root)
    use_one_shot_server(settings)
    from flows.common import PROGRESS

    output.say(f"Nexthour demonstration in {settings.data_root} (it starts with a Prefect server: about 20 s)")
    with output.progress() as progress:
        PROGRESS.set(progress)
        report = run(settings, path, output.say)
    output.emit(report, json, output.demo_lines(report, sys.argv[0]))


@app.command()
def up(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    prefect_port: Annotated[
        int, typer.Option("--prefect-port", min=1, max=65535, help="Port of the Prefect server.")
    ] = 4200,
    mlflow_port: Annotated[int, typer.Option("--mlflow-port", min=1, max=65535, help="Port of the MLflow UI.")] = 5000,
    api_port: Annotated[
        int | None,
        typer.Option(
            "--api-port", min=1, max=65535, help="Port of the reading interface and the board; default: [serve] port."
        ),
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Feed it from a simulated city: a first look, without data of your own.")
    ] = False,
    config: Config = None,
    data_root: DataRoot = None,
) -> None:
    """Start the Prefect server, the MLflow UI, the reading interface and all scheduled flows; Ctrl-C stops them."""
    from flows.machine.simulated import simulated_city
    from flows.machine.up import make_plan, run
    from tasks.settings.toml_file import config_path

    if simulate and config:
        raise ConfigError("--simulate writes a configuration of its own: leave out --config")
    if simulate:
        config, data_root = simulated_city(data_root or ".nexthour")
    settings, path = read_settings(config, data_root), config_path(config, data_root)
    plan = make_plan(settings, path, host, prefect_port, mlflow_port, api_port)
    for line in plan.addresses():
        output.say(line)
    run(plan)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="Version that shall publish, such as 3.")],
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Let a version publish because you want it, whatever the gate decided."""
    loop.promote(read_settings(config, data_root), now(), version)
    output.emit({"version": version}, json, [f"version {version} is the champion now"])


@app.command()
def rollback(config: Config = None, data_root: DataRoot = None, json: AsJson = False) -> None:
    """Publish with the previous champion again."""
    version = loop.rollback(read_settings(config, data_root), now())
    output.emit({"version": version}, json, [f"version {version} is the champion again"])


@app.command()
def doctor(config: Config = None, data_root: DataRoot = None, json: AsJson = False) -> None:
    """Check data, model, servers and schedules; exit code 1 if something needs a person."""
    from flows.machine.doctor import examine

    checks = examine(read_settings(config, data_root), now())
    lines = [line for check in checks for line in _check_lines(check)]
    output.emit(checks, json, lines)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _check_lines(check: Check) -> list[str]:
    """A check, and below it what to do where it needs a person."""
    line = f"{'ok  ' if check.ok else 'LOOK'}  {check.name:16} {check.finding}"
    return [line] if check.remedy is None else [line, f"{'':24}-> {check.remedy}"]


@app.command()
def maintain(
    full: Annotated[
        bool, typer.Option("--full", help="Check every file, and rebuild every day of the minute table.")
    ] = False,
    sample_days: Annotated[
        int, typer.Option("--sample-days", min=0, help="Number of newest days to rebuild and compare.")
    ] = 7,
    as_of: AsOf = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Compact files, delete expired days, check integrity; exit code 1 if something needs a person."""
    settings = read_settings(config, data_root)
    report = loop.maintain(settings, moment(as_of, settings) or now(), sample_days, full)
    output.emit(report, json, maintain_document(report))
    if report.needs_a_person:
        raise typer.Exit(1)
