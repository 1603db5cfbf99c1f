"""What the page shows, as JSON: an overview of all stations, and the day of each station in chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Minutes
from tasks.publish.board.packing import ALPHABET, common_tops, pack, pack_together
from tasks.tables import schemas

Double = npt.NDArray[np.float64]

FORMAT = 1
"""Of the data; a page of another format loads itself again."""
CHUNK = 60
"""Stations per file of details."""
SILENT_MINUTES = 60
"""A station without counts for so much longer than the network is shown as silent."""
FACTS = ("name", "line", "zone", "latitude", "longitude", "capacity")
MISSING = ALPHABET[-1]
SERIES = ("usual", "observed", "forecast", "low", "high")
FIGURES = (
    "hour", "low", "high", "usual", "percent_of_usual", "percent_of_record", "percent_of_capacity", "level",
    "level_factor", "channels_factor", "model_factor", "override_factor",
)  # fmt: skip
FROM_SUMMARY = (
    "network", "timezone", "interval_minutes", "issued_at", "origin_utc", "next_issue_at", "rung", "degraded_reason",
    "minutes_since_seen", "totals",
)  # fmt: skip


SAID = ("answered", "staleness")
"""Checks that `degraded_reason` speaks of."""
OF_ALERT = ("signal", "station_id", "target", "strength", "forecast", "value")
OF_OVERRIDE = ("stations", "target", "factor", "to", "why")


@dataclass(frozen=True)
class Day:
    """The series of a service day as arrays [C, S, B] of people per bin; NaN is not known.

    Attributes:
        minutes: UTC start of every bin, datetime64[m] [B].
        usual, observed, forecast, low, high: the series.
        next_hour: positions of the bins that the next hour fills, as far as the day goes.
    """

    minutes: Minutes
    usual: Double
    observed: Double
    forecast: Double
    low: Double
    high: Double
    next_hour: slice

    def of_stations(self, part: slice) -> Day:
        """The series of some of the stations."""
        return replace(self, **{name: vars(self)[name][:, part] for name in SERIES})


def read_day(table: pa.Table, stations: Sequence[str], targets: Sequence[str]) -> Day:
    """Rows of `tables.DAY_SERIES` on these axes."""
    minutes, at = np.unique(schemas.numpy_times(table["minute_utc"]).astype("datetime64[m]"), return_inverse=True)
    where = (_places(table["target"], targets), _places(table["station_id"], stations), at)
    inside = (where[0] >= 0) & (where[1] >= 0)
    series = {}
    for name in SERIES:
        series[name] = np.full((len(targets), len(stations), len(minutes)), np.nan)
        series[name][tuple(axis[inside] for axis in where)] = _numbers(table[name])[inside]
    codes, kinds = schemas.name_codes(table["kind"])
    hour = np.unique(at[codes == kinds.index("next_hour")]) if "next_hour" in kinds else np.array([], np.int64)
    return Day(minutes, **series, next_hour=slice(int(hour[0]), int(hour[-1]) + 1) if len(hour) else slice(0, 0))


def overview_document(
    stations: pa.Table,
    day: Day,
    summary: Mapping[str, Any],
    axes: tuple[Sequence[str], Sequence[str]],
    **more: Any,
) -> dict[str, Any]:
    """Everything that the list, the map and the wall show.

    Args:
        stations: rows of `tables.STATION_LEVELS`.
        day: of the same stations and targets.
        summary: of the same issue.
        axes: stations and targets.
        more: goes into the document as it is.
    """
    names, targets = axes
    figures = {key: place_rows(stations, key, axes) for key in FIGURES}
    return {
        "format": FORMAT,
        **{key: summary.get(key) for key in FROM_SUMMARY},
        "model_version": summary["model_version"],
        "failed": [v for v in summary.get("verdicts") or () if not v["passed"] and v["name"] not in SAID],
        "overrides": [{key: each[key] for key in OF_OVERRIDE} for each in summary.get("overrides") or ()],
        "alerts": [{key: a[key] for key in OF_ALERT} for a in summary.get("alerts") or () if a["state"] != "closed"],
        "targets": list(targets),
        "chunk": CHUNK,
        "day": day_axis(day.minutes) | {"next_hour": [day.next_hour.start, day.next_hour.stop]},
        "stations": {"id": list(names), **_facts(stations, names), "silent_since": silent_since(day)},
        "values": {
            target: {
                **{key: _round_values(figures[key][c], 3 if key.endswith("factor") else 1) for key in FIGURES},
                "today": _sparks(day, c),
            }
            for c, target in enumerate(targets)
        },
        **more,
    }


def day_document(day: Day, stations: Sequence[str], targets: Sequence[str]) -> dict[str, Any]:
    """The day of some stations for the charts of their pages."""
    values = {target: pack_together({name: vars(day)[name][c] for name in SERIES}) for c, target in enumerate(targets)}
    return {"stations": list(stations), "values": values}


def day_axis(minutes: Minutes) -> dict[str, int]:
    """Bins of a day: first UTC minute since 1970, minutes per bin, count."""
    return {"start": _epoch_minutes(minutes), "minutes": _bin_minutes(minutes), "bins": len(minutes)}


def place_rows(table: pa.Table, column: str, axes: tuple[Sequence[str], Sequence[str]]) -> Double:
    """A column of rows by station and target, summed where there are several, on the axes [C, S]; NaN without rows."""
    stations, targets = axes
    c, s = _places(table["target"], targets), _places(table["station_id"], stations)
    inside = (c >= 0) & (s >= 0)
    at, size = c[inside] * len(stations) + s[inside], len(targets) * len(stations)
    sums = np.bincount(at, _numbers(table[column])[inside], size)
    return np.where(np.bincount(at, minlength=size) > 0, sums, np.nan).reshape(len(targets), len(stations))


def silent_since(day: Day) -> list[int | None]:
    """UTC minutes since 1970 to which each station was observed today, of those that fell silent; 0 for never today.

    Only against the network: where no station is observed, that is reported of the data as a whole.
    """
    seen = np.asarray(np.isfinite(day.observed).any(axis=0))
    width = _bin_minutes(day.minutes)
    last = len(day.minutes) - np.argmax(seen[:, ::-1], axis=1)
    ends = np.where(seen.any(axis=1), last, 0).tolist()
    newest = max(ends, default=0)
    start = _epoch_minutes(day.minutes)
    return [(start + end * width if end else 0) if (newest - end) * width > SILENT_MINUTES else None for end in ends]


def _sparks(day: Day, target: int) -> list[list[str]]:
    """Each station's day for a small picture: usual, observed, and in the next hour forecast, low and high."""
    usual, observed = day.usual[target], day.observed[target]
    hour = [values[target][:, day.next_hour] for values in (day.forecast, day.low, day.high)]
    tops = common_tops([usual, observed, *hour])
    texts = [pack(values, tops, 1) for values in (usual, observed, *hour)]
    texts[1] = [text.rstrip(MISSING) for text in texts[1]]
    return [list(of_station) for of_station in zip(*texts, strict=True)]


def _facts(table: pa.Table, stations: Sequence[str]) -> dict[str, list[Any]]:
    """Names and places in the order of `stations`; a fact that no station has is absent."""
    codes, held = schemas.name_codes(table["station_id"])
    row = dict(zip(codes.tolist(), range(len(codes)), strict=True))
    rows = [row[held.index(name)] if name in held else None for name in stations]
    columns = {key: table[key].take(pa.array(rows, pa.int64())).to_pylist() for key in FACTS}
    return {key: values for key, values in columns.items() if any(value is not None for value in values)}


def _places(column: pa.ChunkedArray, axis: Sequence[str]) -> np.ndarray:  # type: ignore[type-arg]
    """Position of each row's name on an axis, -1 where it has none."""
    codes, names = schemas.name_codes(column)
    place = {name: i for i, name in enumerate(axis)}
    return np.array([*(place.get(name, -1) for name in names), -1], dtype=np.int64)[codes]


def _numbers(column: pa.ChunkedArray) -> Double:
    """A column of numbers, null as NaN."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _round_values(values: Double, decimals: int) -> list[float | int | None]:
    """Numbers for JSON: whole ones without a point, null where not known."""
    return [
        None if not np.isfinite(value) else int(value) if value == int(value) else value
        for value in np.round(values, decimals).tolist()
    ]


def _epoch_minutes(minutes: Minutes) -> int:
    return int(minutes[0].astype("datetime64[m]").astype(np.int64)) if len(minutes) else 0


def _bin_minutes(minutes: Minutes) -> int:
    return int((minutes[1] - minutes[0]).astype("timedelta64[m]").astype(np.int64)) if len(minutes) > 1 else 60
