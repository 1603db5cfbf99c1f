"""Open rejects and their way back: composed of steps, free of Prefect as `loop` is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flows.pipelines.loop import select_sources
from tasks.contracts import Progress
from tasks.errors import SourceError
from tasks.settings.tree import Settings
from tasks.storage.store import Store

if TYPE_CHECKING:
    from tasks.ingest.steps import OpenRejectsReport, Reason, SourceReport, Written


@dataclass(frozen=True)
class ReplayReport:
    """What came of repaired rows.

    Attributes:
        sources: one report per source that was ingested again, or more where its files came in by several ways.
        repaired, unchanged: rows repaired since the last time, and those that are as they were.
        failures: one line per file or row that could not be repaired.
    """

    sources: tuple[SourceReport, ...]
    repaired: int
    unchanged: int
    failures: tuple[str, ...]


def list_open(settings: Settings, source: str | None = None) -> OpenRejectsReport:
    """Open rejects of every source or one."""
    from tasks.ingest.steps import list_rejects

    return list_rejects(settings, select_sources(settings, source))


def explain(report: OpenRejectsReport) -> dict[str, Reason]:
    """Meaning and remedy of the codes of open rejects, the commonest first; of all codes where there are none."""
    from tasks.ingest.steps import explain_reasons

    counts = Counter[str]()
    for file in report.files:
        counts.update(file.reasons)
    return explain_reasons([code for code, _ in counts.most_common()])


def write_out(settings: Settings, out: Path, source: str | None = None) -> Written:
    """Write open rejects as a CSV for repair."""
    from tasks.ingest.steps import write_rejects_out

    return write_rejects_out(settings, select_sources(settings, source), out)


def replay(
    settings: Settings, as_of: np.datetime64, path: Path, source: str | None = None, progress: Progress | None = None
) -> ReplayReport:
    """Keep repaired rows and ingest their files again as they were ingested; twice is once.

    Raises:
        ConfigError: if `path` is no CSV that `write_out` wrote.
    """
    from tasks.ingest.steps import ingest_source, stage_repairs

    Store(settings.data_root).check_writable()
    staged = stage_repairs(settings, select_sources(settings, source), path)
    reports, failures = [], list(staged.failures)
    for files in staged.again:
        try:
            reports.append(ingest_source(settings, as_of=as_of, progress=progress, **vars(files)))
        except SourceError as error:
            failures.append(str(error))
    return ReplayReport(tuple(reports), staged.repaired, staged.unchanged, tuple(failures))
