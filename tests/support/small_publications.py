"""Small publications for targets, made in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.contracts import Prediction, Publication
from tasks.tables.forecasts import forecast_table
from tasks.tables.schemas import DAY_SERIES, STATION_LEVELS

ORIGIN = np.datetime64("2024-03-05T09:00", "m")
TARGETS = ("entries", "exits")


def publication(
    after: int = 0,
    stations: int = 3,
    levels: Sequence[int] = (3,),
    reason: str | None = None,
    late: int = 0,
    interval: int = 15,
    targets: Sequence[str] = TARGETS,
) -> Publication:
    """One issue of stations s0, s1 …, whose expected counts are `after + 1` in every interval.

    Args:
        after: minutes of its origin behind 09:00Z.
        stations: how many.
        levels: of the stations, in turn.
        reason: why it is degraded.
        late: seconds by which it is issued later than 20 s after its origin.
        interval: minutes per row.
        targets: what is counted.
    """
    origin = ORIGIN + np.timedelta64(after, "m")
    issued_at = origin.astype("datetime64[s]") + np.timedelta64(20 + late, "s")
    mean = np.full((len(targets), 1, stations, 60 // interval), after + 1, np.float32)
    names = [f"s{i}" for i in range(stations)]
    prediction = Prediction(mean, np.repeat(mean[None], 7, axis=0))
    forecasts = forecast_table(
        prediction, np.array([origin]), np.array([issued_at]), names, targets, interval, "3", reason
    )
    summary: dict[str, Any] = {
        "network": "Metro",
        "timezone": "America/Chicago",
        "interval_minutes": interval,
        "issued_at": f"{issued_at}Z",
        "issued_local": f"{issued_at - np.timedelta64(6, 'h')}-06:00",
        "origin_utc": f"{origin.astype('datetime64[s]')}Z",
        "origin_local": f"{origin - np.timedelta64(6, 'h')}-06:00",
        "end_local": f"{origin - np.timedelta64(5, 'h')}-06:00",
        "model_version": "3",
        "degraded_reason": reason,
        "busiest": [],
        "next_issue_at": None,
    }
    rows = [_row(name, target, after, levels[i % len(levels)]) for i, name in enumerate(names) for target in targets]
    table = pa.Table.from_pylist(rows, schema=STATION_LEVELS)
    return Publication(forecasts, summary, table, DAY_SERIES.empty_table)


def _row(station: str, target: str, after: int, level: int) -> dict[str, Any]:
    return {
        "station_id": station,
        "target": target,
        "name": f"Clark, {station}",
        "hour": 4.0 * (after + 1),
        "usual": 4.0,
        "percent_of_usual": 100.0 * (after + 1),
        "level": level,
        "level_name": "busy",
        "why": "as usual",
    }
