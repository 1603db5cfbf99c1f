"""`nexthour ingest --rejects`: open rejects, listed, written out for repair, and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows.cli import output
from flows.cli.app import now
from flows.pipelines import repair
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

if TYPE_CHECKING:
    from tasks.ingest.steps import OpenRejectsReport

SHOWN = 40


def run(
    settings: Settings, source: str | None, paths: list[str], out: Path | None, json: bool, explain: bool = False
) -> None:
    """List open rejects, or write them to `out`, or replay the repaired `paths`.

    Raises:
        ConfigError: if both are given, or a path is no such file.
    """
    if paths and out:
        raise ConfigError("--rejects takes --out FILE or --path FILE, not both")
    if paths:
        _replay(settings, source, paths, json)
    elif out:
        written = repair.write_out(settings, out, source)
        lines = [f"{written.rows:,} rejected rows written to {out}: repair them, then nexthour ingest --rejects --path"]
        _end(written, json, lines, written.failures)
    else:
        report = repair.list_open(settings, source)
        reasons = repair.explain(report) if explain else {}
        lines = [f"{code}: {reason.meaning}. To do: {reason.remedy}." for code, reason in reasons.items()]
        content = {**output.to_json(report), "reasons": output.to_json(reasons)} if explain else report
        output.emit(content, json, [*_lines(report), *lines])


def _replay(settings: Settings, source: str | None, paths: list[str], json: bool) -> None:
    lines, failures, reports = [], [], []
    for path in paths:
        with output.progress() as progress:
            report = repair.replay(settings, now(), Path(path), source, progress)
        reports.append(report)
        files, landed = sum(s.files for s in report.sources), sum(s.rows for s in report.sources)
        rejected = sum(s.rejected for s in report.sources)
        lines.append(f"{path}: {report.repaired:,} rows repaired, {report.unchanged:,} as they were")
        if files:
            lines.append(f"{files:,} files ingested again: {landed:,} rows landed, {rejected:,} rejected")
        failures += [*report.failures, *(failure for s in report.sources for failure in s.failures)]
    _end(reports[0] if len(reports) == 1 else reports, json, lines, failures)


def _end(report: object, json: bool, lines: list[str], failures: list[str]) -> None:
    output.emit(report, json, [*lines, *(f"FAILED {failure}" for failure in failures)])
    if failures:
        raise typer.Exit(1)


def _lines(report: OpenRejectsReport) -> list[str]:
    lines = [f"FAILED {failure}" for failure in report.failures]
    for each in report.files[:SHOWN]:
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(each.reasons.items()))
        lines.append(f"{each.source} {each.file}: {each.rows:,} rows rejected: {why}")
        lines += [f"  {example}" for example in each.examples]
    if len(report.files) > SHOWN:
        lines.append(f"and {len(report.files) - SHOWN:,} more files; --json lists them all")
    total = sum(each.rows for each in report.files)
    return [*lines, f"{total:,} open rejects of {len(report.files):,} files"]
