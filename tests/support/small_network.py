"""A small network for fits that take moments: three stations that live and one of each odd kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasks.arrays import Minutes
from tasks.channels import Channel
from tasks.contracts import Split, Tensors
from tasks.grid import Grid

INTERVAL, WEEKS, RECENT, HORIZON = 15, 3, 4, 4
STATIONS = ("big", "closed", "lost", "middle", "small")
TARGETS = ("entries", "exits")
DAY = 1440 // INTERVAL
WEEK = 7 * DAY


def grid(seed: int = 0) -> Grid:
    """Six weeks of counts; "closed" is always zero, "lost" is never observed."""
    rng = np.random.default_rng(seed)
    steps = 6 * WEEK
    shape = 1 + np.sin(2 * np.pi * np.arange(steps) / DAY) ** 2 + (np.arange(steps) % WEEK < 5 * DAY)
    rates = np.array([20, 0, 0, 6, 0.5])[:, None] * shape
    values = rng.poisson(np.stack([rates, 0.8 * rates])).astype(np.float32)
    values[:, 2] = np.nan
    values[rng.random(values.shape) < 0.02] = np.nan
    return Grid(values, np.datetime64("2024-01-01T00:00", "m"), INTERVAL, STATIONS, TARGETS)


def origins(first_day: float, last_day: float) -> Minutes:
    """Every 45 minutes between two days of the grid."""
    days = np.arange(round(first_day * DAY), round(last_day * DAY), 3)
    return np.asarray(np.datetime64("2024-01-01T00:00", "m") + days * np.timedelta64(INTERVAL, "m"))


SPLIT = Split(origins(22, 36), origins(36.1, 38), origins(38.1, 40))


class SmallFeatures:
    """`contracts.Features` over the grid, written plainly; the time zone is UTC and there are no holidays."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.extra: tuple[Channel, ...] = ()

    def tensors(self, origins: Minutes, stations: Sequence[int] | None = None) -> Tensors:
        at = self.grid.index(origins)
        window = np.arange(-RECENT, HORIZON)
        values = self.grid.values if stations is None else self.grid.values[:, stations]
        names = STATIONS if stations is None else tuple(STATIONS[s] for s in stations)
        lags = np.stack([_pick(values, at[:, None] + window - k * WEEK) for k in range(1, WEEKS + 1)])
        seen = ~np.isnan(lags)
        with np.errstate(invalid="ignore"):
            profile = (np.where(seen, lags, 0).sum(0) / seen.sum(0)).astype(np.float32)
        recent = _pick(values, at[:, None] + window[:RECENT])
        past = profile[..., :RECENT]
        both = ~np.isnan(recent + past)
        level = (np.where(both, recent, 0).sum(-1) + 10) / (np.where(both, past, 0).sum(-1) + 10)
        calendar = np.zeros((len(at), HORIZON, len(Tensors.CALENDAR)), np.float32)
        turn = 2 * np.pi * (at[:, None] + window[RECENT:]) / DAY
        calendar[..., :4] = np.stack([np.sin(turn), np.cos(turn), np.sin(2 * turn), np.cos(2 * turn)], axis=-1)
        return Tensors(origins, lags, recent, profile, level.astype(np.float32), calendar, names, TARGETS, INTERVAL)

    def truth(self, origins: Minutes) -> np.ndarray:
        return _pick(self.grid.values, self.grid.index(origins)[:, None] + np.arange(HORIZON))


def _pick(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values [target, station, step] at [origin, step] as [target, origin, station, step]; NaN outside."""
    inside = (at >= 0) & (at < values.shape[2])
    picked = np.where(inside, values[:, :, np.where(inside, at, 0)], np.nan)
    return np.ascontiguousarray(picked.swapaxes(1, 2), dtype=np.float32)


def blank(tensors: Tensors, *, recent: bool = False, lags: bool = False) -> Tensors:
    """The tensors with nothing observed in the recent hours, in the weeks, or both."""
    if recent:
        tensors = replace(tensors, recent=np.full_like(tensors.recent, np.nan), level=np.ones_like(tensors.level))
    if lags:
        tensors = replace(
            tensors,
            lags=np.full_like(tensors.lags, np.nan),
            profile=np.full_like(tensors.profile, np.nan),
            level=np.ones_like(tensors.level),
        )
    return tensors
