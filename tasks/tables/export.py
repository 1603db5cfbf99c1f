"""Minutes and forecasts as one file for other tools, in our columns or in those of TIDES."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.errors import ConfigError, StoreError, about, nearest_key
from tasks.settings.tree import Network, Settings
from tasks.storage.store import Store
from tasks.tables.csv_text import csv_bytes
from tasks.tables.minutes import read_minutes
from tasks.tables.schemas import NAME, TIME, name_array, name_codes, numpy_times, time_array
from tasks.tables.tides import check_targets, tides_table

FORMATS = ("minutes", "tides")


def check_export(settings: Settings, out: Path, layout: str) -> None:
    """Whether a file can be exported in a layout, one of `FORMATS`.

    Raises:
        ConfigError: if the file's ending or the layout is unknown, or has no column for a target.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--out {out}: the file must end in .parquet or .csv")
    if layout not in FORMATS:
        raise ConfigError(f"--format {layout!r} is unknown{nearest_key(layout, FORMATS)}")
    if layout == "tides":
        with about("--format tides"):
            check_targets(settings.network.targets)


def export_minutes(
    settings: Settings,
    start: np.datetime64,
    end: np.datetime64,
    out: Path,
    as_of: np.datetime64 | None = None,
    layout: str = "minutes",
) -> int:
    """Write the minutes of a UTC span, sorted by station and minute, to a .parquet or .csv file; returns the rows.

    Raises:
        ConfigError: see `check_export`; or if the span is empty.
        StoreError: if the file cannot be written.
    """
    check_export(settings, out, layout)
    if end <= start:
        raise ConfigError(f"--end {end} is not after --start {start}")
    store = Store(settings.data_root)
    table = read_minutes(store, start, end, settings.network.timezone, settings.network.targets, as_of)
    station, _ = name_codes(table["station_id"])
    table = table.take(np.lexsort((numpy_times(table["minute_utc"]), station)))
    return _write(settings, table, out, layout)


def export_forecast(settings: Settings, forecasts: pa.Table, out: Path, layout: str = "minutes") -> int:
    """Write the expected counts of one issue, as `export_minutes` does minutes; see `forecast_counts`.

    Args:
        settings: the tree.
        forecasts: rows of `schemas.FORECASTS` of one origin, any order.
        out: file to write, .parquet or .csv.
        layout: one of `FORMATS`.

    Raises:
        ConfigError: see `check_export`.
        StoreError: if the file cannot be written.
    """
    check_export(settings, out, layout)
    return _write(settings, forecast_counts(settings.network, forecasts, whole=layout == "tides"), out, layout)


def forecast_counts(network: Network, forecasts: pa.Table, whole: bool) -> pa.Table:
    """The expected counts of one issue as rows of the minute table; the network's total is left out.

    Args:
        network: names its targets and its total.
        forecasts: rows of `schemas.FORECASTS` of one origin, any order.
        whole: round to whole people, so that the sums of each series from its first minute on stay right.

    Returns:
        station_id, minute_utc and a column per target, by station and minute.
    """
    station, names = name_codes(forecasts["station_id"])
    target, targets = name_codes(forecasts["target"])
    minute = numpy_times(forecasts["minute_utc"])
    order = np.lexsort((minute, target, station))
    shape = (len(names), len(targets), -1)
    mean = forecasts["mean"].to_numpy()[order].astype(np.float64).reshape(shape)
    if whole:
        mean = np.diff(np.rint(np.cumsum(mean, axis=-1)), axis=-1, prepend=0)
    parts = [s for s, name in enumerate(names) if name != network.total]
    steps, kind = mean.shape[-1], pa.int32() if whole else pa.float32()
    columns = {
        "station_id": name_array(np.repeat(parts, steps), names),
        "minute_utc": time_array(minute[order].reshape(shape)[parts, 0].ravel()),
        **{name: pa.array(mean[parts, c].ravel()).cast(kind) for c, name in enumerate(targets)},
    }
    schema = pa.schema([("station_id", NAME), ("minute_utc", TIME), *((name, kind) for name in network.targets)])
    return pa.Table.from_pydict({name: columns[name] for name in schema.names}, schema=schema)


def _write(settings: Settings, table: pa.Table, out: Path, layout: str) -> int:
    if layout == "tides":
        table = tides_table(table, settings.network)
    try:
        if out.suffix == ".csv":
            out.write_bytes(csv_bytes(table, settings.network.timezone))
        else:
            Store(str(out.absolute().parent)).write_table(out.name, table)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror or error}") from None
    return int(table.num_rows)
