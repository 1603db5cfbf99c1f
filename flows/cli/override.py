"""`nexthour override`: scale the next hours of a station or line by hand, and see whether that helped."""

from __future__ import annotations

import getpass
from typing import Annotated

import numpy as np
import typer

from flows.cli import output
from flows.cli.app import AsJson, Config, DataRoot, app, moment, now, parse_duration, read_settings
from flows.pipelines import override as pipeline
from flows.pipelines.override import Wish
from flows.reports.override_reports import name_scope, overrides_document
from tasks.errors import ConfigError
from tasks.stations.load import station_table

override_app = typer.Typer(
    help="Scale the next hours of a station or line by hand: an event, a closure.", no_args_is_help=True
)
app.add_typer(override_app, name="override")

Who = Annotated[str | None, typer.Option("--who", help="Who says so; default: the user of this machine.")]
Why = Annotated[str, typer.Option("--why", help="Why, in one line; readers of the forecast see it.")]


@override_app.command("add")
def add(
    factor: Annotated[float, typer.Option("--factor", help="People are multiplied by it: 1.5, 0 for closed.")],
    why: Why,
    station: Annotated[str | None, typer.Option("--station", help="Id or name of a station.")] = None,
    line: Annotated[str | None, typer.Option("--line", help="All stations of a line of the station table.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="Only this target; default: all.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First minute (ISO 8601); default: now.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive; or give --hours.")] = None,
    hours: Annotated[str | None, typer.Option("--hours", help="How long, such as 3h or 90min.")] = None,
    who: Who = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Scale the forecasts of a station or line for a stated time, from the next forecast on."""
    settings, current = read_settings(config, data_root), now()
    begin = moment(start, settings)
    begin = current if begin is None else begin
    if (end is None) == (hours is None):
        raise ConfigError("override: give its end by --to or how long it lasts by --hours")
    stop = begin + parse_duration(hours, "--hours") if hours is not None else moment(end, settings)
    assert stop is not None
    wish = Wish(who or getpass.getuser(), why, factor, begin, np.datetime64(stop), station, line, target)
    made = pipeline.add(settings, current, wish)
    content = made.to_json()
    text = f"override {made.override_id}: {name_scope(made, station_table(settings))} times {factor:g}"
    output.emit({"id": made.override_id, **content}, json, [f"{text} from {content['start']} to {content['end']}"])


@override_app.command("remove")
def remove(
    override_id: Annotated[str, typer.Argument(help="Id of the override, as `list` shows it.")],
    why: Why,
    who: Who = None,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """End an override before its time; it stays in the ledger."""
    settings = read_settings(config, data_root)
    ended = pipeline.remove(settings, now(), override_id, who or getpass.getuser(), why)
    what = name_scope(ended, station_table(settings))
    output.emit({"id": override_id}, json, [f"override {override_id} of {what} ends with the next forecast"])


@override_app.command("list")
def list_all(config: Config = None, data_root: DataRoot = None, json: AsJson = False) -> None:
    """The ledger, newest first, and whether each override helped: the error of its hours, with it and without."""
    settings = read_settings(config, data_root)
    results = pipeline.review(settings, now())
    content = [
        {"id": r.override.override_id, **r.override.to_json(), "state": r.state, "removed_by": r.removed_by}
        | {"hours": r.hours, "error": r.error, "error_without": r.error_without, "helped": r.helped}
        for r in results
    ]
    output.emit(content, json, overrides_document(results, station_table(settings)))
