"""Output of commands: text and tables for people on stderr, JSON on stdout, progress bars for long work."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from flows import logs
from flows.reports.document import Alert, Document, Example, Table, Toml, cell
from tasks.contracts import Progress
from tasks.errors import visible

if TYPE_CHECKING:
    from flows.demo import DemoReport

WIDTH = 120
"""Columns of a table where stderr is no terminal."""
LINE_SECONDS = 10.0
"""Seconds between two lines of progress where stderr is no terminal."""


def to_json(report: Any) -> Any:
    """The JSON form of a report: dataclasses as objects, times as text, numbers that are not finite as null.

    Tables, arrays and fitted models inside a report are null.
    """
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(report, inf_nan_mode="null", fallback=_json_scalar)


def _json_scalar(value: Any) -> Any:
    """JSON form of a type that pydantic does not know."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else f"{value.astype('datetime64[s]')}Z"
    if isinstance(value, np.generic):
        return to_json(value.item())
    return None


def emit(report: Any, as_json: bool, document: Document | Sequence[str]) -> None:
    """Show a document, or lines, to the person on stderr and, when asked, print the report as JSON on stdout."""
    if logs.writes_json():
        title = document.title if isinstance(document, Document) else "; ".join(document)
        logs.PEOPLE.info("%s", title, extra={"report": to_json(report)})
    elif isinstance(document, Document):
        show(document)
    else:
        for line in document:
            say(line)
    if as_json:
        sys.stdout.write(json.dumps(to_json(report), indent=1) + "\n")


def say(line: str) -> None:
    """Print one line for a person."""
    _write(logging.INFO, line)


def say_error(line: str) -> None:
    """Print why a command failed."""
    _write(logging.ERROR, line)


def _write(level: int, line: str) -> None:
    if logs.writes_json():
        logs.PEOPLE.log(level, "%s", line)
        return
    sys.stderr.write(visible(line) + "\n")
    sys.stderr.flush()


def show(document: Document) -> None:
    """Print a report for a person."""
    say(document.title)
    for block in document.blocks:
        match block:
            case str():
                say(block)
            case Alert():
                say(f"{block.label} {block.text}")
            case Example():
                say(f"  {block.text}")
            case Toml():
                for line in block.text.splitlines():
                    say(line)
            case Table(lines=None):
                print_table(block)
            case Table(lines=lines):
                for line in lines or ():
                    say(line)


def print_table(block: Table) -> None:
    """Print a table for a person; text that is too long for its column continues on the next line."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(title=block.title or None, title_justify="left", title_style="bold")
    for i, name in enumerate(block.columns):
        grid.add_column(str(name), justify="left" if i < block.left else "right", overflow="fold")
    for row in block.rows:
        grid.add_row(*(Text(visible(cell(value))) for value in row))
    console = Console(stderr=True)
    (console if console.is_terminal else Console(stderr=True, width=WIDTH)).print(grid)


class ProgressLines:
    """Progress as lines: one when a kind of work ends, and one every `LINE_SECONDS` while it takes its time."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._ended: set[str] = set()

    def __call__(self, what: str, done: int, total: int) -> None:
        """See `tasks.contracts.Progress`."""
        now = monotonic()
        ends = done >= total and what not in self._ended
        if ends or now - self._last.setdefault(what, now) >= LINE_SECONDS:
            say(f"  {what}: {done:,} of {total:,}")
            self._last[what] = now
        if ends:
            self._ended.add(what)


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress on stderr: one bar per kind of work, or lines now and then where stderr is no terminal or is JSON."""
    if logs.writes_json() or not sys.stderr.isatty():
        yield ProgressLines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description:32}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=False,
    )
    known: dict[str, Any] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in known:
            known[what] = bars.add_task(what, total=total)
        bars.update(known[what], completed=done, total=total)

    with bars:
        yield tell


def demo_lines(report: DemoReport, command: str) -> list[str]:
    """What was learnt, and where to look; the board last.

    Args:
        report: of the demonstration.
        command: how this program was called.
    """
    learnt, model = report.verdict, f"version {report.model}" if report.model.isdecimal() else report.model
    if report.rmse is not None and report.baseline_rmse is not None:
        learnt = (
            f"RMSE of a station's hour {report.rmse:,.1f} people, of the mean of the same weekdays "
            f"{report.baseline_rmse:,.1f}; {model} publishes"
        )
    board = [f"board   {report.board}   (open it in a browser; up keeps it up to date)"] if report.board else []
    return [
        f"learnt  {report.stations:,} stations x {report.days:,} days in {report.seconds:,.0f} s; {learnt}",
        f"see     {report.picture} and the next hour in {report.latest}",
        f"open    {command} up --data-root {report.data_root}   (runs and logs: Prefect, http://127.0.0.1:4200; "
        "models: MLflow, http://127.0.0.1:5000)",
        *board,
    ]
