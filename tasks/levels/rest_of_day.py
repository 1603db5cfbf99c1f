"""The rest of the day as it was issued, beside the mean of the same weekday, to be scored once it is over."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.contracts import History
from tasks.levels.day import past_weeks
from tasks.levels.hour import Hour
from tasks.tables import schemas

OF_DAY = ("station_id", "target", "minute_utc", "usual", "forecast", "low", "high")
"""Columns of `DAY_SERIES` that are kept."""


def rest_rows(history: History, hour: Hour, day: pa.Table, issued_at: np.datetime64) -> pa.Table:
    """Rows of `schemas.REST_OF_DAY`: the bins of a day that end after its forecast hour, none late in the evening.

    Args:
        history: the minutes from which the day was made.
        hour: the forecasts.
        day: rows of `schemas.DAY_SERIES` of the same origin.
        issued_at: when it was issued, UTC.
    """
    starts = schemas.numpy_times(day["minute_utc"]).astype("datetime64[m]")
    starts = starts[: day.num_rows // (len(hour.stations) * len(hour.targets))]
    rows = day.filter(pc.equal(day["kind"].cast(pa.string()), "rest_of_day"))
    if not rows.num_rows:
        return schemas.REST_OF_DAY.empty_table()
    width = int((starts[1] - starts[0]).astype(np.int64))
    rest = starts[len(starts) - rows.num_rows * len(starts) // day.num_rows :]
    steps = np.arange(0, width, history.grid.interval).astype("timedelta64[m]")
    weeks = past_weeks(history, hour, (rest[:, None] + steps).ravel(), len(steps))
    seen = np.isfinite(weeks)
    people, number = np.where(seen, weeks, 0).sum(axis=0), seen.sum(axis=0)
    mean = np.divide(people, number, out=np.full(people.shape, np.nan), where=number > 0).swapaxes(0, 1)
    columns = {name: rows[name] for name in OF_DAY} | {
        "issued_at": schemas.time_array(np.full(rows.num_rows, issued_at)),
        "origin_utc": schemas.time_array(np.full(rows.num_rows, hour.origin)),
        "minutes": pa.array(np.full(rows.num_rows, width, np.int16)),
        "weekday_mean": pa.array(mean.ravel().astype(np.float32), from_pandas=True),
    }
    return pa.table({name: columns[name] for name in schemas.REST_OF_DAY.names}, schema=schemas.REST_OF_DAY)


def rest_file(origin: np.datetime64, day: np.datetime64) -> str:
    """Path of the rest of the day of the clock hour (UTC) of an origin: one issue per hour is kept."""
    hour = str(origin.astype("datetime64[h]")).replace("-", "")
    return f"{schemas.day_folder('rest_of_day', day)}/{hour}Z.parquet"
