"""Backfill: load history, whose rows count as known when they happened, while the minutely ingest goes on.

It is a flow of its own because scheduled runs of `ingest` are cancelled while another one is at work, which may be for
hours of history. The pipeline is `ingest` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour
backfill` does without it. Its steps, in order:

1. `ingest_source`   tasks/ingest/    once per source: read, parse, validate, store, fold the days that changed
2. `check_quality`   tasks/quality/   data-quality checks of what came in
"""

from __future__ import annotations

from flows.common import begin, current_progress, day_span
from flows.ingest import report_ingest
from flows.parameters import Day
from flows.pipelines import loop
from flows.pipelines.run_reports import NothingRead
from flows.runs import reported_flow


@reported_flow("backfill")
def backfill(source: str | None = None, first_day: Day | None = None, last_day: Day | None = None) -> None:
    """Load history: rows count as known when they happened, so that backtests and trainings may use them.

    Args:
        source: load only this source; all of them by default.
        first_day: leave out rows of service days before.
        last_day: leave out rows of service days after.
    """
    settings, moment = begin(None)
    start, end = day_span(settings, first_day, last_day)
    try:
        report = loop.ingest(
            settings, moment, source=source, start=start, end=end, backfill=True, progress=current_progress()
        )
    except NothingRead as error:
        report = error.report
    report_ingest(settings, report, "backfill", source, live=True)
