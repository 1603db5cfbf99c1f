"""Minutes and forecasts as one file for other tools, in our columns or in those of TIDES."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.errors import ConfigError, StoreError, nearest_key
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes
from tasks.tables.schemas import NAME, TIME, name_array, name_codes, numpy_times, time_array
from tasks.tables.tides import check_targets, local_texts, tides_table

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
    """Write the expected counts of one issue, as `export_minutes` does minutes; the network's total is left out.

    TIDES has whole numbers only: each series is rounded so that its sums from the first minute on stay right.

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
    station, names = name_codes(forecasts["station_id"])
    target, targets = name_codes(forecasts["target"])
    minute = numpy_times(forecasts["minute_utc"])
    order = np.lexsort((minute, target, station))
    shape = (len(names), len(targets), -1)
    mean = forecasts["mean"].to_numpy()[order].astype(np.float64).reshape(shape)
    if layout == "tides":
        mean = np.diff(np.rint(np.cumsum(mean, axis=-1)), axis=-1, prepend=0)
    parts = [s for s, name in enumerate(names) if name != settings.network.total]
    steps, kind = mean.shape[-1], pa.int32() if layout == "tides" else pa.float32()
    columns = {
        "station_id": name_array(np.repeat(parts, steps), names),
        "minute_utc": time_array(minute[order].reshape(shape)[parts, 0].ravel()),
        **{name: pa.array(mean[parts, c].ravel()).cast(kind) for c, name in enumerate(targets)},
    }
    fields = [("station_id", NAME), ("minute_utc", TIME), *((name, kind) for name in settings.network.targets)]
    schema = pa.schema(fields)
    return _write(settings, pa.Table.from_pydict({n: columns[n] for n in schema.names}, schema=schema), out, layout)


def _write(settings: Settings, table: pa.Table, out: Path, layout: str) -> int:
    if layout == "tides":
        table = tides_table(table, settings.network)
    try:
        if out.suffix == ".csv":
            _write_csv(table, out, settings.network.timezone)
        else:
            Store(str(out.absolute().parent)).write_table(out.name, table)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror or error}") from None
    return int(table.num_rows)


def _write_csv(table: pa.Table, out: Path, timezone: str) -> None:
    """Write a CSV; times that are not in UTC carry their offset."""
    import pandas as pd

    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type != TIME:
            table = table.set_column(place, field.name, local_texts(table[field.name], timezone))
    frame = table.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    frame.to_csv(out, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
