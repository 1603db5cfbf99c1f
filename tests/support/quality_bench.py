"""A small town as the quality checks see it, whose counts a test may spoil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.clock import day_bounds
from tasks.quality.checks import run_check
from tasks.quality.context import Seen
from tasks.quality.results import QualityResult
from tasks.settings.tree import Settings
from tasks.tables import schemas

ZONE = "America/Chicago"
TODAY = np.datetime64("2024-05-10")
NOW = np.datetime64("2024-05-11T09:00", "s")  # 04:00 local time of the day after
STATIONS = ("A", "B", "C", "D")
TARGETS = ("entries", "exits")
DAY = np.timedelta64(1, "D")
PEOPLE = (3.0, 6.0, 12.0, 1.0)


@dataclass
class Facts:
    """What an ingest says of a source."""

    source: str = "city"
    rows: int = 1000
    rejected: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    last_minute: str | None = f"{NOW - np.timedelta64(2, 'm')}Z"
    days: tuple[str, ...] = (str(TODAY),)


class Town:
    """Five weeks of four stations up to `TODAY`: entries and exits [target, station, minute] by service day."""

    def __init__(self, interval: int = 5, weeks: int = 5, **quality: Any) -> None:
        rng = np.random.default_rng(3)
        self.interval = interval
        network = {"name": "town", "timezone": ZONE, "interval_minutes": interval}
        self.settings = Settings(network=network, quality=quality)
        self.counts: dict[str, np.ndarray] = {}
        for day in np.arange(TODAY - 7 * weeks * DAY, TODAY + DAY):
            steps = len(self.minutes(day))
            shape = 1.2 - np.cos(2 * np.pi * np.arange(steps) / steps)
            rate = np.array(PEOPLE)[None, :, None] * shape * interval / 5
            self.counts[str(day)] = rng.poisson(np.broadcast_to(rate, (2, len(PEOPLE), steps))).astype(float)
        self.stations: dict[str, tuple[str, ...]] = dict.fromkeys(self.counts, STATIONS)
        self.said: dict[str, np.datetime64 | None] = {"city": NOW.astype("datetime64[m]") - np.timedelta64(7, "m")}
        self.known: dict[str, str] | None = dict.fromkeys(STATIONS, str(TODAY - DAY))
        self.facts: tuple[Facts, ...] = (Facts(),)
        self.backfill = False

    def minutes(self, day: np.datetime64) -> np.ndarray:
        return self.minutes_by(self.interval, day)

    def minutes_by(self, interval: int, day: np.datetime64) -> np.ndarray:
        return np.arange(*day_bounds(day, ZONE), np.timedelta64(interval, "m"))

    def hour(self, first: int, last: int) -> slice:
        """Steps of some hours of a day without a clock change."""
        return slice(first * 60 // self.interval, last * 60 // self.interval)

    @property
    def today(self) -> np.ndarray:
        return self.counts[str(TODAY)]

    def table(self, day: str) -> pa.Table:
        """Rows of the minute table of a service day; NaN for both targets is no row."""
        if day not in self.counts:
            return schemas.minutes(TARGETS).empty_table()
        values, minutes = self.counts[day], self.minutes(np.datetime64(day))
        station, step = np.nonzero(np.isfinite(values).any(axis=0))
        counts = [pa.array(values[c, station, step], from_pandas=True).cast(pa.int32()) for c in range(2)]
        names = schemas.name_array(station, self.stations[day])
        return pa.Table.from_arrays(
            [names, schemas.time_array(minutes[step]), *counts], schema=schemas.minutes(TARGETS)
        )

    def seen(self, days: tuple[str, ...] = (str(TODAY),), now: np.datetime64 = NOW) -> Seen:
        return Seen(self.settings, now, self.facts, days, self.table, lambda: self.said, self.known, self.backfill)

    def results(self, check: str, **more: Any) -> list[QualityResult]:
        return run_check(check, self.seen(**more))


def subjects(results: list[QualityResult]) -> list[str]:
    """What is warned of; no check may have failed."""
    assert not any(r.broken for r in results), results
    return [r.subject for r in results if r.status == "warning"]
