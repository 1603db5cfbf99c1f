"""Hourly errors of the live forecasts per tier of stations, from the scores table alone, and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int, Minutes
from tasks.clock import service_dates, to_local
from tasks.metrics import Double
from tasks.score.control_chart import GUARD_HOURS, Control, find_control
from tasks.score.scoring import HOUR
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tiers import TIERS, station_tiers

COLUMNS = ("origin_utc", "station_id", "band", "actual", "forecast", "absolute_error")
CLOCK_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class TierControl:
    """Where the live error of one group of stations stands.

    Attributes:
        tier: name of the group, by thirds of the number of stations, busiest first.
        stations: how many there are.
        control: the chart's; None while there is too little to set limits.
    """

    tier: str
    stations: int
    control: Control | None


@dataclass(frozen=True)
class HourlyErrors:
    """Sums over the targets of a station's hour forecasts, mean over the issues of each clock hour.

    Attributes:
        hours: start of each clock hour of origins, consecutive, datetime64[h] UTC [H].
        error: absolute error, float64 [H, S]; NaN where nothing was scored.
        scale: square roots of the forecasts, at least 1 each, float64 [H, S].
        actual: people, float64 [H, S].
    """

    hours: Minutes
    error: Double
    scale: Double
    actual: Double


def tier_controls(settings: Settings, as_of: np.datetime64, band: str) -> tuple[TierControl, ...]:
    """Where the live error of each tier stands, read from the scores table; empty without any score.

    Args:
        settings: the network, its data root, the chart.
        as_of: now, UTC; clock hours count whose last forecast hour is over.
        band: name of the whole hour.

    Raises:
        StoreError: if the table cannot be read.
    """
    last = (as_of - HOUR).astype("datetime64[h]")
    start = last - settings.score.control.reference_days * 24 * CLOCK_HOUR - GUARD_HOURS * CLOCK_HOUR
    errors = read_hourly_errors(settings, start, last, band)
    if errors is None:
        return ()
    hour_of_day = to_local(errors.hours.astype("datetime64[m]"), settings.network.timezone).astype("datetime64[h]")
    local = hour_of_day.astype(np.int64) % 24
    groups = group_stations(np.nansum(errors.actual, axis=0))
    return tuple(TierControl(name, len(group), _find(errors, group, local, settings)) for name, group in groups.items())


def group_stations(volume: Double) -> dict[str, Int]:
    """Station positions by thirds of their number, busiest first; all together where there are fewer than three."""
    if len(volume) < len(TIERS):
        return {"stations": np.arange(len(volume))}
    return dict(zip(TIERS, station_tiers(volume), strict=True))


def read_hourly_errors(settings: Settings, start: np.datetime64, end: np.datetime64, band: str) -> HourlyErrors | None:
    """Errors of the clock hours from `start` up to `end`, exclusive; None where nothing was scored.

    Day by day, so that memory holds one; rows of the network's total are left out.
    """
    store, timezone = Store(settings.data_root), settings.network.timezone
    first, final = service_dates(np.array([start, end], dtype="datetime64[m]"), timezone)
    schema = pa.schema([schemas.SCORES.field(name) for name in COLUMNS])
    days = [day for day in store.partitions("scores") if str(first) <= day <= str(final)]
    places: dict[str, int] = {}
    sums: list[tuple[Int, Int, Double]] = []
    for day in days:
        files = store.files(schemas.day_folder("scores", day), ".parquet")
        table = store.read_tables(files, schema, pc.field("band") == band)
        if table.num_rows:
            sums.append(_sum_hours(table, places, start, settings.network.total))
    if not sums or not places:
        return None
    return _spread(sums, len(places), int((end - start) / CLOCK_HOUR), start)


def _sum_hours(
    table: pa.Table, places: dict[str, int], start: np.datetime64, total: str | None
) -> tuple[Int, Int, Double]:
    """Hour and station of each cell of one day, and its sums of error, scale and people, [cells, 3]."""
    station, names = schemas.name_codes(table["station_id"])
    place = np.array([-1 if name == total else places.setdefault(name, len(places)) for name in names])[station]
    origin = schemas.numpy_times(table["origin_utc"])
    hour = ((origin.astype("datetime64[h]") - start) / CLOCK_HOUR).astype(np.int64)
    kept = place >= 0
    issues = np.unique(np.stack([hour[kept], origin[kept].astype(np.int64)]), axis=1)[0]
    per_hour = np.bincount(issues - issues.min(initial=0)) if len(issues) else np.ones(1)
    keys, cell = np.unique(np.stack([hour[kept], place[kept]]), axis=1, return_inverse=True)
    forecast = table["forecast"].to_numpy()[kept]
    values = (
        table["absolute_error"].to_numpy()[kept],
        np.sqrt(np.maximum(forecast, 1)),
        table["actual"].to_numpy()[kept],
    )
    sums = np.stack([np.bincount(cell.ravel(), value, keys.shape[1]) for value in values], axis=-1)
    return keys[0], keys[1], sums / per_hour[keys[0] - issues.min(initial=0)][:, None]


def _spread(sums: Sequence[tuple[Int, Int, Double]], stations: int, hours: int, start: np.datetime64) -> HourlyErrors:
    values = np.full((hours, stations, 3), np.nan)
    for hour, station, value in sums:
        inside = (hour >= 0) & (hour < hours)
        values[hour[inside], station[inside]] = value[inside]
    moments = start + np.arange(hours) * CLOCK_HOUR
    return HourlyErrors(moments, values[..., 0], values[..., 1], values[..., 2])


def _find(errors: HourlyErrors, group: Int, hour_of_day: Int, settings: Settings) -> Control | None:
    seen = np.isfinite(errors.error[:, group]).any(axis=1)
    error, scale = (
        np.where(seen, np.nansum(values[:, group], axis=1), np.nan) for values in (errors.error, errors.scale)
    )
    return find_control(error, scale, hour_of_day, settings.score.control)
