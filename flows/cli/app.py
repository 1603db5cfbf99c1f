"""The typer application, and the options that commands share."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any

import numpy as np
import typer
from typer.core import TyperGroup

from flows import logs
from tasks.clock import parse_moment
from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.format import check_format

VERBOSE = ("--verbose", "-v")


class Commands(TyperGroup):
    """All commands; `--verbose` works before and after a command's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move `--verbose` to the front, unless it stands behind `--`."""
        end = args.index("--") if "--" in args else len(args)
        found = [arg for arg in args[:end] if arg in VERBOSE]
        rest = [arg for arg in args[:end] if arg not in VERBOSE]
        return list(super().parse_args(ctx, [*found, *rest, *args[end:]]))


app = typer.Typer(
    cls=Commands,
    name="nexthour",
    help="Forecast the next hour of ridership for every station of a network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        help="Configuration (TOML); default: DATA_ROOT/nexthour.toml, $NEXTHOUR_CONFIG, deployments/nexthour.toml.",
    ),
]
DataRoot = Annotated[
    str | None,
    typer.Option("--data-root", help="Folder or URL where all tables are kept; overrides the configuration."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
FirstOrigin = Annotated[
    str, typer.Option("--start", help="First forecast origin (ISO 8601; without an offset, local time of the network).")
]
LastOrigin = Annotated[str, typer.Option("--end", help="End of the origins, exclusive.")]
Start = Annotated[
    str | None,
    typer.Option("--start", help="Start of the span (ISO 8601; without an offset, local time of the network)."),
]
End = Annotated[str | None, typer.Option("--end", help="End of the span, exclusive.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Run as if it were this moment (ISO 8601); default: now.")]


def _print_version(asked: bool) -> None:
    """Print the version of this program, and end, if it was asked for."""
    if asked:
        typer.echo(f"nexthour {version('nexthour')}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option(*VERBOSE, help="Log progress to stderr.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    logs.start(verbose)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def read_settings(config: str | None, data_root: str | None) -> Settings:
    """Settings of one command, see `load_settings`; from here on its log is written as they say.

    Raises:
        StoreError: if a later program wrote the data root.
        ConfigError: if it was written with another interval or in another time zone.
    """
    settings = load_settings(config, data_root)
    logs.set_up(settings.log)
    check_format(Store(settings.data_root), settings.network)
    return settings


def now() -> np.datetime64:
    """The present moment, UTC, in microseconds. Read once per command."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")


def moment(text: str | None, settings: Settings) -> np.datetime64 | None:
    """UTC moment of an optional time on the command line; None if it is not given."""
    return None if text is None else parse_moment(text, settings.network.timezone)


def required_moment(text: str, settings: Settings) -> np.datetime64:
    """UTC moment of a required time on the command line."""
    return parse_moment(text, settings.network.timezone)


def parse_duration(text: str, option: str) -> np.timedelta64:
    """Duration such as 15min, 1h or 1d.

    Raises:
        ConfigError: if the text is no duration; names the option.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = {"min": 1, "m": 1, "h": 60, "d": 1440, "w": 10080}.get(text[len(number) :].strip())
    if unit is None or not number.isdigit() or int(number) == 0:
        raise ConfigError(f"{option} {text!r} is not a duration: write it like 15min, 1h or 1d")
    return np.timedelta64(int(number) * unit, "m")
