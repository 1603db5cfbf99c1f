"""Forecast: the next hour of every station, published, whatever happens.

The pipeline is `forecast` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour forecast` does
without it. Its steps, in order:

1. `load_features`     tasks/features/        the minutes that the next hour's tensors need
2. `load_forecaster`   tasks/model/serving/   the champion, or the next model of the ladder where one fails
3. `issue`             tasks/forecast/        predict, check that it is plausible, add it to the forecasts table
4. `make_publication`  tasks/levels/          beside what is usual, with a level, in words
5. `publish`           tasks/publish/         once per target, such as publications/latest.json
"""

from __future__ import annotations

from prefect import get_run_logger

from flows.common import begin, now
from flows.model_parameters import PublishingModel
from flows.outcomes import emit_forecast_events
from flows.parameters import Moment, Version
from flows.pipelines import loop
from flows.pipelines.run_reports import ForecastReport
from flows.reports.document import MarkdownOnly, embed_picture
from flows.reports.loop_reports import forecast_document
from flows.runs import publish_artifact, reported_flow
from tasks.errors import NexthourError
from tasks.model.steps import draw_forecast_hour
from tasks.settings.tree import Settings
from tasks.stations.load import station_table


@reported_flow("forecast")
def forecast(
    model: PublishingModel = "champion",
    version: Version | None = None,
    as_of: Moment | None = None,
) -> None:
    """Forecast the next hour with the champion, or the next best that answers, and publish it to every target.

    Args:
        model: who forecasts; where it fails, the simpler models after it do.
        version: forecast with this version of the registry instead.
        as_of: forecast as of this moment with what was known then; now by default.
    """
    settings, moment = begin(as_of)
    report = loop.forecast(settings, moment, version or model, now() if as_of else None)
    emit_forecast_events(settings, report, live=as_of is None)
    document = forecast_document(report, station_table(settings), _picture(settings, report))
    publish_artifact(document, "forecast", "The next hour")
    if report.failures:
        raise NexthourError("published, but not everywhere: " + "; ".join(report.failures))


def _picture(settings: Settings, report: ForecastReport) -> MarkdownOnly | None:
    """The hour of the busiest station and target; an artifact never fails the forecast that it shows."""
    busiest = report.issue.summary["busiest"]
    pairs = [(each[target], each["station_id"], target) for each in busiest for target in settings.network.targets]
    _, station, target = max(pairs, key=lambda pair: pair[0])
    try:
        png = draw_forecast_hour(settings, report.issue.table, station, target)
    except (NexthourError, ValueError, OSError) as error:
        get_run_logger().warning("no picture of the forecast: %s", error)
        return None
    return embed_picture(png, f"{target} at {station_table(settings).label(station)}")
