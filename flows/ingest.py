"""Ingest: read every source, store new rows in the minute table, keep rejected rows with their reason.

The pipeline is `ingest` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour ingest` does without
it. Its steps, in order:

1. `ingest_source`   tasks/ingest/    once per source: read, parse, validate, store, fold the days that changed
2. `check_quality`   tasks/quality/   data-quality checks of what came in
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.common import begin, current_progress, run_name, to_utc
from flows.outcomes import tell_ingest
from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import ingest_document
from tasks.errors import SourceError
from tasks.stations.load import station_table


@flow(name="ingest", flow_run_name=run_name, timeout_seconds=3600)
def ingest(
    source: str | None = None,
    backfill: bool = False,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
) -> None:
    """Read every source, store new rows in the minute table, keep rejected rows with their reason.

    Args:
        source: only this source.
        backfill: history: rows count as known when they happened.
        start: leave out minutes before.
        end: leave out minutes from here on.
        as_of: pretend that it is this moment; default now.
    """
    settings, moment = begin(as_of)
    try:
        report = loop.ingest(
            settings,
            moment,
            source=source,
            start=to_utc(start),
            end=to_utc(end),
            backfill=backfill,
            progress=current_progress(),
        )
    except loop.NothingRead as error:
        report = error.report
    tell_ingest(settings, report, source, live=as_of is None)
    document = ingest_document(report, station_table(settings))
    create_markdown_artifact(markdown(document), key="ingest", description="Rows stored and rows rejected")
    if report.failures or report.problems:
        raise SourceError("; ".join((*report.failures, *report.problems)))
