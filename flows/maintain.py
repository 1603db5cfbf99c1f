"""Maintain: remove old days, compact to one file per day, check that every file and minute is what it was.

The pipeline is `maintain` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour maintain` does
without it. Its steps, in order:

1. `remove_old`     tasks/maintain/       days that the settings no longer keep
2. `compact_days`   tasks/maintain/       one file per service day that is over
3. `mask_secrets`   tasks/maintain/       secrets in rejects that earlier releases kept
4. `check_tables`   tasks/maintain/       files against their checksums
5. `check_folds`    tasks/maintain/       minutes against the observations that they come from; mend
6. `sweep_up`       tasks/maintain/       temporary files of crashed runs
7. `remove_nights`  tasks/model/review/   retrainings in MLflow that `[mlflow] keep_nights` no longer keeps
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flows.common import begin
from flows.parameters import Moment
from flows.pipelines import loop
from flows.reports.loop_reports import maintain_document
from flows.runs import publish_artifact, reported_flow
from tasks.errors import StoreError


@reported_flow("maintain")
def maintain(
    sample_days: Annotated[int, Field(ge=1, le=366)] = 7,
    full: bool = False,
    as_of: Moment | None = None,
) -> None:
    """Remove what is not kept, compact days that are over, check files and folds, mend, sweep.

    Args:
        sample_days: how many of the newest service days are folded again, and about how many of the others.
        full: read every file and fold every day.
        as_of: pretend that it is this moment; now by default.
    """
    settings, moment = begin(as_of)
    report = loop.maintain(settings, moment, sample_days, full)
    publish_artifact(maintain_document(report), "maintain", "Whether the tables agree")
    if report.needs_a_person:
        raise StoreError("; ".join(report.needs_a_person))
