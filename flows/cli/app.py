"""The typer application and what all commands share."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
import typer
from typer.core import TyperGroup

from tasks.clock import parse_moment
from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

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
    help="The next hour of ridership, for every station, every minute.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Config = Annotated[
    str | None, typer.Option("--config", help="TOML of the network (default: deployments/nexthour.toml).")
]
DataRoot = Annotated[
    str | None, typer.Option("--data-root", help="Folder or URL of the tables; overrides the configuration's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
FirstOrigin = Annotated[str, typer.Option("--start", help="First origin.")]
LastOrigin = Annotated[str, typer.Option("--end", help="Origins end before it.")]
Start = Annotated[str | None, typer.Option("--start", help="ISO 8601; local time of the network without an offset.")]
End = Annotated[str | None, typer.Option("--end", help="ISO 8601, exclusive.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Pretend that it is this moment; default now.")]


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option(*VERBOSE, help="Log to stderr what is done.")] = False,
) -> None:
    level = logging.INFO if verbose else logging.WARNING
    terminal = logging.StreamHandler()
    terminal.setLevel(level)  # a flow sets our loggers to INFO, for Prefect and not for the terminal
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", handlers=[terminal])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def settings_of(config: str | None, data_root: str | None) -> Settings:
    """Settings of one command; see `load_settings`."""
    return load_settings(config, data_root)


def now() -> np.datetime64:
    """Wall-clock now, UTC microseconds. Read once a command."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")


def moment(text: str | None, settings: Settings) -> np.datetime64 | None:
    """A time given on the command line, None where none was."""
    return None if text is None else parse_moment(text, settings.network.timezone)


def required(text: str, settings: Settings) -> np.datetime64:
    """A time that a command cannot do without."""
    return parse_moment(text, settings.network.timezone)


def span_of(text: str, option: str) -> np.timedelta64:
    """A length of time such as 15min, 1h or 1d."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = {"min": 1, "m": 1, "h": 60, "d": 1440, "w": 10080}.get(text[len(number) :].strip())
    if unit is None or not number.isdigit() or int(number) == 0:
        raise ConfigError(f"{option} {text!r} is no length of time: write it like 15min, 1h or 1d")
    return np.timedelta64(int(number) * unit, "m")
