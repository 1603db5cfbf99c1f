"""Score: compare the forecasts whose hour is over with what then happened.

The pipelines are `score` and `follow_champion` in flows/pipelines/loop.py: Prefect takes seconds to import, and
`nexthour score` does without it. Their steps, in order:

1. `score_forecasts`   tasks/score/             errors per service day, station tier and horizon
2. `log_live`          tasks/score/             the same as live metrics in MLflow
3. `follow_registry`   tasks/model/promotion/   take over a champion that a person chose in MLflow
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.common import begin, run_name, to_utc
from flows.outcomes import announce_champion
from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import score_document


@flow(name="score", flow_run_name=run_name, timeout_seconds=1800)
def score(
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
) -> None:
    """Join matured forecasts with the truth, log live metrics, and follow the registry's champion.

    Args:
        start: first issue to score; default some days back, for late truth.
        end: issues before it.
        as_of: pretend that it is this moment; default now.
    """
    settings, moment = begin(as_of)
    report = loop.score(settings, moment, to_utc(start), to_utc(end))
    followed = loop.follow_champion(settings, moment)
    announce_champion(settings)
    create_markdown_artifact(
        markdown(score_document(report, followed)), key="score", description="How the live forecasts did"
    )
