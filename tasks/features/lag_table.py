"""The lag table: the tensors of a service day as rows that a person can read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.arrays import Float
from tasks.clock import day_bounds, to_local
from tasks.features.tensors import MinuteFeatures
from tasks.tables import schemas


def lag_rows(features: MinuteFeatures, day: np.datetime64) -> pa.Table:
    """One row per station and minute of a service day, sorted so, over the minutes that the grid holds.

    Columns: station_id, minute_utc, minute (local wall clock), and for every target its count, `_lag_1` to `_lag_K`,
    `_profile` (float32, null where there is none) and `_valid`, the number of lags that are there.
    """
    start, end = day_bounds(day, features.clock.timezone)
    minutes = features.grid.minutes
    minutes = minutes[(minutes >= start) & (minutes < end)]
    stations = len(features.grid.stations)
    local = to_local(minutes, features.clock.timezone).astype("datetime64[us]")
    columns: dict[str, pa.Array] = {
        "station_id": schemas.name_array(np.repeat(np.arange(stations), len(minutes)), features.grid.stations),
        "minute_utc": schemas.time_array(np.tile(minutes, stations)),
        "minute": pa.array(np.tile(local, stations), pa.timestamp("us")),
    }
    counts, lags, profile = features.counts(minutes), features.lag_tensor(minutes), features.profile(minutes)
    for c, target in enumerate(features.grid.targets):
        columns[target] = _column(counts[c])
        columns |= {f"{target}_lag_{k + 1}": _column(lags[k, c]) for k in range(len(lags))}
        columns[f"{target}_profile"] = _column(profile[c])
        columns[f"{target}_valid"] = pa.array((~np.isnan(lags[:, c])).sum(axis=0).ravel().astype(np.int8))
    return pa.table(columns)


def valid_rows(table: pa.Table, targets: tuple[str, ...], weeks: int) -> list[int]:
    """How many values each weekly lag has, all targets together."""
    lags = [[table[f"{target}_lag_{k + 1}"] for target in targets] for k in range(weeks)]
    return [sum(len(column) - column.null_count for column in columns) for columns in lags]


def _column(values: Float) -> pa.Array:
    return pa.array(values.ravel(), pa.float32(), from_pandas=True)
