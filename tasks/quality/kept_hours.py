"""The hours of past service days, kept beside their minute files, so that an ingest need not decode weeks each minute.

`minutes/service_date=D/_hours.arrow` names the content of the minute file that it was made of and ends in the SHA-256
of its own. One that does not fit, or is damaged, is made anew; one that cannot be written is done without.
"""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.clock import day_bounds
from tasks.errors import StoreError
from tasks.quality.hourly import HOURS, Hours, StationHours, by_hour
from tasks.settings.tree import Network
from tasks.storage.parquet import decode_table
from tasks.storage.sealed import read_sealed, write_sealed
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import minute_file_as_of, read_minutes
from tasks.tables.rebuild import digest

log = logging.getLogger(__name__)

FORMAT = "1"
FEWEST_ROWS = 50_000
"""Rows of a minute file below which decoding it takes no longer than looking for its hours."""
COLUMNS = ("sums", "peaks", "seen")


def hours_as_of(network: Network, store: Store, as_of: np.datetime64, day: str) -> StationHours:
    """A service day by the hour, as it was known at a moment.

    Raises:
        StoreError: if its files cannot be read.
    """
    date, zone, interval = np.datetime64(day, "D"), network.timezone, network.interval_minutes
    start, end = day_bounds(date, zone)
    data = minute_file_as_of(store, day, network.targets, as_of) if end <= as_of else None
    if data is None:
        return by_hour(date, read_minutes(store, start, end, zone, network.targets, as_of, {day}), zone, interval)
    wanted = {
        "format": FORMAT,
        "minutes": digest(data),
        "targets": list(network.targets),
        "interval": interval,
        "timezone": zone,
    }
    kept = _read(store, day, wanted)
    if kept is not None:
        return kept
    table = decode_table(data, schemas.minutes(network.targets))
    made = by_hour(date, table, zone, interval)
    if table.num_rows >= FEWEST_ROWS:
        _write(store, day, made, wanted)
    return made


def hours_path(day: str) -> str:
    """Beside the minute file; a name that readers of Parquet folders pass over."""
    return f"{schemas.day_folder('minutes', day)}/_hours.arrow"


def _read(store: Store, day: str, wanted: dict[str, Any]) -> StationHours | None:
    """The hours that are kept of a day; None where there are none of this content, or damaged ones."""
    try:
        data = read_sealed(store, hours_path(day))
        if data is None:
            return None
        reader = pa.ipc.open_file(pa.BufferReader(data))
        head = json.loads(reader.schema.metadata[b"nexthour"])
        if any(head[key] != value for key, value in wanted.items()):
            return None
        shape = (len(head["targets"]), len(head["stations"]), HOURS)
        sums, peaks, seen = (column.to_numpy().reshape(shape) for column in reader.get_batch(0).columns)
        return StationHours(
            tuple(head["stations"]),
            Hours(
                np.datetime64(day, "D"),
                sums.astype(np.float64),
                peaks.astype(np.float64),
                seen,
                np.array(head["steps"], np.int64),
            ),
        )
    except (StoreError, OSError, pa.ArrowException, LookupError, TypeError, ValueError):
        return None


def _write(store: Store, day: str, made: StationHours, wanted: dict[str, Any]) -> None:
    """Keep the hours of a day; counts are whole numbers."""
    head = {**wanted, "stations": made.stations, "steps": made.hours.steps.tolist()}
    schema = pa.schema([(name, pa.int64()) for name in COLUMNS], metadata={"nexthour": json.dumps(head)})
    columns = [pa.array(np.ascontiguousarray(getattr(made.hours, name)).ravel().astype(np.int64)) for name in COLUMNS]
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    try:
        write_sealed(store, hours_path(day), buffer.getvalue())
    except StoreError as error:
        log.debug("the hours of %s are not kept: %s", day, error)
