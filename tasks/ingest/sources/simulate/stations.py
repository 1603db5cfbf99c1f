"""The stations of the simulated city, and what an uneventful day looks like at each of them.

Draws are row-major with a stream to each purpose, so that a larger city begins with the stations of the
smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY = 1440
DISTRICT = 5  # consecutive stations share a line, and its troubles
KINDS = ("interchange", "office", "home", "stadium", "home", "office", "home", "home", "office", "home")
WEEKDAY, FRIDAY, SATURDAY, SUNDAY, HOLIDAY = range(5)
_BY_TRAIN = {"interchange": 0.4, "office": 0.7, "home": 0.8, "stadium": 0.8}  # the rest: many lines overlap
_RAIN_FELT = {"interchange": 0.9, "office": 0.7, "home": 1.0, "stadium": 1.3}

# Columns: home, office, leisure, through.
_MIX = {
    "interchange": (0.5, 0.9, 0.7, 2.6),
    "office": (0.08, 1.5, 0.35, 0.2),
    "home": (1.0, 0.06, 0.25, 0.15),
    "stadium": (0.2, 0.1, 0.5, 0.2),
}
# Bumps: people per minute at the top, centre (hour), width before and after the centre (minutes).
Bump = tuple[float, float, float, float]
_WEEKDAY_BUMPS: tuple[tuple[tuple[Bump, ...], tuple[Bump, ...]], ...] = (
    (
        ((11, 7.65, 45, 42), (2.6, 12.5, 260, 300), (1.6, 18.6, 50, 70)),
        ((10, 17.8, 55, 75), (2.4, 14.5, 260, 150), (2.2, 15.3, 35, 40), (1.7, 21.8, 100, 75)),
    ),
    (
        ((10.5, 17.2, 42, 58), (1.8, 12.2, 30, 70), (2.2, 14.5, 200, 200), (0.9, 21.0, 90, 60)),
        ((12, 8.35, 42, 38), (1.8, 12.9, 50, 45), (1.9, 12.5, 170, 220)),
    ),
    (
        ((2.5, 15.0, 220, 220), (3.2, 22.2, 85, 60)),
        ((2.5, 13.5, 220, 220), (3.6, 18.9, 60, 70)),
    ),
    (
        ((6, 8.0, 55, 55), (6, 17.4, 70, 80), (3, 13.0, 220, 300)),
        ((6, 8.2, 55, 55), (6, 17.5, 70, 80), (3, 13.0, 220, 300)),
    ),
)
_WEEKEND_BUMPS: tuple[tuple[tuple[Bump, ...], tuple[Bump, ...]], ...] = (
    (
        ((3.7, 11.8, 150, 170), (2.6, 18.5, 70, 90), (0.5, 0.3, 60, 80)),
        ((3.4, 17.6, 230, 170), (1.4, 23.2, 90, 60), (1.0, 0.6, 60, 75)),
    ),
    (
        ((1.9, 16.8, 190, 120), (0.6, 22.5, 80, 60), (0.4, 0.4, 60, 60)),
        ((2.0, 12.7, 120, 190), (0.6, 19.0, 60, 60)),
    ),
    (
        ((4.5, 16.9, 170, 150), (4.0, 23.1, 90, 60), (2.4, 0.3, 60, 70)),
        ((4.6, 13.9, 130, 190), (4.0, 19.6, 70, 80)),
    ),
    (
        ((4.5, 13.5, 190, 260), (0.6, 0.3, 60, 80)),
        ((4.5, 13.5, 190, 260), (0.6, 0.4, 60, 80)),
    ),
)
_HOLIDAY_BUMPS: tuple[tuple[tuple[Bump, ...], tuple[Bump, ...]], ...] = (
    (((2.6, 11.2, 90, 130), (1.2, 17.0, 80, 100)), ((1.3, 14.0, 120, 120), (2.6, 19.9, 130, 90))),
    (((0.9, 17.8, 160, 90),), ((0.9, 11.8, 100, 190),)),
    (((3.6, 18.9, 190, 110),), ((4.2, 12.4, 90, 170),)),
    (((2.6, 14.5, 210, 230),), ((2.6, 14.6, 210, 230),)),
)


class Stream(IntEnum):
    """One source of chance to each purpose."""

    STATION, LEVEL, TURNOUT, RAIN, MOOD, LINE, OWN, EVENT, TRAIN, HEADS, SCATTER, FEED, LATENCY = range(13)


def stream(seed: int, purpose: Stream, index: int, row: int = 0) -> np.random.Generator:
    """A generator that depends on its arguments alone (counter-based, so any day costs the same)."""
    key = (int(purpose) << 56) | ((row & 0xFFFFFF) << 32) | (index & 0xFFFFFFFF)
    return np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, key], dtype=np.uint64)))


@dataclass(frozen=True)
class Stations:
    """What each station is for good; arrays are [station]."""

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    rain_felt: Floats
    train_phase: Floats
    by_train: Floats  # share of exits that come in bursts
    wave: Floats  # [station, 6]: amplitude, period in days and phase of two slow waves
    level_span: Ints  # days between possible level shifts
    tables: NDArray[np.float32]  # [target, day kind, station, local minute]: people per minute


def _bumps(bumps: tuple[Bump, ...]) -> Floats:
    minute = np.arange(DAY) + 0.5
    total = np.zeros(DAY)
    for height, hour, before, after in bumps:
        away = minute - hour * 60
        total += height * np.exp(-0.5 * (away / np.where(away < 0, before, after)) ** 2)
    return total


@lru_cache(maxsize=1)
def _profiles() -> Floats:
    """People a minute as [target, day kind, purpose, local minute]."""
    weekday, weekend, holiday = (
        np.array([[_bumps(side) for side in purpose] for purpose in table]).swapaxes(0, 1)
        for table in (_WEEKDAY_BUMPS, _WEEKEND_BUMPS, _HOLIDAY_BUMPS)
    )
    late = np.interp(np.arange(DAY), (0, 900, 1200, DAY), (1, 1, 1.35, 1.5))
    early = np.interp(np.arange(DAY), (0, 900, 1020, DAY), (1, 1.2, 1.0, 1))
    sunday = weekend * np.interp(np.arange(DAY), (0, 600, 1140, DAY), (1, 0.8, 0.72, 0.3))
    kinds = np.stack([weekday, weekday * late * early * 0.94, weekend, sunday, holiday], axis=1)
    night = np.interp(np.arange(DAY), (0, 75, 100, 270, 330, DAY), (1, 0.6, 0.25, 0.25, 1, 1))
    return np.asarray((kinds + 0.08) * night)


@lru_cache(maxsize=4)
def stations(count: int, seed: int) -> Stations:
    """The first `count` stations of the city `seed`; a larger city begins with the same ones."""
    kinds = tuple(KINDS[i % len(KINDS)] for i in range(count))
    draws = stream(seed, Stream.STATION, 0).standard_normal((count, 16))
    uniform = stream(seed, Stream.STATION, 1).random((count, 8))
    size = np.exp(0.45 * draws[:, 0])[:, None]
    mix = np.array([_MIX[kind] for kind in kinds]) * np.exp(0.25 * draws[:, 1:5]) * size
    suburban = np.array([kind == "home" for kind in kinds]) * 14 * uniform[:, 0]
    shift = np.stack([3 * draws[:, 5] - suburban, 3 * draws[:, 5] + suburban])
    minute = np.arange(DAY)
    tables = np.zeros((2, 5, count, DAY), dtype=np.float32)
    for target, station in np.ndindex(2, count):
        at = np.clip(minute - round(float(shift[target, station])), 0, DAY - 1)
        tables[target, :, station] = (mix[station][None, :, None] * _profiles()[target]).sum(axis=1)[:, at]
    yearly = (0.07 * draws[:, 6], 250 + 300 * uniform[:, 1], 7 * uniform[:, 2])
    slower = (0.05 * draws[:, 7], 500 + 700 * uniform[:, 3], 7 * uniform[:, 4])
    return Stations(
        kinds,
        tuple(f"S{i:03d}-{kind}" for i, kind in enumerate(kinds)),
        np.array([_RAIN_FELT[kind] for kind in kinds]),
        uniform[:, 5],
        np.array([_BY_TRAIN[kind] for kind in kinds]),
        np.stack([*yearly, *slower], axis=1),
        (70 + 120 * uniform[:, 6]).astype(np.int64),
        tables,
    )
