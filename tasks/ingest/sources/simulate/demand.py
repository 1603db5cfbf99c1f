"""How busy the simulated city is on a given day: trends, weather, events and trains.

Everything is a function of the seed and the absolute date, never of the window asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np

from tasks.clock import holiday_dates, to_local
from tasks.ingest.sources.simulate.stations import (
    DAY,
    DISTRICT,
    FRIDAY,
    HOLIDAY,
    KINDS,
    SATURDAY,
    SUNDAY,
    WEEKDAY,
    Floats,
    Ints,
    Stations,
    Stream,
    stream,
)

HALO = 60  # minutes computed either side of a UTC day and cut off, so that trains cross midnight unharmed
_SPAN = DAY + 2 * HALO
_TRAVEL = 20  # minutes between entering and leaving: exits follow the mood of entries
_WARM_UP = 4  # days of noise before the day asked for; many times the longest memory
_DAY_KINDS = (WEEKDAY, WEEKDAY, WEEKDAY, WEEKDAY, FRIDAY, SATURDAY, SUNDAY)
_BUSY = (0.96, 1.02, 1.03, 1.01, 0.97, 1.0, 1.0)  # Monday first
_EVENT_CHANCE = (0.06, 0.12, 0.16, 0.16, 0.3, 0.4, 0.22)
_UNLOADING = (0.5, 0.3, 0.14, 0.06)  # share of a train's people through the gates, by minute


@dataclass(frozen=True)
class Window:
    """A UTC day with its halo: local wall-clock minutes since 1970 [step], and runs of one local date."""

    day: int
    local: Ints
    runs: tuple[tuple[int, int, slice], ...]  # local date (days since 1970), day kind, steps


def window(day: int, timezone: str, country: str | None, subdivision: str | None) -> Window:
    """The UTC day `day` (days since 1970) as the wall clock sees it."""
    steps = np.datetime64(day * DAY - HALO, "m") + np.arange(_SPAN).astype("timedelta64[m]")
    local = to_local(steps, timezone).astype(np.int64)
    dates = local // DAY
    edges = [0, *(np.flatnonzero(np.diff(dates)) + 1).tolist(), _SPAN]
    runs = tuple(
        (int(dates[a]), _day_kind(int(dates[a]), country, subdivision), slice(a, b)) for a, b in pairwise(edges)
    )
    return Window(day, local, runs)


def _day_kind(local_date: int, country: str | None, subdivision: str | None) -> int:
    here = _date(local_date)
    return HOLIDAY if here in _red_days(country, subdivision, here.year) else _DAY_KINDS[here.weekday()]


@lru_cache(maxsize=64)
def _red_days(country: str | None, subdivision: str | None, year: int) -> frozenset[date]:
    return holiday_dates(country, subdivision, np.datetime64(f"{year}-01-01"), np.datetime64(f"{year}-12-31"))


def _date(days: int) -> date:
    return date(1970, 1, 1) + timedelta(days=days)


def rates(seed: int, city: Stations, at: Window) -> tuple[Floats, Floats]:
    """Expected entries and exits a minute over the UTC day, each [station, minute]."""
    moods = _hourly_log(seed, city, at.day)
    busy = {run[0]: _daily_log(seed, city, run[0], run[1]) for run in at.runs}
    both = []
    for target, delay in ((0, 0), (1, _TRAVEL)):
        log = _to_minutes(moods, delay)
        shape = np.empty_like(log)
        for local_date, kind, steps in at.runs:
            log[:, steps] += busy[local_date][:, None]
            minute = at.local[steps] % DAY + round(2.0 * _turnout(seed, local_date)[1])
            shape[:, steps] = city.tables[target, kind][:, np.clip(minute, 0, DAY - 1)]
        both.append(shape * np.exp(log))
    for station, entries, exits in _events(seed, city, at):
        both[0][station] += entries
        both[1][station] += exits
    return both[0][:, HALO:-HALO], _by_train(both[1], seed, city, at)


def _hourly_log(seed: int, city: Stations, day: int) -> Floats:
    """Log factor by hour, [station, 30], from two hours before the UTC day."""
    count = len(city.kinds)
    districts = -(-count // DISTRICT)
    wet = np.clip(_persistent(seed, Stream.RAIN, day, 1, memory=8.0) - 0.9, 0, 1.6)
    mood = _persistent(seed, Stream.MOOD, day, 1, memory=7.0)
    line = _persistent(seed, Stream.LINE, day, districts, memory=4.0)[np.arange(count) // DISTRICT]
    own = _persistent(seed, Stream.OWN, day, count, memory=3.0)
    return 0.045 * mood + 0.06 * line + 0.06 * own - 0.27 * city.rain_felt[:, None] * wet


def _persistent(seed: int, purpose: Stream, day: int, rows: int, memory: float) -> Floats:
    """Unit noise with a memory of so many hours, [row, 30 hours] from two hours before the UTC day."""
    blocks = [_hourly_noise(seed, purpose, d, rows) for d in range(day - _WARM_UP, day + 2)]
    noise = np.concatenate(blocks, axis=1)
    keep, first = np.exp(-1 / memory), _WARM_UP * 24 - 2
    state, out = noise[:, 0], np.empty((rows, 30))
    for hour in range(1, first + 30):
        state = keep * state + np.sqrt(1 - keep**2) * noise[:, hour]
        if hour >= first:
            out[:, hour - first] = state
    return out


@lru_cache(maxsize=64)
def _hourly_noise(seed: int, purpose: Stream, day: int, rows: int) -> Floats:
    return stream(seed, purpose, day).standard_normal((rows, 24))


def _to_minutes(hourly: Floats, delay: int) -> Floats:
    """Hours from two before the day, [station, 30], as [station, step] over the window, `delay` later."""
    at = (np.arange(_SPAN) + 120 - HALO - delay) / 60
    hour = at.astype(np.int64)
    share = at - hour
    return np.asarray(hourly[:, hour] * (1 - share) + hourly[:, hour + 1] * share)


def _daily_log(seed: int, city: Stations, local_date: int, kind: int) -> Floats:
    """Log factor of a local date at each station: season, weekday, turnout, slow waves and level shifts."""
    here = _date(local_date)
    day_of_year = here.timetuple().tm_yday
    year_end = min(abs(day_of_year - 362), day_of_year + 3)
    season = 0.05 * np.cos(2 * np.pi * (day_of_year - 285) / 365.25) - 0.2 * np.exp(-((year_end / 5) ** 2))
    network = season + 0.03 * _turnout(seed, local_date)[0]
    if kind != HOLIDAY:
        network += float(np.log(_BUSY[here.weekday()]))
    height, period, phase = city.wave[:, ::3], city.wave[:, 1::3], city.wave[:, 2::3]
    waves = (height * np.sin(2 * np.pi * local_date / period + phase)).sum(axis=1)
    shifts = [_level(seed, i, (local_date + 37 * i) // int(span)) for i, span in enumerate(city.level_span)]
    return np.asarray(network + waves + np.array(shifts))


@lru_cache(maxsize=4096)
def _turnout(seed: int, local_date: int) -> tuple[float, float]:
    """How the whole network's day differs: its size, and how late its peaks are. Remembered over days."""
    past = [stream(seed, Stream.TURNOUT, local_date - back).standard_normal(2) for back in range(10)]
    size = sum(0.6**back * float(draw[0]) for back, draw in enumerate(past))
    return size, float(np.clip(past[0][1], -2.5, 2.5))


@lru_cache(maxsize=8192)
def _level(seed: int, station: int, era: int) -> float:
    """Log level of a station over one era: half the eras are ordinary, the others are not."""
    chance, size = stream(seed, Stream.LEVEL, era, station).standard_normal(2)
    return float(np.clip(0.14 * size, -0.4, 0.4)) if chance > 0 else 0.0


def _events(seed: int, city: Stations, at: Window) -> Iterator[tuple[int, Floats, Floats]]:
    """Stadium crowds in the window: station, extra entries and extra exits [step]; neighbours get a share.

    A stadium that the city is too small to count still sends its neighbours theirs.
    """
    first, last = at.runs[0][0], at.runs[-1][0]
    reach = -(-len(city.kinds) // DISTRICT) * DISTRICT
    for station in (i for i in range(reach) if KINDS[i % len(KINDS)] == "stadium"):
        for local_date in range(first - 1, last + 1):
            chance, hour, length, crowd = stream(seed, Stream.EVENT, local_date, station).random(4)
            weekday = _date(local_date).weekday()
            if chance > _EVENT_CHANCE[weekday]:
                continue
            start = 60 * (14.5 if weekday > 4 and hour < 0.35 else (19, 19.5, 20)[int(hour * 3)])
            minute = (at.local - local_date * DAY - start).astype(np.float64)
            exits = _crowd(minute, -32, 40, 16) * (1100 + 3800 * crowd**1.5)
            entries = _crowd(minute, 130 + 50 * length, 6, 20) * (1050 + 3600 * crowd**1.5)
            near = station - station % DISTRICT
            for other in range(near, min(near + DISTRICT, len(city.kinds))):
                share = 1.0 if other == station else 0.05
                yield other, share * entries, share * exits


def _crowd(minute: Floats, top: float, before: float, after: float) -> Floats:
    """A lopsided bump over the minutes, of area one."""
    away = minute - top
    bump = np.exp(-0.5 * (away / np.where(away < 0, before, after)) ** 2)
    return np.asarray(bump / (np.sqrt(np.pi / 2) * (before + after)))


def _by_train(exits: Floats, seed: int, city: Stations, at: Window) -> Floats:
    """The same exits, most of them in the minutes after trains arrive; [station, minute] without the halo."""
    number = np.floor(_timetable(at)[None, :] + city.train_phase[:, None])
    is_first = np.ones(number.shape, dtype=bool)
    is_first[:, 1:] = number[:, 1:] != number[:, :-1]
    starts = np.flatnonzero(is_first)
    luck = stream(seed, Stream.TRAIN, at.day)
    delay, crowding = luck.random((len(starts), 2)).T
    load = np.add.reduceat(exits.ravel(), starts) * (0.65 + 0.7 * crowding)
    ends = np.append(starts[1:], exits.size)
    row = starts // _SPAN
    arrives = (ends - row * _SPAN) + np.minimum(-1.1 * np.log1p(-delay), 7).astype(np.int64)
    width = _SPAN + 16
    out = np.zeros(len(city.kinds) * width)
    for minute, share in enumerate(_UNLOADING):
        out += np.bincount(row * width + arrives + minute, weights=share * load, minlength=out.size)
    bursts, day, bursting = out.reshape(-1, width), slice(HALO, HALO + DAY), city.by_train[:, None]
    return np.asarray(bursting * bursts[:, day] + (1 - bursting) * exits[:, day])


def _timetable(at: Window) -> Floats:
    """Trains run since an arbitrary start, [step]; a local date begins on a whole train."""
    out = np.empty(_SPAN)
    for local_date, kind, steps in at.runs:
        out[steps] = _departures(kind <= FRIDAY)[at.local[steps] % DAY] + 1000.0 * local_date
    return out


@lru_cache(maxsize=2)
def _departures(weekday: bool) -> Floats:
    """Trains run since local midnight, by local minute."""
    hours = (0, 5, 6.5, 9.5, 15.5, 19, 22, 24) if weekday else (0, 5, 9, 20, 24)
    headways = (20, 10, 4, 7, 4, 8, 12) if weekday else (20, 12, 8, 12)
    span = np.searchsorted(np.array(hours[1:]) * 60, np.arange(DAY), side="right")
    return np.asarray(np.cumsum(1 / np.array(headways, dtype=float)[span]))
