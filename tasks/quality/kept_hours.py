"""The hours of past service days, kept beside their minute files, so that an ingest need not decode weeks each minute.

`minutes/service_date=D/_hours.arrow` names the content of the minute file that it was made of and ends in the SHA-256
of its own. One that does not fit, or is damaged, is made again; one that cannot be written is done without.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.clock import day_bounds
from tasks.quality.hourly import HOURS, Hours, StationHours, by_hour
from tasks.settings.tree import Network
from tasks.storage.parquet import decode_table
from tasks.storage.sealed import read_arrow, write_arrow
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.day_grids import CODEC, FEWEST_ROWS, content_head
from tasks.tables.minutes import minute_file_as_of, read_minutes

FORMAT = "1"
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
    wanted = content_head(FORMAT, data, network.targets, interval, zone)
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


def _read(store: Store, day: str, wanted: dict[str, object]) -> StationHours | None:
    """The hours that are kept of a day; None where there are none of this content, or damaged ones."""
    found = read_arrow(store, hours_path(day))
    if found is None or any(found[0].get(key) != value for key, value in wanted.items()):
        return None
    head, reader = found
    shape = (len(head["targets"]), len(head["stations"]), HOURS)
    sums, peaks, seen = (column.to_numpy().reshape(shape) for column in reader.get_batch(0).columns)
    steps = np.array(head["steps"], np.int64)
    hours = Hours(np.datetime64(day, "D"), sums.astype(np.float64), peaks.astype(np.float64), seen, steps)
    return StationHours(tuple(head["stations"]), hours)


def _write(store: Store, day: str, made: StationHours, wanted: dict[str, object]) -> None:
    """Keep the hours of a day; counts are whole numbers."""
    head = {**wanted, "stations": made.stations, "steps": made.hours.steps.tolist()}
    columns = [pa.array(np.ascontiguousarray(getattr(made.hours, name)).ravel().astype(np.int64)) for name in COLUMNS]
    write_arrow(store, hours_path(day), head, [pa.record_batch(columns, names=list(COLUMNS))], CODEC)
