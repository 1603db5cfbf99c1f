"""A made-up network as targets receive it: lines that cross in the middle, a working day with two peaks, some trouble."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import QUANTILE_COLUMNS
from tasks.clock import day_bounds, service_dates, to_local
from tasks.contracts import Prediction, Publication
from tasks.rest_of_day import band
from tasks.settings.levels import LevelSettings
from tasks.tables import schemas
from tasks.tables.forecasts import forecast_table

Doubles = npt.NDArray[np.float64]
TARGETS = ("entries", "exits")
TIMEZONE = "America/Chicago"
ORIGIN = np.datetime64("2026-03-10T21:30", "m")  # 16:30 on a Tuesday in Chicago, two days after the clocks changed
BIN = 15
STREETS = ("Oak", "Mill", "Harbour", "Museum", "Market", "King", "Orchard", "Bridge", "Chapel", "Garden", "North",
           "Union", "Castle", "River", "Station", "Victoria", "Abbey", "Temple", "Tower", "Canal")  # fmt: skip
KINDS = ("Street", "Square", "Park", "Road", "Gate", "Lane", "Hill", "Cross", "Green", "Court", "Bridge", "Yard", "Dock",
         "Field", "Terrace")  # fmt: skip
OVERRIDE = {
    "id": "1", "scope": "5", "stations": ["5"], "target": None, "factor": 1.3, "from": "2026-03-10T20:00:00Z",
    "to": "2026-03-11T02:00:00Z", "who": "A. Person", "why": "concert at the harbour",
}  # fmt: skip
LINES = ("Red", "Blue", "Green", "Brown", "Orange", "Purple")


def publication(
    stations: int = 24,
    origin: np.datetime64 = ORIGIN,
    names: dict[int, str] | None = None,
    ids: dict[int, str] | None = None,
    bare: bool = False,
    seed: int = 5,
    **summary: Any,
) -> Publication:
    """One issue of a network of so many stations.

    `names` and `ids` replace those of some stations, `summary` what is said of the issue; with `bare` nothing is known of
    stations but their ids.
    """
    all_ids = [(ids or {}).get(i, str(i)) for i in range(stations)]
    rng = np.random.default_rng(seed)
    minutes, typical = _typical_day(stations, origin, rng)
    level = rng.lognormal(0.02, 0.14, (2, stations, 1))
    level[:, 3 % stations] *= 1.75
    level[:, 8 % stations] *= 0.3
    actual = rng.poisson(typical * level * rng.gamma(40, 1 / 40, typical.shape)).astype(np.float64)
    if stations > 12:
        actual[:, 11, (minutes >= origin - 150) & (minutes < origin)] = np.nan
    factors = {
        "level_factor": level[..., 0] ** 0.8,
        "channels_factor": np.full((2, stations), 1.05),
        "model_factor": rng.lognormal(0, 0.03, (2, stations)),
        "override_factor": np.where(np.arange(stations) == 5, 1.3, 1.0) * np.ones((2, 1)),
    }
    ratio = np.prod(list(factors.values()), axis=0)
    day = _day(minutes, origin, typical, actual, ratio)
    hour = (minutes >= origin) & (minutes < origin + 60)
    usual = typical[..., hour].sum(axis=-1)
    said = {
        "network": "Made-up Metro", "timezone": TIMEZONE, "interval_minutes": 1, "issued_at": f"{origin}:20Z",
        "origin_utc": f"{origin}:00Z", "next_issue_at": f"{origin + 5}:00Z", "model_version": "14", "rung": "champion",
        "degraded_reason": None, "minutes_since_seen": 2, "verdicts": [], "overrides": [OVERRIDE], "alerts": [],
        "totals": {t: round(float((usual * ratio)[c].sum()), 1) for c, t in enumerate(TARGETS)},
    }  # fmt: skip
    rows = _stations(all_ids, usual, ratio, factors, names or {}, bare, rng)
    forecasts = _forecasts(origin, usual * ratio, all_ids)
    return Publication(forecasts, said | summary, rows, lambda: _day_table(minutes, day, all_ids))


def _typical_day(stations: int, origin: np.datetime64, rng: np.random.Generator) -> tuple[Any, Doubles]:
    start, end = day_bounds(service_dates(np.array([origin]), TIMEZONE)[0], TIMEZONE)
    minutes = np.arange(start, end, np.timedelta64(BIN, "m")).astype("datetime64[m]")
    hour = (to_local(minutes, TIMEZONE) - to_local(minutes, TIMEZONE).astype("datetime64[D]")).astype(int) / 60
    curves = [
        0.04 + 1.0 * np.exp(-(((hour - a) / 1.3) ** 2)) + 0.38 * np.exp(-(((hour - 13) / 4.5) ** 2)) + b
        for a, b in (
            (8.2, 0.5 * np.exp(-(((hour - 17.4) / 1.6) ** 2))),
            (17.4, 0.5 * np.exp(-(((hour - 8.2) / 1.6) ** 2))),
        )
    ]
    night = np.where((hour >= 1) & (hour < 4.5), 0.04, 1.0)
    size = np.sort(rng.pareto(1.4, stations) * 60 + 12)[::-1]
    lean = rng.uniform(0.15, 0.85, stations)[:, None]
    shapes = np.stack([lean * curves[0] + (1 - lean) * curves[1], lean * curves[1] + (1 - lean) * curves[0]])
    return minutes, shapes * night * size[None, :, None]


def _day(minutes: Any, origin: np.datetime64, typical: Doubles, actual: Doubles, ratio: Doubles) -> dict[str, Doubles]:
    ahead = np.maximum((minutes - origin).astype(int) / 60, 0)
    damped = 1 + (ratio[..., None] - 1) * 0.8**ahead
    forecast = np.where(minutes >= origin, typical * damped, np.nan)
    low, high = band(forecast, 0.14 + 0.04 * ahead)
    return {
        "usual": typical,
        "observed": np.where(minutes < origin, actual, np.nan),
        "forecast": forecast,
        "low": low,
        "high": high,
    }


def _day_table(minutes: Any, day: dict[str, Doubles], ids: list[str]) -> pa.Table:
    stations, bins = len(ids), len(minutes)
    last = int((~np.isnan(day["forecast"][0, 0])).argmax())
    kinds = np.where(np.arange(bins) < last, 0, np.where(np.arange(bins) < last + 60 // BIN, 1, 2))
    columns = {
        "station_id": schemas.name_array(np.tile(np.repeat(np.arange(stations), bins), 2), ids),
        "target": schemas.name_array(np.repeat(np.arange(2), stations * bins), TARGETS),
        "minute_utc": schemas.time_array(np.tile(minutes, 2 * stations)),
        **{name: pa.array(values.ravel().astype(np.float32), from_pandas=True) for name, values in day.items()},
        "kind": schemas.name_array(np.tile(kinds, 2 * stations), ["observed", "next_hour", "rest_of_day"]),
    }
    return pa.table(columns, schema=schemas.DAY_SERIES)


def _stations(
    ids: list[str],
    usual: Doubles,
    ratio: Doubles,
    factors: dict[str, Doubles],
    names: dict[int, str],
    bare: bool,
    rng: np.random.Generator,
) -> pa.Table:
    levels, count = LevelSettings(), len(ids)
    labels = [f"{STREETS[i % 20]} {KINDS[(i // 20 + i) % 15]}" for i in range(count)]
    labels = [names.get(i, label) for i, label in enumerate(labels)]
    lines = list(islice(cycle(LINES), count))
    away = 0.008 + 0.11 * (np.arange(count) // 12 + 0.5) / (count / 12 + 1)
    side = np.arange(count) // 6 % 2
    turn = np.array([LINES.index(line) for line in lines]) * np.pi / 6 + 0.15 + side * np.pi
    turn = turn + 0.5 * np.sin(np.array([LINES.index(line) for line in lines]) + 4 * away / 0.11)
    record = usual * 2.6
    rows = []
    for i in range(count):
        for c, target in enumerate(TARGETS):
            percent = 100 * ratio[c, i]
            number = int(np.searchsorted(levels.limits, percent, side="right")) + 1
            if abs(usual[c, i] * (ratio[c, i] - 1)) < levels.least_people:
                number = 3
            hour = usual[c, i] * ratio[c, i]
            low, high = band(np.array(hour))
            rows.append(
                {
                    "station_id": ids[i],
                    "target": target,
                    "name": labels[i],
                    "line": lines[i],
                    "zone": None,
                    "latitude": 41.88 + away[i] * np.sin(turn[i]),
                    "longitude": -87.63 + 1.3 * away[i] * np.cos(turn[i]),
                    "hour": hour,
                    "low": float(low),
                    "high": float(high),
                    "usual": usual[c, i],
                    "percent_of_usual": percent,
                    "record": record[c, i],
                    "percent_of_record": 100 * hour / record[c, i],
                    "capacity": None,
                    "percent_of_capacity": None,
                    "level": number,
                    "level_name": levels.labels[number - 1],
                    **{name: float(values[c, i]) for name, values in factors.items()},
                    "why": "",
                }
            )
    facts = ("name", "line", "latitude", "longitude")
    rows = [row | dict.fromkeys(facts) for row in rows] if bare else rows
    return pa.Table.from_pylist(rows, schema=schemas.STATION_LEVELS)


def _forecasts(origin: np.datetime64, hour: Doubles, ids: list[str]) -> pa.Table:
    mean = np.repeat(hour[:, None, :, None] / 60, 60, axis=-1).astype(np.float32)
    widths = np.linspace(0.3, 1.7, len(QUANTILE_COLUMNS), dtype=np.float32)
    origins = np.array([origin])
    prediction = Prediction(mean, mean * widths[:, None, None, None, None])
    return forecast_table(prediction, origins, origins, ids, TARGETS, 1, "14")
