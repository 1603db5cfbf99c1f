"""Features: write the lag table, the inspectable form of what the models see.

The pipeline is `features` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour features` does
without it. Its steps, in order:

1. `write_lag_table`     tasks/features/   one file per service day asked for
2. `refresh_lag_table`   tasks/features/   the earlier days that late data changed
"""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.common import begin, run_name
from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import lag_document
from tasks.clock import service_dates


@flow(name="features", flow_run_name=run_name, timeout_seconds=3600)
def features(
    start: date | None = None,
    end: date | None = None,
    as_of: datetime | None = None,
) -> None:
    """Write the lag table of the service days asked for; by default yesterday and today.

    Args:
        start: first service day.
        end: last service day, included.
        as_of: pretend that it is this moment; default now.
    """
    settings, moment = begin(as_of)
    today = service_dates(np.array([moment], "datetime64[m]"), settings.network.timezone)[0]
    first = np.datetime64(start, "D") if start else today - np.timedelta64(1, "D")
    last = np.datetime64(end, "D") if end else today
    report = loop.features(settings, first, last, moment)
    create_markdown_artifact(markdown(lag_document(report)), key="features", description="How full the lags are")
