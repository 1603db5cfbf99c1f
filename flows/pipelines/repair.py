"""What is refused, and its way back: composed of steps, free of Prefect as `compose` is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flows.pipelines.loop import select_sources
from tasks.contracts import Progress
from tasks.errors import SourceError
from tasks.settings.tree import Settings
from tasks.storage.store import Store

if TYPE_CHECKING:
    from tasks.ingest.steps import RefusedReport, SourceReport, Staged, Written


@dataclass(frozen=True)
class ReplayReport:
    """What came of repaired rows.

    Attributes:
        sources: what was ingested again: a report each source, or more where its files came in by several ways.
        repaired, unchanged: rows repaired since the last time, and those that are as they were.
        failures: one line on each file or row that could not be repaired.
    """

    sources: tuple[SourceReport, ...]
    repaired: int
    unchanged: int
    failures: tuple[str, ...]


def standing(settings: Settings, source: str | None = None) -> RefusedReport:
    """What stands refused, of every source or one."""
    from tasks.ingest.steps import list_rejects

    return list_rejects(settings, select_sources(settings, source))


def write_out(settings: Settings, out: Path, source: str | None = None) -> Written:
    """Write what stands refused as a CSV for repair."""
    from tasks.ingest.steps import write_rejects_out

    return write_rejects_out(settings, select_sources(settings, source), out)


def replay(
    settings: Settings, as_of: np.datetime64, path: Path, source: str | None = None, progress: Progress | None = None
) -> ReplayReport:
    """Lay repaired rows over their files and ingest those again as they were ingested; twice is once.

    Raises:
        ConfigError: if `path` is no CSV that `write_out` wrote.
    """
    from tasks.ingest.steps import ingest_source, stage_repairs

    Store(settings.data_root).check_writable()
    staged = stage_repairs(settings, select_sources(settings, source), path)
    reports, failures = [], list(staged.failures)
    for (name, start, end, backfill), files in groupby(sorted(staged.files, key=_sorting), _way):
        paths = tuple(file.path for file in files)
        try:
            reports.append(
                ingest_source(
                    settings, name, as_of, paths=paths, start=start, end=end, backfill=backfill, progress=progress
                )
            )
        except SourceError as error:
            failures.append(str(error))
    return ReplayReport(tuple(reports), staged.repaired, staged.unchanged, tuple(failures))


def _way(file: Staged) -> tuple[str, np.datetime64 | None, np.datetime64 | None, bool]:
    return file.source, file.start, file.end, file.backfill


def _sorting(file: Staged) -> list[str]:
    return [str(part) for part in _way(file)]
