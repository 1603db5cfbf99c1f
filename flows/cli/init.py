"""Commands for whoever has files and no configuration yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import output
from flows.cli.app import AsJson, app, now
from tasks.clock import zone
from tasks.errors import ConfigError, about

if TYPE_CHECKING:
    from tasks.ingest.steps import Answers

Text = str | None
Texts = list[str] | None
Paths = Annotated[list[str], typer.Argument(help="Files, folders or globs of one kind of data.")]
Out = Annotated[Path, typer.Option("--out", help="Configuration to write (TOML).")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite it if it is there.")]
PresetName = Annotated[Text, typer.Option("--preset", help="Kind of data; nexthour presets lists them.")]
TimeZone = Annotated[
    Text, typer.Option("--timezone", help="Time zone of times without an offset, such as Europe/London.")
]
Time = Annotated[
    Texts, typer.Option("--time", help="Column of the time, or DATE,HOUR; twice for the start and end of trips.")
]
TimeFormat = Annotated[
    Texts, typer.Option("--time-format", help='strptime format, such as "%d/%m/%Y %H:%M"; repeatable.')
]
TimeIs = Annotated[Text, typer.Option("--time-is", help="start, end or last_minute of the interval.")]
Station = Annotated[
    Texts, typer.Option("--station", help="Column of the station; twice for the start and end of trips.")
]
Count = Annotated[Text, typer.Option("--count", help="Columns of numbers of people; none: each row is one person.")]
Entries = Annotated[
    Text, typer.Option("--entries", help="Column of entries, or COLUMN=VALUE of the rows; all: every row.")
]
Exits = Annotated[Text, typer.Option("--exits", help="Column of exits, or COLUMN=VALUE of the rows.")]
Targets = Annotated[Text, typer.Option("--targets", help="What the columns of --count are called.")]
Interval = Annotated[int | None, typer.Option("--interval", help="Minutes that a row counts.")]
Rows = Annotated[
    Text, typer.Option("--rows", help="Several rows of one station and interval: sum, or the last counts.")
]
Numbers = Annotated[
    Text, typer.Option("--numbers", help="Counts that only grow: people of each row, or readings of a counter.")
]
Header = Annotated[Text, typer.Option("--header", help="Names of the columns of files without them.")]
HeaderRows = Annotated[int | None, typer.Option("--header-rows", help="Lines of the header, such as 2 of a pivot.")]
SkipRows = Annotated[int | None, typer.Option("--skip-rows", help="Lines above the header.")]
SkipFooter = Annotated[int | None, typer.Option("--skip-footer", help="Lines below the last row.")]
Delimiter = Annotated[Text, typer.Option("--delimiter", help='Such as ";", tab or blanks.')]
Encoding = Annotated[Text, typer.Option("--encoding", help="Such as cp1252.")]
Unpivot = Annotated[Text, typer.Option("--unpivot", help='Names of columns that become rows: "%H:%M", "{station_id}".')]
UnpivotExclude = Annotated[
    Texts, typer.Option("--unpivot-exclude", help="Column that stays though --unpivot fits it; repeatable.")
]
Constant = Annotated[
    Texts, typer.Option("--constant", help="NAME=VALUE, a column of all rows: day=2024-03-05; repeatable.")
]
WhereRows = Annotated[
    Texts, typer.Option("--where", help="COLUMN=VALUE of the rows that count, or COLUMN=all; repeatable.")
]
Sheet = Annotated[Text, typer.Option("--sheet", help="Sheet of a workbook; one source reads one.")]
PathPattern = Annotated[
    Text, typer.Option("--path-pattern", help='What paths say: "counts_%Y%m%d.csv" gives the column path_date.')
]
Thousands = Annotated[Texts, typer.Option("--thousands", help="Mark of thousands in counts; repeatable.")]
Decimal = Annotated[Texts, typer.Option("--decimal", help="Decimal mark in counts; repeatable.")]
Missing = Annotated[Texts, typer.Option("--missing", help="Word for a count that is not known; repeatable.")]

Exclude = Annotated[
    Texts, typer.Option("--exclude", help="Station that is left out, such as 'TOTAL*'; none; repeatable.")
]


@app.command()
def presets(json: AsJson = False) -> None:
    """List the presets: published kinds of data that a source reads by `preset = "NAME"`."""
    from tasks.settings.presets import presets as known

    lines = [f"{preset.name:28} {preset.title}" for preset in known().values()]
    output.emit([{"name": p.name, "title": p.title} for p in known().values()], json, lines)


@app.command()
def init(
    path: Paths,
    out: Out = Path("network.toml"),
    force: Force = False,
    preset: PresetName = None,
    timezone: TimeZone = None,
    time: Time = None,
    time_format: TimeFormat = None,
    time_is: TimeIs = None,
    station: Station = None,
    count: Count = None,
    entries: Entries = None,
    exits: Exits = None,
    where: WhereRows = None,
    targets: Targets = None,
    interval: Interval = None,
    rows: Rows = None,
    numbers: Numbers = None,
    header: Header = None,
    header_rows: HeaderRows = None,
    skip_rows: SkipRows = None,
    skip_footer: SkipFooter = None,
    sheet: Sheet = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    unpivot: Unpivot = None,
    unpivot_exclude: UnpivotExclude = None,
    constant: Constant = None,
    path_pattern: PathPattern = None,
    thousands: Thousands = None,
    decimal: Decimal = None,
    missing: Missing = None,
    exclude: Exclude = None,
    json: AsJson = False,
) -> None:
    """Look at your files, say what was understood, and write a configuration that reads them: start here with data.

    What the files do not tell is asked: exit code 2, and one line per question with the option that answers it.
    """
    from tasks.ingest.steps import Answers

    answers = Answers(
        timezone=timezone,
        time_format=tuple(time_format or ()),
        time=tuple(_names(text) for text in time or ()),
        station=tuple(station or ()),
        count=_names(count),
        entries=entries,
        exits=exits,
        where=_parted("--where", where),
        interval=interval,
        rows=rows,
        numbers=numbers,
        time_is=time_is,
        targets=_names(targets),
        unpivot=unpivot,
        unpivot_exclude=tuple(unpivot_exclude or ()),
        constants=dict(_parted("--constant", constant)),
        path_pattern=path_pattern,
        thousands=tuple(thousands or ()),
        decimal=tuple(decimal or ()),
        missing=tuple(missing or ()),
        exclude=tuple(exclude or ()),
    )
    options: dict[str, Any] = {"header": list(_names(header)), "skip_rows": skip_rows, "skip_footer": skip_footer}
    options |= {"header_rows": header_rows, "sheet": sheet, "delimiter": delimiter, "encoding": encoding}
    layout = {key: value for key, value in options.items() if value not in (None, [])}
    _check_out(out, force)
    _write(path, answers, layout, preset, out, json)


def _write(
    paths: list[str], answers: Answers, layout: dict[str, Any], preset: str | None, out: Path, json: bool
) -> None:
    """Look at the files, and write their configuration or ask."""
    from flows.reports.inspection_report import inspection_document
    from tasks.ingest.steps import inspect_files, toml_text

    _check_choice("--rows", answers.rows, ("sum", "last"))
    _check_choice("--numbers", answers.numbers, ("people", "readings"))
    _check_choice("--time-is", answers.time_is, ("start", "end", "last_minute"))
    if answers.timezone:
        with about("--timezone"):
            zone(answers.timezone)
    found = inspect_files(paths, answers, layout, preset, now())
    output.emit(found, json, inspection_document(found))
    if found.questions:
        raise typer.Exit(2)
    text = toml_text(found, paths, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    output.say(f"written to {out}: nexthour ingest --config {out}")


def _check_out(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise ConfigError(f"{out} is there already: give --out another name, or --force")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _parted(option: str, texts: list[str] | None) -> tuple[tuple[str, str], ...]:
    """NAME=VALUE, each in its two parts.

    Raises:
        ConfigError: if one has no name or no value.
    """
    parted = tuple((name, value) for name, _, value in (text.partition("=") for text in texts or ()))
    if not all(name and value for name, value in parted):
        raise ConfigError(f"{option} {' '.join(texts or ())!r}: give NAME=VALUE, such as day=2024-03-05")
    return parted


def _check_choice(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise ConfigError(f"{option} {value!r} is unknown: give {', '.join(known)}")
