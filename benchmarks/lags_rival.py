"""The rival's side of `lags.py`: builds the same lags with mlforecast each time a line comes in.

Arguments: pandas or polars, stations, steps, weeks. Two series a station. Timed is `preprocess` alone, on a table
that is ready, sorted and dense, with float32 counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mlforecast import MLForecast

WEEK = 10_080
THREADS = 2


def pandas_table(series: int, steps: int) -> Any:
    """Columns unique_id (categories), ds, y."""
    import pandas as pd

    names = [f"s{n:04}" for n in range(series)]
    ids = pd.Categorical.from_codes(np.repeat(np.arange(series), steps).tolist(), pd.Index(names))
    days = np.tile(pd.date_range("2013-01-07", periods=steps, freq="min").to_numpy(), series)
    return pd.DataFrame({"unique_id": ids, "ds": days, "y": counts(series * steps)})


def polars_table(series: int, steps: int) -> Any:
    """Columns unique_id (categories), ds, y."""
    import polars as pl

    names = np.repeat([f"s{n:04}" for n in range(series)], steps)
    minutes = np.datetime64("2013-01-07", "us") + np.arange(steps) * np.timedelta64(60_000_000, "us")
    table = pl.DataFrame({"unique_id": names, "ds": np.tile(minutes, series), "y": counts(series * steps)})
    return table.with_columns(pl.col("unique_id").cast(pl.Categorical))


def counts(rows: int) -> Any:
    """Counts as float32."""
    return np.random.default_rng(0).poisson(3.0, rows).astype(np.float32)


def builder(kind: str, series: int, steps: int, weeks: int, threads: int) -> Callable[[], object]:
    """A function that builds all lags once."""
    table = pandas_table(series, steps) if kind == "pandas" else polars_table(series, steps)
    freq, lags = ("min" if kind == "pandas" else "1m"), [WEEK * k for k in range(1, weeks + 1)]

    def build() -> object:
        forecast = MLForecast(models=[], freq=freq, lags=lags, num_threads=threads)
        return forecast.preprocess(table, static_features=[], dropna=False)

    return build


def main() -> None:
    """Say "ready", then answer each line with seconds: the better of one thread and two."""
    kind, stations, steps, weeks = sys.argv[1], *map(int, sys.argv[2:5])
    builders = [builder(kind, 2 * stations, steps, weeks, threads) for threads in (1, THREADS)]
    print("ready", flush=True)
    for _ in sys.stdin:
        seconds = []
        for build in builders:
            start = time.perf_counter()
            build()
            seconds.append(time.perf_counter() - start)
        print(min(seconds), flush=True)


if __name__ == "__main__":
    main()
