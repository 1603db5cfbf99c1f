"""The minute table as one file for other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.errors import ConfigError, StoreError
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes
from tasks.tables.schemas import name_codes, numpy_times


def export_minutes(
    settings: Settings, start: np.datetime64, end: np.datetime64, out: Path, as_of: np.datetime64 | None = None
) -> int:
    """Write the minutes of a UTC span, sorted by station and minute, to a .parquet or .csv file; returns the rows.

    Raises:
        ConfigError: if the file's ending is neither, or the span is empty.
        StoreError: if the file cannot be written.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--out {out}: the file must end in .parquet or .csv")
    if end <= start:
        raise ConfigError(f"--end {end} is not after --start {start}")
    store = Store(settings.data_root)
    table = read_minutes(store, start, end, settings.network.timezone, settings.network.targets, as_of)
    station, _ = name_codes(table["station_id"])
    table = table.take(np.lexsort((numpy_times(table["minute_utc"]), station)))
    try:
        if out.suffix == ".csv":
            _write_csv(table, out)
        else:
            Store(str(out.absolute().parent)).write_table(out.name, table)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror or error}") from None
    return int(table.num_rows)


def _write_csv(table: pa.Table, out: Path) -> None:
    import pandas as pd

    frame = table.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    frame.to_csv(out, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
