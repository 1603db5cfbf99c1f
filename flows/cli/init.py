"""Commands for whoever has files and no configuration yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import output
from flows.cli.app import AsJson, app, now
from tasks.clock import zone
from tasks.errors import ConfigError, about

Layout = dict[str, object]


@app.command()
def presets(json: AsJson = False) -> None:
    """List the presets: published kinds of data that a source reads by `preset = "NAME"`."""
    from tasks.settings.presets import presets as known

    lines = [f"{preset.name:28} {preset.title}" for preset in known().values()]
    output.emit([{"name": p.name, "title": p.title} for p in known().values()], json, lines)


@app.command()
def init(
    path: Annotated[list[str], typer.Argument(help="Files, folders or globs of one kind of data.")],
    out: Annotated[Path, typer.Option("--out", help="Configuration to write (TOML).")] = Path("network.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite it if it is there.")] = False,
    preset: Annotated[str | None, typer.Option("--preset", help="Kind of data; nexthour presets lists them.")] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Time zone of times without an offset, such as Europe/London.")
    ] = None,
    time: Annotated[
        list[str] | None,
        typer.Option("--time", help="Column of the time, or DATE,HOUR; twice for the start and end of trips."),
    ] = None,
    time_format: Annotated[
        list[str] | None, typer.Option("--time-format", help='strptime format, such as "%d/%m/%Y %H:%M"; repeatable.')
    ] = None,
    time_is: Annotated[str | None, typer.Option("--time-is", help="start, end or last_minute of the interval.")] = None,
    station: Annotated[
        list[str] | None, typer.Option("--station", help="Column of the station; twice for the start and end of trips.")
    ] = None,
    count: Annotated[
        str | None, typer.Option("--count", help="Columns of numbers of people; none: each row is one person.")
    ] = None,
    entries: Annotated[
        str | None, typer.Option("--entries", help="Column of entries, or COLUMN=VALUE of the rows; all: every row.")
    ] = None,
    exits: Annotated[str | None, typer.Option("--exits", help="Column of exits, or COLUMN=VALUE of the rows.")] = None,
    targets: Annotated[str | None, typer.Option("--targets", help="What the columns of --count are called.")] = None,
    interval: Annotated[int | None, typer.Option("--interval", help="Minutes that a row counts.")] = None,
    rows: Annotated[
        str | None, typer.Option("--rows", help="Several rows of one station and interval: sum, or the last counts.")
    ] = None,
    header: Annotated[str | None, typer.Option("--header", help="Names of the columns of files without them.")] = None,
    skip_rows: Annotated[int | None, typer.Option("--skip-rows", help="Lines above the header.")] = None,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help='Such as ";", tab or blanks.')] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Such as cp1252.")] = None,
    json: AsJson = False,
) -> None:
    """Look at your files, say what was understood, and write a configuration that reads them: start here with data.

    What the files do not tell is asked: exit code 2, and one line per question with the option that answers it.
    """
    from flows.reports.inspection_report import inspection_document
    from tasks.ingest.steps import Answers, inspect_files, toml_text

    if out.exists() and not force:
        raise ConfigError(f"{out} is there already: give --out another name, or --force")
    _check_choice("--rows", rows, ("sum", "last"))
    _check_choice("--time-is", time_is, ("start", "end", "last_minute"))
    if timezone:
        with about("--timezone"):
            zone(timezone)
    answers = Answers(
        timezone=timezone,
        time_format=tuple(time_format or ()),
        time=tuple(_names(text) for text in time or ()),
        station=tuple(station or ()),
        count=_names(count),
        entries=entries,
        exits=exits,
        interval=interval,
        rows=rows,
        time_is=time_is,
        targets=_names(targets),
    )
    layout = {"header": list(_names(header)), "skip_rows": skip_rows, "delimiter": delimiter, "encoding": encoding}
    given = {key: value for key, value in layout.items() if value not in (None, [])}
    found = inspect_files(path, answers, given, preset, now())
    output.emit(found, json, inspection_document(found))
    if found.questions:
        raise typer.Exit(2)
    text = toml_text(found, path, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    output.say(f"written to {out}: nexthour ingest --config {out}")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _check_choice(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise ConfigError(f"{option} {value!r} is unknown: give {', '.join(known)}")
