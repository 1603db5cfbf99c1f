"""Forecast: the next hour of every station, published, whatever happens.

The pipeline is `forecast` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour forecast` does
without it. Its steps, in order:

1. `load_features`     tasks/features/        the minutes that the next hour's tensors need
2. `load_forecaster`   tasks/model/serving/   the champion, or the next model of the ladder where one fails
3. `issue`             tasks/forecast/        predict, check that it is plausible, add it to the forecasts table
4. `publish`           tasks/publish/         once per target, such as publications/latest.json
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.common import begin, run_name
from flows.outcomes import tell_forecast
from flows.pipelines import loop
from flows.pipelines.loop import ForecastReport
from flows.reports.document import MarkdownOnly, embed_picture, markdown
from flows.reports.loop_reports import forecast_document
from tasks.errors import NexthourError
from tasks.model.steps import draw_forecast_hour
from tasks.settings.tree import Settings
from tasks.stations.load import station_table


@flow(name="forecast", flow_run_name=run_name, timeout_seconds=600)
def forecast(
    model: str = "champion",
    as_of: datetime | None = None,
) -> None:
    """Forecast the next hour with the champion, or the next best that answers, and publish it to every target.

    Args:
        model: champion, a registry version or an architecture that needs no training.
        as_of: pretend that it is this moment; default now.
    """
    settings, moment = begin(as_of)
    report = loop.forecast(settings, moment, model)
    tell_forecast(settings, report, live=as_of is None)
    document = forecast_document(report, station_table(settings), _picture(settings, report))
    create_markdown_artifact(markdown(document), key="forecast", description="The next hour")
    if report.failures:
        raise NexthourError("published, but not everywhere: " + "; ".join(report.failures))


def _picture(settings: Settings, report: ForecastReport) -> MarkdownOnly | None:
    """The busiest station's hour; an artifact never fails the forecast that it shows."""
    summary = report.issue.summary
    station, target = summary["busiest"][0]["station_id"], settings.network.targets[0]
    try:
        png = draw_forecast_hour(settings, report.issue.table, station, target)
    except (NexthourError, ValueError, OSError) as error:
        get_run_logger().warning("no picture of the forecast: %s", error)
        return None
    return embed_picture(png, f"{target} at {station_table(settings).label(station)}")
