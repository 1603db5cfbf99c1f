"""Three stations whose people stay away by half in hours of rain, which no calendar tells; forecasts of it do."""

from __future__ import annotations

from functools import cache

import numpy as np

from tasks.arrays import Minutes
from tasks.channels import Channel
from tasks.contracts import Split
from tasks.features.channel_tensors import Channels
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.settings.tree import FeatureSettings

INTERVAL, DAYS, STATIONS, TARGETS = 15, 42, ("dock", "mill", "park"), ("entries",)
START = np.datetime64("2024-03-04T00:00", "m")
HOURS = START + np.arange(24 * DAYS + 24) * np.timedelta64(60, "m")
WET = 4.0
"""Millimetres where it rains."""


@cache
def wet() -> np.ndarray:
    """Whether it rains in each of `HOURS`: a quarter of them, in spells of two hours."""
    return np.repeat(np.random.default_rng(5).random(-(-len(HOURS) // 2)) < 0.25, 2)[: len(HOURS)]


@cache
def grid() -> Grid:
    rng, steps = np.random.default_rng(6), DAYS * 1440 // INTERVAL
    turn = 2 * np.pi * (np.arange(steps) * INTERVAL % 1440) / 1440
    rates = np.array([60, 25, 10])[:, None] * (1.2 - np.cos(turn)) * np.where(np.repeat(wet(), 4)[:steps], 0.5, 1)
    return Grid(rng.poisson(rates)[None].astype(np.float32), START, INTERVAL, STATIONS, TARGETS)


def rain(name: str = "rain") -> Channel:
    """A day ahead it is a guess, wrong in a third of the hours; two hours ahead it is right."""
    guessed = wet() ^ (np.random.default_rng(7).random(len(HOURS)) < 0.35)
    at = HOURS.astype(np.int64)
    start, available = np.tile(at, 2), np.concatenate([at - 1440, at - 120])
    values = np.where(np.concatenate([guessed, wet()]), WET, 0).astype(np.float32)
    return Channel(name, 60, start, available, values, np.zeros(len(start), np.int32))


def features(*channels: Channel) -> MinuteFeatures:
    settings = FeatureSettings(weeks=3, recent_minutes=60)
    return MinuteFeatures(grid(), "UTC", settings, channels=Channels(channels, grid()))


def origins(first_day: float, last_day: float, every: int = 45) -> Minutes:
    start, stop = (
        START + np.timedelta64(round(day * 1440 / INTERVAL) * INTERVAL, "m") for day in (first_day, last_day)
    )
    return np.arange(start, stop, np.timedelta64(every, "m"))


SPLIT = Split(origins(22, 35), origins(35.2, 38), origins(38.2, 41.9))
