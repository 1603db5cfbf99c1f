"""A simulated city: what its gates would have counted, and when each count became known.

The same station and minute has the same counts and the same availability whatever window is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.clock import to_utc
from tasks.errors import ConfigError
from tasks.ingest.sources.simulate.demand import HALO, Window, rates, window
from tasks.ingest.sources.simulate.stations import DAY, Floats, Ints, Stream, stations, stream

Codes = npt.NDArray[np.int32]
Times = npt.NDArray[np.datetime64]
Flags = npt.NDArray[np.bool_]

_OUTAGE_CHANCE, _ALL_DAY = 0.012, 0.08  # of a station and UTC day; of an outage
_LATE_CHANCE, _LOW_CHANCE = 0.12, 0.03
_UPLOAD = 10  # minutes between the end of a late stretch and its arrival
_MORNING = 6 * 60  # local minute of the next service day


@dataclass(frozen=True)
class City:
    """Which city: the same values give the same city, and more stations leave the first ones as they were.

    Raises:
        ConfigError: if there are not 1 to 2000 stations, or the interval is not one of a network.
    """

    stations: int = 20
    seed: int = 7
    timezone: str = "America/Chicago"
    country: str | None = "US"
    subdivision: str | None = None
    interval_minutes: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.stations <= 2_000:
            raise ConfigError(f"the simulated city has {self.stations} stations: give it 1 to 2000")
        if self.interval_minutes not in (1, 5, 10, 15, 20, 30, 60):
            raise ConfigError(f"interval_minutes is {self.interval_minutes}: use 1, 5, 10, 15, 20, 30 or 60")


@dataclass(frozen=True)
class Observed:
    """Columns of equal length, sorted by station, minute and availability.

    Attributes:
        stations: name of each station code.
        station_id: station code, int32.
        minute_utc: start of the counted interval, datetime64[m].
        entries: people, int32.
        exits: people, int32.
        available_at: when the count was known, datetime64[s]. A corrected minute has two rows.
    """

    stations: tuple[str, ...]
    station_id: Codes
    minute_utc: Times
    entries: Codes
    exits: Codes
    available_at: Times

    def __len__(self) -> int:
        return len(self.station_id)

    def _take(self, rows: Flags | Ints) -> Observed:
        return Observed(self.stations, *(getattr(self, f.name)[rows] for f in fields(self)[1:]))


def simulate(city: City, start: np.datetime64, end: np.datetime64) -> Observed:
    """Everything ever stated about the minutes from `start` to before `end` (UTC).

    Raises:
        ConfigError: if the time zone, country or subdivision is unknown.
    """
    days = list(simulate_days(city, start, end))
    if not days:
        return _observe(city, 0)._take(np.zeros(0, dtype=np.int64))
    whole = Observed(
        days[0].stations, *(np.concatenate([getattr(d, f.name) for d in days]) for f in fields(Observed)[1:])
    )
    return whole._take(np.argsort(whole.station_id.astype(np.uint16), kind="stable"))


def simulate_days(city: City, start: np.datetime64, end: np.datetime64) -> Iterator[Observed]:
    """As `simulate`, one UTC day at a time: memory stays that of a day."""
    first, last = (int(t.astype("datetime64[m]").astype(np.int64)) for t in (start, end))
    for day in range(first // DAY, -(-last // DAY) if last > first else first // DAY):
        seen = _observe(city, day)
        if first > day * DAY or last < (day + 1) * DAY:
            minute = seen.minute_utc.astype(np.int64)
            seen = seen._take((minute >= first) & (minute < last))
        yield seen


def _observe(city: City, day: int) -> Observed:
    """One UTC day (days since 1970)."""
    at = window(day, city.timezone, city.country, city.subdivision)
    known = stations(city.stations, city.seed)
    silent, arrives, share = _feed(city, day)
    heard_of = ~_by_interval(silent, city).any(axis=2).ravel()
    truth, first = [], []
    for target, rate in enumerate(rates(city.seed, known, at)):
        counts = _count(rate, city.seed, day, target)
        truth.append(_by_interval(counts, city).sum(axis=2).ravel())
        first.append(_by_interval(np.floor(counts * share), city).sum(axis=2).ravel())
    low = (first[0] < truth[0]) | (first[1] < truth[1])
    row = np.repeat(np.arange(len(low)), np.where(heard_of, 1 + low, 0))
    again = np.append(False, row[1:] == row[:-1])
    station, place = np.divmod(row, DAY // city.interval_minutes)
    arrived = 60 * DAY * day + _by_interval(arrives, city).max(axis=2).ravel()[row]
    mended = _corrected_at(at, city)[place * city.interval_minutes] + 7 * station % 600
    entries, exits = (np.where(again, t[row], f[row]) for t, f in zip(truth, first, strict=True))
    return Observed(
        known.names,
        station.astype(np.int32),
        (day * DAY + place * city.interval_minutes).astype("datetime64[m]"),
        entries.astype(np.int32),
        exits.astype(np.int32),
        np.where(again, mended, arrived).astype("datetime64[s]"),
    )


def _by_interval(minutes: npt.NDArray[Any], city: City) -> npt.NDArray[Any]:
    """[station, minute] as [station, interval, minute of the interval]."""
    return minutes.reshape(city.stations, -1, city.interval_minutes)


def _count(rate: Floats, seed: int, day: int, target: int) -> Ints:
    """Poisson heads, a little over-dispersed."""
    noise = stream(seed, Stream.SCATTER, day, target).standard_normal(rate.shape, dtype=np.float32)
    scattered = rate * np.clip(1 + 0.1 * noise, 0.5, 1.5)
    return np.asarray(stream(seed, Stream.HEADS, day, target).poisson(scattered), dtype=np.int64)


def _corrected_at(at: Window, city: City) -> Ints:
    """When a first count of each minute of the UTC day is put right if low, in seconds since 1970."""
    out = np.empty(len(at.local), dtype=np.int64)
    for local_date, _, steps in at.runs:
        morning = np.array([(local_date + 1) * DAY + _MORNING]).astype("datetime64[m]")
        out[steps] = to_utc(morning, city.timezone).astype(np.int64)
    return out[HALO : HALO + DAY]


def _feed(city: City, day: int) -> tuple[Flags, Ints, Floats]:
    """What the feed does to the day's minutes, each [station, minute].

    Returns:
        Which never arrive; when they arrive, in seconds after UTC midnight; the share first counted.
    """
    shape = (city.stations, DAY)
    latency = stream(city.seed, Stream.LATENCY, day).integers(3, 45, shape, dtype=np.uint8).astype(np.int64)
    arrives = 60 * (np.arange(DAY) + 1) + latency
    silent, share = np.zeros(shape, dtype=bool), np.ones(shape)
    for earlier in (1, 0):
        luck = stream(city.seed, Stream.FEED, day - earlier).random((city.stations, 10))
        begins = DAY * (luck[:, :3] - earlier)
        for station in np.flatnonzero(luck[:, 3] < _OUTAGE_CHANCE):
            length = DAY if luck[station, 6] < _ALL_DAY else 45 + 400 * luck[station, 7] ** 2
            silent[station, _stretch(begins[station, 0], length)] = True
        for station in np.flatnonzero(luck[:, 4] < _LATE_CHANCE):
            part = _stretch(begins[station, 1], 1 + 79 * luck[station, 8])
            arrives[station, part] = 60 * (int(begins[station, 1] + 79 * luck[station, 8]) + 1 + _UPLOAD)
            arrives[station, part] += latency[station, part]
        for station in np.flatnonzero(luck[:, 5] < _LOW_CHANCE):
            part = _stretch(begins[station, 2], 15 + 200 * luck[station, 9])
            share[station, part] = 0.3 + 0.5 * luck[station, 6]
    return silent, arrives, share


def _stretch(start: float, length: float) -> slice:
    """The minutes of a stretch that fall inside the day."""
    return slice(max(0, int(start)), max(0, int(start + length)))
