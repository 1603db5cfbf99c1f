"""Features: write the lag table, the inspectable form of what the models see.

The pipeline is `features` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour features` does
without it. Its steps, in order:

1. `write_lag_table`     tasks/features/   one file per service day asked for
2. `refresh_lag_table`   tasks/features/   the earlier days that late data changed
"""

from __future__ import annotations

import numpy as np

from flows.common import begin, day_span
from flows.parameters import Day, Moment
from flows.pipelines import loop
from flows.reports.loop_reports import lag_document
from flows.runs import publish_artifact, reported_flow
from tasks.clock import service_dates


@reported_flow("features")
def features(
    first_day: Day | None = None,
    last_day: Day | None = None,
    as_of: Moment | None = None,
) -> None:
    """Write the lag table of the service days asked for; by default yesterday and today.

    Args:
        first_day: first service day; yesterday by default.
        last_day: last service day, included; today by default.
        as_of: pretend that it is this moment; now by default.
    """
    settings, moment = begin(as_of)
    day_span(settings, first_day, last_day)
    today = service_dates(np.array([moment], "datetime64[m]"), settings.network.timezone)[0]
    first = np.datetime64(first_day, "D") if first_day else today - np.timedelta64(1, "D")
    last = np.datetime64(last_day, "D") if last_day else today
    # Nothing is pretended without `as_of`: marks of a clock that ran ahead are remade, too.
    report = loop.features(settings, first, last, moment if as_of else None)
    publish_artifact(lag_document(report), "features", "How full the lags are")
