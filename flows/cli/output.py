"""Output of commands: text and tables for people on stderr, JSON on stdout, progress bars for long work."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.reports.document import Alert, Document, Example, Table, Toml, cell
from tasks.contracts import Progress
from tasks.errors import visible

if TYPE_CHECKING:
    from flows.demo import DemoReport

WIDTH = 120
"""Columns of a table where stderr is no terminal."""


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
    if isinstance(document, Document):
        show(document)
    else:
        for line in document:
            say(line)
    if as_json:
        sys.stdout.write(json.dumps(to_json(report), indent=1) + "\n")


def say(line: str) -> None:
    """Print one line for a person."""
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


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars on stderr, one per kind of work; nothing where stderr is no terminal."""
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


def demo_lines(report: DemoReport) -> list[str]:
    """Where to find what the demonstration wrote."""
    return [
        f"done in {report.seconds:,.0f} s; minutes until {report.minutes_until}",
        f"forecast   {report.latest}",
        f"picture    {report.picture}",
        f"see its runs, artifacts and model:  nexthour up --data-root {report.data_root}",
        "  then Prefect at http://127.0.0.1:4200 and MLflow at http://127.0.0.1:5000/?workflowType=machine_learning",
    ]
