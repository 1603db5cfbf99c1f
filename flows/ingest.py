"""Ingest: read every source, store new rows in the minute table, keep rejected rows with their reason.

The pipeline is `ingest` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour ingest` does without
it. Its steps, in order:

1. `ingest_source`   tasks/ingest/    once per source: read, parse, validate, store, fold the days that changed
2. `check_quality`   tasks/quality/   data-quality checks of what came in
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from flows.common import begin, current_progress, day_span
from flows.outcomes import emit_ingest_events
from flows.parameters import Day, Moment
from flows.pipelines import loop
from flows.pipelines.run_reports import IngestReport, NothingRead
from flows.reports.loop_reports import ingest_document
from flows.runs import publish_artifact, reported_flow
from tasks.errors import SourceError
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.storage.store import Store


@reported_flow("ingest")
def ingest(
    source: str | None = None,
    first_day: Day | None = None,
    last_day: Day | None = None,
    look_back_hours: Annotated[int, Field(ge=1, le=24 * 31)] | None = None,
    as_of: Moment | None = None,
) -> None:
    """Read every source, store new rows in the minute table, keep rejected rows with their reason.

    Args:
        source: read only this source; all of them by default.
        first_day: leave out rows of service days before.
        last_day: leave out rows of service days after.
        look_back_hours: ask feeds and databases that can be asked for a span for so many past hours again.
        as_of: pretend that it is this moment; now by default.
    """
    settings, moment = begin(as_of)
    start, end = day_span(settings, first_day, last_day)
    try:
        report = loop.ingest(
            settings,
            moment,
            source=source,
            start=start,
            end=end,
            backfill=_is_new(settings),
            look_back=np.timedelta64(look_back_hours, "h") if look_back_hours else None,
            progress=current_progress(),
        )
    except NothingRead as error:
        report = error.report
    report_ingest(settings, report, "ingest", source, live=as_of is None)


def _is_new(settings: Settings) -> bool:
    """Whether nothing is there and all is simulated: then the history of the city counts as known when it happened.

    Feeds of a real network state themselves what they still have.
    """
    simulated = all(source.kind == "simulate" for source in settings.sources)
    return simulated and not Store(settings.data_root).partitions("minutes")


def report_ingest(settings: Settings, report: IngestReport, flow: str, source: str | None, live: bool) -> None:
    """End a run of `ingest` or `backfill`: its events and its artifact.

    Args:
        settings: the network.
        report: what landed.
        flow: name of the flow.
        source: that was asked for; None for all.
        live: whether the run was of the present moment.

    Raises:
        SourceError: if a source could not be read, or most of its rows were rejected.
    """
    emit_ingest_events(settings, report, source, live=live)
    publish_artifact(ingest_document(report, station_table(settings)), flow, "Rows stored and rows rejected")
    if report.failures or report.problems:
        raise SourceError("; ".join((*report.failures, *report.problems)))
