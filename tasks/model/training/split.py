"""Which origins train, validate and judge: split by time, the newest days held out."""

from __future__ import annotations

import math

import numpy as np

from tasks.arrays import HORIZON_MINUTES, Minutes
from tasks.contracts import Split
from tasks.errors import HistoryError
from tasks.settings.tree import RetrainSettings

DAY = np.timedelta64(1440, "m")
LAG_DAYS = 7
"""History before the first origin, without which it has no weekly lag; of short histories `LAG_SHARE` at most."""
LAG_SHARE = 3
LEAST_DAYS = 6
"""History without which no part of the split would have a day."""
HELD_SHARE = 4
"""Of short histories, validation and hold-out take at most one in so many days each."""


def time_split(
    as_of: np.datetime64,
    first_minute: np.datetime64,
    settings: RetrainSettings,
    interval: int,
    gap_minutes: int = HORIZON_MINUTES,
) -> Split:
    """Origins of training, validation and hold-out, in that order of time; the hold-out may have no days.

    The last hour ends by `as_of`. Hold-out and validation are whole days (24 hours, counted back from the last
    origin's end); between the parts no origin is within `gap_minutes`, so that no hour of one part reaches into the
    next. A short history shortens every part.

    Args:
        as_of: UTC; nothing at or after it is used.
        first_minute: first minute observed, UTC.
        settings: days of each part, distance of origins.
        interval: minutes per step; origins lie on it.
        gap_minutes: at least the horizon; add what a forecast looks back on to keep that apart, too.

    Raises:
        HistoryError: states how much history there is and how much is needed.
    """
    _require(as_of, first_minute, settings)
    step = np.timedelta64(interval, "m")
    end = _whole(as_of.astype("datetime64[m]"), interval) - np.timedelta64(HORIZON_MINUTES, "m") + step
    first = _whole(first_minute.astype("datetime64[m]"), interval)
    begin = first + lag_days((end - first) / DAY) * DAY
    usable = (end - begin) / DAY
    held = max(math.floor(usable / HELD_SHARE), 1)
    gap = -(-max(gap_minutes, HORIZON_MINUTES) // interval) * step - step
    holdout = end - min(settings.holdout_days, held) * DAY
    validation_end = holdout - gap if holdout < end else end
    validation = validation_end - min(settings.validation_days, held) * DAY
    train_end = validation - gap
    train = max(begin, train_end - settings.train_days * DAY)
    every = -(-settings.origin_minutes // interval) * step
    parts = ((train, train_end), (validation, validation_end), (holdout, end))
    return Split(*(_origins(a, b, step, every) for a, b in parts))


def lag_days(days: float) -> int:
    """Whole days at the start of a history of so many, in which no origin trains."""
    return min(LAG_DAYS, math.floor(days / LAG_SHARE))


def _require(as_of: np.datetime64, first_minute: np.datetime64, settings: RetrainSettings) -> None:
    days = float((as_of.astype("datetime64[m]") - first_minute.astype("datetime64[m]")) / DAY)
    needed = max(settings.minimum_days, LEAST_DAYS)
    if days < needed:
        raise HistoryError(
            f"training needs {needed} days of history and there are {max(days, 0):.1f} "
            f"({first_minute.astype('datetime64[m]')}Z to {as_of.astype('datetime64[m]')}Z): "
            "ingest or backfill more, or lower [retrain] minimum_days"
        )


def _whole(minute: np.datetime64, interval: int) -> np.datetime64:
    """Start of the step that a minute lies in."""
    return np.datetime64(minute - np.timedelta64(int(minute.astype(np.int64)) % interval, "m"))


def _origins(start: np.datetime64, end: np.datetime64, step: np.timedelta64, every: np.timedelta64) -> Minutes:
    """Origins from `start` to before `end`, counted back from the last step before it."""
    last = end - step
    count = max(math.floor((last - start) / every) + 1, 0)
    return np.asarray(last - np.arange(count)[::-1] * every, dtype="datetime64[m]")
