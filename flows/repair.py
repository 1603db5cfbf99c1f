"""Repair: write rejected rows to a file, and take them back once a person has repaired them.

The pipelines are `write_out` and `replay` in flows/pipelines/repair.py: Prefect takes seconds to import, and `nexthour
ingest --rejects` does without it. Their steps, in order:

1. `write_rejects_out`   tasks/ingest/   open rejects as a CSV
2. `stage_repairs`       tasks/ingest/   rows of that CSV that a person changed
3. `ingest_source`       tasks/ingest/   their files again, as they were ingested, with the repaired rows in place
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flows.common import begin, current_progress, report_folder
from flows.pipelines import repair as pipeline
from flows.reports.repair_reports import replay_document, written_document
from flows.runs import publish_artifact, reported_flow
from tasks.errors import SourceError

LONGEST_PASTE = 200_000
"""Characters of repaired rows that a form takes; more come as a file."""


@reported_flow("repair")
def repair(
    action: Literal["write out", "take back"] = "write out",
    source: str | None = None,
    rows: Annotated[str, Field(max_length=LONGEST_PASTE)] | None = None,
) -> None:
    """Write open rejects to `reports/rejects/rejects.csv` in the data root, or take the repaired rows back.

    Args:
        action: write the rejected rows out, or take back what was repaired.
        source: only rows of this source; of all by default.
        rows: repaired rows with the head of the file, to take back; by default those of the file itself.
    """
    settings, moment = begin(None)
    path = report_folder(settings, "rejects", "rejects.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    if action == "write out":
        written = pipeline.write_out(settings, path, source)
        publish_artifact(written_document(written, path), "repair", "Rejected rows, to be repaired")
        failures = list(written.failures)
    else:
        if rows:
            path = path.with_name("pasted.csv")
            path.write_text(rows.rstrip("\n") + "\n", encoding="utf-8")
        report = pipeline.replay(settings, moment, path, source, current_progress())
        publish_artifact(replay_document(report), "repair", "Repaired rows that were taken back")
        failures = [*report.failures, *(failure for each in report.sources for failure in each.failures)]
    if failures:
        raise SourceError("; ".join(failures))
