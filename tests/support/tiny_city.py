"""Three stations for six weeks, small enough to train on in moments; some hours and one whole day are missing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.large_arrays import copy_array
from tasks.settings.tree import FeatureSettings, Settings

INTERVAL, WEEKS, STATIONS, TARGETS = 5, 6, ("central", "harbour", "museum"), ("entries", "exits")
START = np.datetime64("2024-01-01T00:00", "m")
AS_OF = START + np.timedelta64(7 * WEEKS, "D")
DAY = 1440 // INTERVAL
CONFIG = {"units": 8, "embedding": 2, "epochs": 3, "batch": 64, "max_samples": 1500, "max_validation": 300}


def settings(data_root: str = ".nexthour") -> Settings:
    """Short parts, coarse origins, a network of a few cells."""
    return Settings(
        data_root=data_root,
        network={"interval_minutes": INTERVAL},
        features={"weeks": 4},
        retrain={"train_days": 21, "validation_days": 4, "holdout_days": 4, "origin_minutes": 45},
        models={"next_hour_lstm": CONFIG},
    )


@cache
def grid() -> Grid:
    """Counts with two peaks a day, quiet weekends, days at levels of their own, and people who come in groups."""
    rng = np.random.default_rng(11)
    step = np.arange(7 * WEEKS * DAY)
    turn = 2 * np.pi * (step % DAY) / DAY
    shape = np.maximum(0.1, 1 - np.cos(turn) - 0.8 * np.cos(2 * turn)) * np.where(step // DAY % 7 < 5, 1, 0.5)
    level = np.repeat(rng.lognormal(0, 0.25, 7 * WEEKS), DAY)
    rates = np.array([12, 4, 1])[:, None] * shape * level
    both = np.stack([rates, np.roll(rates, 6, axis=1)])
    values = rng.poisson(both * rng.gamma(3, 1 / 3, both.shape)).astype(np.float32)
    values[:, 1, 10 * DAY : 11 * DAY] = np.nan
    values[:, 2, 9 * DAY + 30 : 9 * DAY + 60] = np.nan
    return Grid(values, START, INTERVAL, STATIONS, TARGETS)


def mapped_features(folder: Path) -> MinuteFeatures:
    """The features of the city with its counts in a file, as those of a network too large for memory."""
    city = replace(grid(), values=copy_array(grid().values, folder), mapped=folder)
    return MinuteFeatures(city, "UTC", FeatureSettings(weeks=4))


def features(values: np.ndarray | None = None, delay: int = 0) -> MinuteFeatures:
    """The real features of the city, or of other counts on its grid; the last steps may not have arrived."""
    city = grid()
    other = city if values is None else Grid(values, city.start, city.interval, city.stations, city.targets)
    return MinuteFeatures(other, "UTC", FeatureSettings(weeks=4), delay_steps=delay)
