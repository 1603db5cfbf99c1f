"""Score: compare the forecasts whose hour is over with what then happened.

The pipelines are `score` and `follow_champion` in flows/pipelines/loop.py: Prefect takes seconds to import, and
`nexthour score` does without it. Their steps, in order:

1. `score_forecasts`   tasks/score/             errors per service day, station tier and horizon
2. `control_error`     tasks/score/             the hourly error against its control limits
3. `log_live`          tasks/score/             the same as live metrics in MLflow
4. `follow_registry`   tasks/model/promotion/   take over a champion that a person chose in MLflow

A promotion that nobody decided on is reported by it, too; see flows/approval.py.
"""

from __future__ import annotations

from flows.approval import close_unanswered
from flows.common import begin, day_span
from flows.outcomes import emit_score_events
from flows.parameters import Day, Moment
from flows.pipelines import loop
from flows.reports.loop_reports import score_document
from flows.runs import publish_artifact, reported_flow
from tasks.stations.load import station_table


@reported_flow("score")
def score(
    first_day: Day | None = None,
    last_day: Day | None = None,
    as_of: Moment | None = None,
) -> None:
    """Join matured forecasts with the truth, log live metrics, and follow the registry's champion.

    Args:
        first_day: score forecasts issued from this service day on; some days back by default, for late truth.
        last_day: score forecasts issued up to this service day.
        as_of: pretend that it is this moment; now by default.
    """
    settings, moment = begin(as_of)
    report = loop.score(settings, moment, *day_span(settings, first_day, last_day))
    followed = loop.follow_champion(settings, moment)
    emit_score_events(settings, report, live=as_of is None)
    close_unanswered(settings)
    document = score_document(report, followed, station_table(settings))
    publish_artifact(document, "score", "How the live forecasts did")
