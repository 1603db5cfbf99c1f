"""Ingest: read every source, store new rows in the minute table, keep rejected rows with their reason.

The pipeline is `ingest` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour ingest` does without
it. Its steps, in order:

1. `ingest_source`   tasks/ingest/    once per source: read, parse, validate, store, fold the days that changed
2. `check_quality`   tasks/quality/   data-quality checks of what came in
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.exceptions import EventTooLarge

from flows.common import begin, current_progress, run_name, to_utc
from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import ingest_document
from tasks.errors import SourceError
from tasks.quality.steps import QualityResult
from tasks.stations.load import station_table

log = logging.getLogger(__name__)


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
    emit_warnings(report.quality, settings.network.name)
    document = ingest_document(report, station_table(settings))
    create_markdown_artifact(markdown(document), key="ingest", description="Rows stored and rows rejected")
    if report.failures or report.problems:
        raise SourceError("; ".join((*report.failures, *report.problems)))


def emit_warnings(results: Sequence[QualityResult], network: str) -> None:
    """Emit one event per warning that is new with this run, for automations to react to.

    Named `nexthour.quality.<check>`, about the resource `nexthour.<source, station or network>.<name>`.
    """
    for result in results:
        if not (result.status == "warning" and result.new):
            continue
        try:
            emit_event(
                event=f"nexthour.quality.{result.check}",
                resource={
                    "prefect.resource.id": f"nexthour.{result.kind}.{result.subject}",
                    "prefect.resource.name": result.subject,
                    "nexthour.network": network,
                },
                payload=asdict(result),
            )
        # Prefect logs all other failures to send. The rows are stored: a lost warning must not fail the run.
        except EventTooLarge as error:
            log.error("the event of the quality check %s was not sent: %s", result.check, error)
