"""Commands for whoever has files and no configuration yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import output
from flows.cli.app import AsJson, app, now
from flows.cli.options import with_options
from tasks.clock import zone
from tasks.errors import ConfigError, about

if TYPE_CHECKING:
    from tasks.ingest.steps import Answers

Text = str | None
Texts = list[str] | None
Paths = Annotated[list[str], typer.Argument(help="Files, folders or globs of one kind of data.")]
Out = Annotated[Path, typer.Option("--out", help="Configuration to write (TOML).")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite it if it is there.")]


@dataclass(frozen=True)
class InitOptions:
    """What a person may say about the files, each an option of the command `init`."""

    preset: Annotated[Text, typer.Option("--preset", help="Kind of data; nexthour presets lists them.")] = None
    timezone: Annotated[
        Text, typer.Option("--timezone", help="Time zone of times without an offset, such as Europe/London.")
    ] = None
    time: Annotated[
        Texts, typer.Option("--time", help="Column of the time, or DATE,HOUR; twice for the start and end of trips.")
    ] = None
    time_format: Annotated[
        Texts, typer.Option("--time-format", help='strptime format, such as "%d/%m/%Y %H:%M"; repeatable.')
    ] = None
    time_is: Annotated[Text, typer.Option("--time-is", help="start, end or last_minute of the interval.")] = None
    station: Annotated[
        Texts, typer.Option("--station", help="Column of the station; twice for the start and end of trips.")
    ] = None
    count: Annotated[
        Text, typer.Option("--count", help="Columns of numbers of people; none: each row is one person.")
    ] = None
    entries: Annotated[
        Text, typer.Option("--entries", help="Column of entries, or COLUMN=VALUE of the rows; all: every row.")
    ] = None
    exits: Annotated[Text, typer.Option("--exits", help="Column of exits, or COLUMN=VALUE of the rows.")] = None
    where: Annotated[
        Texts, typer.Option("--where", help="COLUMN=VALUE of the rows that count, or COLUMN=all; repeatable.")
    ] = None
    where_not: Annotated[
        Texts, typer.Option("--where-not", help="COLUMN=VALUE of rows that do not count; repeatable.")
    ] = None
    targets: Annotated[Text, typer.Option("--targets", help="What the columns of --count are called.")] = None
    interval: Annotated[int | None, typer.Option("--interval", help="Minutes that a row counts.")] = None
    rows: Annotated[
        Text, typer.Option("--rows", help="Several rows of one station and interval: sum, or the last counts.")
    ] = None
    negatives: Annotated[
        Text, typer.Option("--negatives", help="Parts of a sum below zero: subtract them, or reject them.")
    ] = None
    numbers: Annotated[
        Text, typer.Option("--numbers", help="Counts that only grow: people of each row, or readings of a counter.")
    ] = None
    header: Annotated[Text, typer.Option("--header", help="Names of the columns of files without them.")] = None
    header_rows: Annotated[
        int | None, typer.Option("--header-rows", help="Lines of the header, such as 2 of a pivot.")
    ] = None
    skip_rows: Annotated[int | None, typer.Option("--skip-rows", help="Lines above the header.")] = None
    skip_footer: Annotated[int | None, typer.Option("--skip-footer", help="Lines below the last row.")] = None
    sheet: Annotated[Text, typer.Option("--sheet", help="Sheet of a workbook; one source reads one.")] = None
    delimiter: Annotated[Text, typer.Option("--delimiter", help='Such as ";", tab or blanks.')] = None
    encoding: Annotated[Text, typer.Option("--encoding", help="Such as cp1252.")] = None
    unnest: Annotated[
        Text, typer.Option("--unnest", help="Fields with lists of which each item is a row: NAME,NAME; none for none.")
    ] = None
    unpivot: Annotated[
        Text, typer.Option("--unpivot", help='Names of columns that become rows: "%H:%M", "{station_id}".')
    ] = None
    unpivot_exclude: Annotated[
        Texts, typer.Option("--unpivot-exclude", help="Column that stays though --unpivot fits it; repeatable.")
    ] = None
    constant: Annotated[
        Texts, typer.Option("--constant", help="NAME=VALUE, a column of all rows: day=2024-03-05; repeatable.")
    ] = None
    path_pattern: Annotated[
        Text, typer.Option("--path-pattern", help='What paths say: "counts_%Y%m%d.csv" gives the column path_date.')
    ] = None
    thousands: Annotated[Texts, typer.Option("--thousands", help="Mark of thousands in counts; repeatable.")] = None
    decimal: Annotated[Texts, typer.Option("--decimal", help="Decimal mark in counts; repeatable.")] = None
    missing: Annotated[Texts, typer.Option("--missing", help="Word for a count that is not known; repeatable.")] = None
    exclude: Annotated[
        Texts, typer.Option("--exclude", help="Station that is left out, such as 'TOTAL*'; none; repeatable.")
    ] = None

    def answers(self) -> Answers:
        """What the options say of the meaning of the files.

        Raises:
            ConfigError: names the option that cannot be used.
        """
        from tasks.ingest.steps import Answers

        _check_choice("--rows", self.rows, ("sum", "last"))
        _check_choice("--negatives", self.negatives, ("subtract", "reject"))
        _check_choice("--numbers", self.numbers, ("people", "readings"))
        _check_choice("--time-is", self.time_is, ("start", "end", "last_minute"))
        if self.timezone:
            with about("--timezone"):
                zone(self.timezone)
        return Answers(
            timezone=self.timezone,
            time_format=tuple(self.time_format or ()),
            time=tuple(_names(text) for text in self.time or ()),
            station=tuple(self.station or ()),
            count=_names(self.count),
            entries=self.entries,
            exits=self.exits,
            where=_pairs("--where", self.where),
            where_not=_pairs("--where-not", self.where_not),
            interval=self.interval,
            rows=self.rows,
            negatives=self.negatives,
            numbers=self.numbers,
            time_is=self.time_is,
            targets=_names(self.targets),
            unpivot=self.unpivot,
            unpivot_exclude=tuple(self.unpivot_exclude or ()),
            constants=dict(_pairs("--constant", self.constant)),
            path_pattern=self.path_pattern,
            thousands=tuple(self.thousands or ()),
            decimal=tuple(self.decimal or ()),
            missing=tuple(self.missing or ()),
            exclude=tuple(self.exclude or ()),
        )

    def layout(self) -> dict[str, Any]:
        """What the options say of the layout of the files, by the keys of a source."""
        options = {
            "header": list(_names(self.header)) or None,
            "header_rows": self.header_rows,
            "skip_rows": self.skip_rows,
            "skip_footer": self.skip_footer,
            "sheet": self.sheet,
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "unnest": [name for name in _names(self.unnest) if name != "none"] if self.unnest else None,
        }
        return {key: value for key, value in options.items() if value is not None}


@app.command()
def presets(json: AsJson = False) -> None:
    """List the presets: published kinds of data that a source reads by `preset = "NAME"`."""
    from tasks.settings.presets import presets as known

    lines = [f"{preset.name:28} {preset.title}" for preset in known().values()]
    output.emit([{"name": p.name, "title": p.title} for p in known().values()], json, lines)


@app.command()
@with_options(InitOptions)
def init(
    path: Paths,
    options: InitOptions,
    out: Out = Path("network.toml"),
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Look at your files, say what was understood, and write a configuration that reads them: start here with data.

    What the files do not tell is asked: exit code 2, and one line per question with the option that answers it.
    """
    from flows.reports.inspection_report import inspection_document
    from tasks.ingest.steps import inspect_files, toml_text

    _check_out(out, force)
    found = inspect_files(path, options.answers(), options.layout(), options.preset, now())
    output.emit(found, json, inspection_document(found))
    if found.questions:
        raise typer.Exit(2)
    text = toml_text(found, path, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    output.say(f"written to {out}: nexthour ingest --config {out}")


def _check_out(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise ConfigError(f"{out} is there already: give --out another name, or --force")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _pairs(option: str, texts: list[str] | None) -> tuple[tuple[str, str], ...]:
    """NAME=VALUE, each in its two parts.

    Raises:
        ConfigError: if one has no name or no value.
    """
    pairs = tuple((name, value) for name, _, value in (text.partition("=") for text in texts or ()))
    if not all(name and value for name, value in pairs):
        raise ConfigError(f"{option} {' '.join(texts or ())!r}: give NAME=VALUE, such as day=2024-03-05")
    return pairs


def _check_choice(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise ConfigError(f"{option} {value!r} is unknown: give {', '.join(known)}")
