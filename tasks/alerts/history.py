"""The past of the signals, read from the days that were scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from tasks.alert_signals import SIGNALS
from tasks.alerts.episodes import SignalRows
from tasks.count_sums import DEFAULT_FACTOR, Double, chance_above, surprise
from tasks.storage.store import Store
from tasks.tables import schemas

NORMAL_90 = 1.2815515655446004
"""What a tenth of normal errors exceeds, in standard deviations."""
FACTORS = (0.7, 3.0)


@dataclass(frozen=True)
class History:
    """Some scored days.

    Attributes:
        days: service days.
        station_weeks: stations times weeks.
        factors: spread factor of each signal.
        names: station ids, by number.
    """

    days: tuple[str, ...]
    station_weeks: float
    factors: dict[str, float]
    store: Store

    def rows(self, signal: str) -> tuple[SignalRows, list[str]]:
        """The past of one signal, and the ids of the stations by number.

        Raises:
            StoreError: if a table cannot be read.
        """
        files = [f"{schemas.day_folder('alert_signals', day)}/part.parquet" for day in self.days]
        table = self.store.read_tables(files, schemas.ALERT_SIGNALS, pc.field("signal") == signal)
        station, names = schemas.name_codes(table["station_id"])
        target, targets = schemas.name_codes(table["target"])
        series = station.astype(np.int64) * max(len(targets), 1) + target
        minute = schemas.numpy_times(table["moment_utc"]).astype("datetime64[m]").astype(np.int64)
        order = np.lexsort((minute, series))
        value, forecast, variance = (
            table[name].to_numpy().astype(np.float64) for name in ("value", "forecast", "variance")
        )
        strength = _strength(signal, value, forecast, variance * self.factors[signal] ** 2)
        above = table["above"].fill_null(False).to_numpy(zero_copy_only=False)
        rows = SignalRows(series, minute, strength, above, station.astype(np.int64))
        return rows.take(order), names


def read_history(store: Store, before: str, weeks: int) -> History:
    """The scored days of some weeks before a service day.

    Raises:
        StoreError: if a table cannot be read.
    """
    first = str(np.datetime64(before, "D") - 7 * weeks)
    table = "alert_signals"
    days = [day for day in store.partitions(table) if first <= day < before]
    days = [day for day in days if not store.is_empty(schemas.day_folder(table, day))]
    sizes = [store.read_json(f"{schemas.day_folder('alert_signals', day)}/spread.json") or {} for day in days]
    station_weeks = sum(size.get("stations", 0) for size in sizes) / 7
    return History(tuple(days), station_weeks, {name: _factor(name, sizes) for name in SIGNALS}, store)


def _factor(name: str, sizes: list[dict[str, dict[str, float]]]) -> float:
    """Spread factor of a signal: the median day's, so that one strange day changes nothing."""
    levels = [size[name]["level_90"] for size in sizes if size.get(name, {}).get("level_90") is not None]
    found = float(np.median(levels)) / NORMAL_90 if levels else DEFAULT_FACTOR
    return round(float(np.clip(found, *FACTORS)), 3)


def _strength(signal: str, value: Double, forecast: Double, variance: Double) -> Double:
    measure = chance_above if signal == "limit" else surprise
    return measure(value, forecast, variance)
