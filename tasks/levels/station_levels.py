"""The next hour of every station and target beside its usual, its record and its capacity, with a level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.arrays import Float
from tasks.levels.hour import Double, Hour
from tasks.levels.sentence import explain, phrase_parts
from tasks.rest_of_day import band
from tasks.settings.levels import LevelSettings
from tasks.stations.table import StationTable
from tasks.tables import schemas

MIDDLE, PLACES = 3, 6


@dataclass(frozen=True)
class Wording:
    """What a sentence needs beside the numbers.

    Attributes:
        day: name of the day, such as Tuesday; see `sentence.name_day`.
        span: time that today's level is taken from; see `sentence.name_span`.
        channels: names of the extra channels, as a sentence lists them.
        reasons: station_id and target -> why a person changed its hour.
    """

    day: str
    span: str
    channels: str = ""
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)


def station_levels(
    hour: Hour, record: Float, spread: Double, stations: StationTable, settings: LevelSettings, wording: Wording
) -> pa.Table:
    """Rows of `tables.STATION_LEVELS`, by station and target.

    Args:
        hour: the forecasts.
        record: largest hour per station and target, [S, C]; NaN where nothing was observed.
        spread: standard deviation of truth over forecast beside that of chance, [S, C].
        stations: names, places and capacities.
        settings: what a level compares with, and its thresholds.
        wording: of the sentences.
    """
    known = [stations.find(name).known() for name in hour.stations]
    capacity = np.array([each.get("capacity", np.nan) for each in known], np.float64)[:, None]
    places = hour.people * (settings.stay_minutes / 60)
    per_cent = {
        "usual": np.round(100 * hour.over_usual, PLACES),
        "record": _percentage(hour.people, record.astype(np.float64)),
        "capacity": _percentage(places, np.broadcast_to(capacity, places.shape)),
    }
    level = find_levels(hour, per_cent[settings.by], settings)
    count = len(hour.targets)
    low, high = band(hour.people, spread)
    facts = {
        name: [each.get(name) for each in known for _ in range(count)]
        for name in ("name", "line", "zone", "latitude", "longitude", "capacity")
    }
    columns = {
        "station_id": schemas.name_array(np.repeat(np.arange(len(known)), count), hour.stations),
        "target": schemas.name_array(np.tile(np.arange(count), len(known)), hour.targets),
        **facts,
        "hour": hour.people,
        "low": low,
        "high": high,
        "usual": hour.usual,
        "record": record,
        **{f"percent_of_{name}": values for name, values in per_cent.items()},
        **hour.factors,
        "level": pa.array(level.ravel(), mask=(level == 0).ravel()),
        "level_name": [settings.labels[i - 1] if i else None for i in level.ravel().tolist()],
        "why": _sentences(hour, wording),
    }
    return pa.table(
        [_array(columns[each.name], each.type) for each in schemas.STATION_LEVELS], schema=schemas.STATION_LEVELS
    )


def find_levels(hour: Hour, per_cent: Double, settings: LevelSettings) -> np.ndarray:  # type: ignore[type-arg]
    """Levels 1 to 5, int8 [S, C]; 0 where what the hour is compared with is not known."""
    level = (1 + np.searchsorted(settings.limits, per_cent, side="right")).astype(np.int8)
    level[np.isnan(per_cent)] = 0
    if settings.by == "usual":
        level[np.abs(hour.people - hour.usual) < settings.least_people] = MIDDLE
    return level


def _percentage(part: Double, whole: Double) -> Double:
    percentage = np.divide(100 * part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return np.asarray(np.round(percentage, PLACES))


def _sentences(hour: Hour, wording: Wording) -> list[str]:
    rows = zip(*(values.ravel().tolist() for values in hour.factors.values()), strict=True)
    names = list(product(hour.stations, hour.targets))
    sentences = []
    known = np.isfinite(hour.usual).ravel().tolist()
    for name, usual, ratio, row in zip(names, known, hour.over_usual.ravel().tolist(), rows, strict=True):
        factors = dict(zip(hour.factors, row, strict=True))
        parts = phrase_parts(factors, wording.span, wording.channels, wording.reasons.get(name, ""))
        sentences.append(explain(wording.day, ratio if usual else None, parts))
    return sentences


def _array(values: pa.Array | np.ndarray | Sequence[Any], kind: pa.DataType) -> pa.Array:  # type: ignore[type-arg]
    if isinstance(values, np.ndarray):
        return pa.array(values.ravel(), from_pandas=True).cast(kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind)
