"""Counts in the columns of TIDES 1.0, table `station_activities`: https://tides-transit.org."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.clock import to_local
from tasks.errors import ConfigError
from tasks.settings.tree import Network
from tasks.tables.schemas import NAME, numpy_times, one_array

TARGETS = {"entries": "total_entries", "exits": "total_exits"}
"""Target -> its column."""
_NOT_COUNTED = ("number_of_transactions", "bike_entries", "bike_exits", "ramp_entries", "ramp_exits")


def tides_schema(timezone: str) -> pa.Schema:
    """Schema of `station_activities`: every column of the standard, in its order; times on the network's clocks."""
    time = pa.timestamp("us", tz=timezone)
    return pa.schema(
        [
            ("service_date", pa.date32()),
            ("stop_id", NAME),
            ("time_period_start", time),
            ("time_period_end", time),
            ("time_period_category", pa.string()),
            *((column, pa.int32()) for column in (*TARGETS.values(), *_NOT_COUNTED)),
        ]
    )


def check_targets(targets: Sequence[str]) -> None:
    """Whether TIDES has a column for every target.

    Raises:
        ConfigError: if not; names the target.
    """
    for target in targets:
        if target not in TARGETS:
            raise ConfigError(
                f"TIDES station_activities has no column for target {target!r}, only for {' and '.join(TARGETS)}"
            )


def tides_table(minutes: pa.Table, network: Network) -> pa.Table:
    """Rows of `tides_schema` from rows of the minute table, in their order. What was not observed stays blank.

    Raises:
        ConfigError: if TIDES has no column for a target.
    """
    check_targets(network.targets)
    schema = tides_schema(network.timezone)
    start = numpy_times(minutes["minute_utc"]).astype("datetime64[m]")
    end = np.asarray(start + np.timedelta64(network.interval_minutes, "m"), dtype="datetime64[m]")
    columns = {
        "service_date": pa.array(to_local(start, network.timezone).astype("datetime64[D]")),
        "stop_id": one_array(minutes["station_id"]),
        "time_period_start": _moments(start, network.timezone),
        "time_period_end": _moments(end, network.timezone),
        **{TARGETS[target]: one_array(minutes[target]) for target in network.targets},
    }
    nothing = {field.name: pa.nulls(len(start), field.type) for field in schema if field.name not in columns}
    return pa.Table.from_pydict({name: {**columns, **nothing}[name] for name in schema.names}, schema=schema)


def local_texts(column: pa.ChunkedArray, timezone: str) -> pa.Array:
    """Times as ISO 8601 text on the network's clocks, with their offset, which tells the hour that comes twice."""
    moments, which = np.unique(numpy_times(column).astype("datetime64[m]"), return_inverse=True)
    local = to_local(moments, timezone)
    offsets = (local - moments).astype(np.int64).tolist()
    signs = ("-" if offset < 0 else "+" for offset in offsets)
    texts = [
        f"{minute}:00{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
        for minute, sign, offset in zip(local, signs, offsets, strict=True)
    ]
    return pa.DictionaryArray.from_arrays(pa.array(which.ravel().astype(np.int32)), pa.array(texts, pa.string()))


def _moments(minutes: npt.NDArray[np.datetime64], timezone: str) -> pa.Array:
    return (
        pa.array(minutes.astype("datetime64[us]"))
        .cast(pa.timestamp("us", tz="UTC"))
        .cast(pa.timestamp("us", tz=timezone))
    )
