"""What commands say: tables for people on stderr, JSON on stdout, progress bars for whatever takes its time."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.reports import artifacts, replay_artifacts
from tasks.contracts import Progress
from tasks.errors import visible

if TYPE_CHECKING:
    from flows.demo import DemoReport
    from flows.pipelines.loop import ForecastReport, IngestReport
    from flows.pipelines.tune import TuneReport
    from tasks.backtest.steps import BacktestReport
    from tasks.maintain.steps import MaintainReport
    from tasks.model.steps import RetrainReport
    from tasks.quality.steps import QualityResult
    from tasks.score.steps import ScoreReport


SIMPLE = (str, int, float, bool, Mapping, Sequence, np.generic, frozenset)
WIDTH = 120
"""Columns of a table where stderr is no terminal."""


def plain(value: Any) -> Any:
    """The JSON form of a report: dataclasses as objects; arrays, tables and models are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: plain(item) for name, item in fields.items() if _is_plain(item)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, str) or not isinstance(value, Sequence | frozenset | set):
        return _scalar(value)
    return [plain(item) for item in value]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, SIMPLE) or dataclasses.is_dataclass(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else f"{value.astype('datetime64[s]')}Z"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def emit(report: Any, as_json: bool, lines: Sequence[str] = ()) -> None:
    """Say the lines to the person and, when asked, print the report as JSON for the machine."""
    for line in lines:
        say(line)
    if as_json:
        sys.stdout.write(json.dumps(plain(report), indent=1) + "\n")


def say(line: str) -> None:
    """One line for a person."""
    sys.stderr.write(visible(line) + "\n")
    sys.stderr.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for a person."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left", title_style="bold")
    for i, name in enumerate(columns):
        shown.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*(Text(f"{cell:,.2f}" if isinstance(cell, float) else visible(str(cell))) for cell in row))
    console = Console(stderr=True)
    (console if console.is_terminal else Console(stderr=True, width=WIDTH)).print(shown)


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars on stderr, one a kind of work; plain silence where stderr is no terminal."""
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


def ingest_lines(report: IngestReport) -> list[str]:
    """What came in and what was refused, source by source."""
    lines = []
    for s in report.sources:
        span = f", {s.first_minute} to {s.last_minute}" if s.first_minute else ""
        lines.append(f"{s.source}: {s.rows:,} rows landed from {s.files:,} files, {s.skipped:,} unchanged{span}")
        if s.rejected:
            why = ", ".join(f"{reason} {count:,}" for reason, count in s.reasons.items())
            lines.append(f"{s.source}: {s.rejected:,} rows refused and kept in rejects: {why}")
            lines += [f"  {example}" for example in s.examples]
        lines += [f"{s.source}: {w}" for w in s.warnings] + [f"{s.source}: FAILED {f}" for f in s.failures]
    lines += [f"FAILED {failure}" for failure in report.failures]
    return [*lines, *artifacts.late_lines(report), *quality_lines(report.quality)]


def quality_lines(results: Sequence[QualityResult]) -> list[str]:
    """Warnings of the checks, and checks that failed; what is well is not said."""
    lines = []
    for name in dict.fromkeys(r.check for r in results):
        said = [r for r in results if r.check == name and (r.status == "warning" or r.broken)]
        lines += [f"quality: {name}: {r.sentence}" for r in said]
        hidden = said[0].total - len(said) if said else 0
        lines += [f"quality: {name}: and {hidden:,} more"] if hidden > 0 else []
    return lines


def retrain_lines(report: RetrainReport) -> list[str]:
    """The verdict, and where to review it."""
    verdict = "is the new champion" if report.promoted else "stays a challenger"
    return [
        f"version {report.version} {verdict}: {report.reason}",
        f"MLflow run {report.run_id} at {report.tracking_uri}",
    ]


def forecast_lines(report: ForecastReport) -> list[str]:
    """The next hour in a few lines."""
    s = report.issue.summary
    lines = [f"next hour from {s['origin_local']} by {s['model_version']}, {s['stations']:,} stations"]
    if s["degraded_reason"]:
        lines.append(f"DEGRADED: {s['degraded_reason']}")
    lines += [f"  {target}: {count:,.0f} people" for target, count in s["totals"].items()]
    lines += [f"published to {name}: {where}" for name, where in report.published.items()]
    return lines + [f"FAILED {failure}" for failure in report.failures]


def score_lines(report: ScoreReport) -> list[str]:
    """How the live forecasts did; prints the figures as a table."""
    named = {"all stations": report.metrics, "network total": report.network, "its own forecast": report.total}
    if report.origins:
        columns, rows = artifacts.figures_table("scope", {scope: of for scope, of in named.items() if of})
        table("scores", columns, rows)
    return [
        f"{report.origins:,} forecasts scored over {len(report.days)} service days, {report.pending:,} not yet over, "
        f"{report.unobserved:,} without truth",
        *([f"made anew after late data: {', '.join(report.late)}"] if report.late else []),
    ]


def backtest_lines(report: BacktestReport) -> list[str]:
    """Where a replay lies; prints its figures, a table a scope."""
    for scope in report.scopes:
        columns, rows = replay_artifacts.backtest_rows(report, scope)
        table(f"backtest, {scope}", columns, rows)
    run = [f"MLflow run {report.run_id}"] if report.run_id else []
    return [f"forecasts  {report.forecasts}", f"report     {report.report}", *run]


def tune_lines(report: TuneReport) -> list[str]:
    """The best config, to be pasted."""
    given_up = sum(trial.state == "pruned" for trial in report.trials)
    return [
        f"{len(report.trials)} trials, {given_up} given up early; best {report.metric} {report.best.loss:.4f}",
        *report.toml.splitlines(),
    ]


def maintain_lines(report: MaintainReport) -> list[str]:
    """What upkeep did, and what needs a person."""
    lines = [
        f"removed: {r.table} before {r.before}, {r.days:,} days, {r.files:,} files, {r.rows:,} rows, {r.bytes:,} bytes"
        for r in report.removed
    ]
    if report.compacted:
        before, after = (sum(getattr(d, name) for d in report.compacted) for name in ("files_before", "files_after"))
        size, small = (sum(getattr(d, name) for d in report.compacted) for name in ("bytes_before", "bytes_after"))
        lines.append(
            f"compacted: {len(report.compacted):,} days, {before:,} files to {after:,}, {size:,} bytes to {small:,}"
        )
    f = report.files
    lines.append(f"files: {f.files:,}, {f.new:,} new, {f.checked:,} read again, {len(f.damaged):,} damaged or lost")
    lines.append(f"minutes: {len(report.checked):,} days folded anew, {len(report.mended):,} of them differed")
    lines += [f"  {day} was replaced" for day in report.mended]
    return lines + [f"LOOK {line}" for line in report.needs_a_person]


def demo_lines(report: DemoReport) -> list[str]:
    """Where to look now."""
    return [
        f"done in {report.seconds:,.0f} s; minutes until {report.minutes_until}",
        f"forecast   {report.latest}",
        f"picture    {report.picture}",
        f"see its runs, artifacts and model:  nexthour up --data-root {report.data_root}",
        "  then Prefect at http://127.0.0.1:4200 and MLflow at http://127.0.0.1:5000/?workflowType=machine_learning",
    ]
