"""A data root of many made-up stations, written day by day as ingest leaves it, for the benchmarks of a forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.arrays import Minutes
from tasks.clock import day_bounds, feeding_days
from tasks.contracts import FitLog, Split
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.settings.tree import FeatureSettings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.observations import batch_path
from tasks.tables.rebuild import fold_first

TIMEZONE = "America/Chicago"
TARGETS = ("entries", "exits")
LAST_DAY = np.datetime64("2024-04-16")
SETTINGS = f"""
data_root = "."
[network]
timezone = "{TIMEZONE}"
[[sources]]
name = "feed"
kind = "counts"
path = "feed/*.csv"
"""


def make_root(folder: Path, stations: int, last_minutes: int) -> None:
    """Write settings, and of 14 weeks the days that forecasts of the last one read, the same with one over.

    The last day has `last_minutes` from midnight on. The other days would lie beside these, and are never opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nexthour.toml").write_text(SETTINGS, encoding="utf-8")
    settings = FeatureSettings()
    here = np.arange(LAST_DAY - 2, LAST_DAY)
    past = feeding_days(
        np.append(here, LAST_DAY), settings.weeks, settings.other_days_reach, frozenset(), settings.weekend
    ).ravel()
    for day in np.unique(np.concatenate([here, past[~np.isnat(past)]])):
        write_one_day(folder, stations, day, 1440)
    live_minute(folder, stations, last_minutes)


def live_minute(folder: Path, stations: int, last_minutes: int) -> np.datetime64:
    """Replace the last day by one with `last_minutes` from midnight on; returns the minute after them, UTC."""
    store = Store(str(folder))
    store.delete(schemas.minutes_file(LAST_DAY))
    return write_one_day(folder, stations, LAST_DAY, last_minutes)


def write_one_day(folder: Path, stations: int, day: np.datetime64, most: int) -> np.datetime64:
    """One service day of at most so many minutes; every station has a size and a rush hour of its own."""
    rng, own = np.random.default_rng(int(day.astype(np.int64))), np.random.default_rng(1)
    sizes, shift = own.lognormal(0, 1, stations), own.integers(0, 240, stations)
    first, end = day_bounds(day, TIMEZONE)
    minutes = np.arange(first, min(end, first + np.timedelta64(most, "m")))
    write_day(Store(str(folder)), str(day), minutes, sizes * rng.lognormal(0, 0.2) * _weekday(day), shift, rng)
    return np.datetime64(minutes[-1] + np.timedelta64(1, "m"), "m")


def _weekday(day: np.datetime64) -> float:
    return 1.0 if (int(day.astype(np.int64)) + 3) % 7 < 5 else 0.5


def write_day(
    store: Store,
    day: str,
    minutes: Minutes,
    sizes: np.ndarray,
    shift: np.ndarray,
    rng: np.random.Generator,  # type: ignore[type-arg]
) -> None:
    """Write one service day: its observations, and the minute file that is made of them."""
    turn = 2 * np.pi * (np.arange(len(minutes)) + shift[:, None]) / 1440
    rate = sizes[:, None] * np.maximum(0.02, 1 - np.cos(turn) - 0.8 * np.cos(2 * turn))
    stations, width = len(sizes), len(minutes)
    times = schemas.time_array(np.tile(minutes, stations))
    names = [f"S{number:05d}" for number in range(stations)]
    same = np.zeros(stations * width, np.int32)
    columns = {
        "station_id": schemas.name_array(np.repeat(np.arange(stations), width), names),
        "minute_utc": times,
        "part": schemas.name_array(same, ["all"]),
        "source": schemas.name_array(same, ["feed"]),
        "available_at": schemas.time_array(np.tile(minutes + np.timedelta64(1, "m"), stations)),
        "received_at": schemas.time_array(np.tile(minutes + np.timedelta64(1, "m"), stations)),
        **{target: pa.array(rng.poisson(rate).ravel().astype(np.int32)) for target in TARGETS},
    }
    table = pa.table(columns, schema=schemas.observations(TARGETS))
    path = batch_path(day, "00000000000000000000000000000000")
    store.write_table(path, table)
    fold_first(store, day, path, table, TARGETS)


def make_champion(folder: Path, stations: int) -> None:
    """Publish the default model, hardly fitted: what a forecast of it costs does not depend on what it learnt."""
    from tasks.model.architectures.next_hour_lstm import NextHourConfig, NextHourLstm
    from tasks.model.promotion.champion import bundle_folder, move_pointer
    from tasks.model.serving.bundle import save_bundle

    rng = np.random.default_rng(1)
    start = np.datetime64("2024-01-01T06:00", "m")
    values = rng.poisson(1.0, (len(TARGETS), stations, 10 * 1440)).astype(np.float32)
    names = tuple(f"S{number:05d}" for number in range(stations))
    features = MinuteFeatures(Grid(values, start, 1, names, TARGETS), TIMEZONE)
    at = start + np.arange(8 * 24, 9 * 24, 2) * np.timedelta64(60, "m")
    config = NextHourConfig(epochs=1, max_samples=2000, max_validation=2000)
    fitted = NextHourLstm(config).fit(features, Split(at[:4], at[4:8], at[8:]), 1, FitLog())
    save_bundle(folder / bundle_folder("1"), fitted, {"targets": list(TARGETS), "interval": 1, "stations": list(names)})
    move_pointer(Store(str(folder)), "1", None, start, "benchmark")
