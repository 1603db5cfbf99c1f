"""Overrides by hand: what the command and the flow `override` do. Free of Prefect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.errors import ConfigError, nearest_key
from tasks.overrides.entry import Override, Removal
from tasks.overrides.ledger import add_override, find_stations, remove_override
from tasks.overrides.report import OverrideResult, review_overrides
from tasks.settings.tree import Settings
from tasks.stations.load import load_station_table
from tasks.storage.store import Store


@dataclass(frozen=True)
class Wish:
    """What a person wants to change.

    Attributes:
        who, why: for the ledger and for readers of the forecast.
        factor: of the forecast's people.
        start, end: UTC moments; from and to before.
        station: its id or name; `line`: all stations of a line. One of the two.
        target: the target it is about; None for all.
    """

    who: str
    why: str
    factor: float
    start: np.datetime64
    end: np.datetime64
    station: str | None = None
    line: str | None = None
    target: str | None = None


def add(settings: Settings, now: np.datetime64, wish: Wish) -> Override:
    """Add an override to the ledger; the next forecast knows it.

    Raises:
        ConfigError: if the station, line or target is unknown, or something is out of bounds.
        StoreError: if the data root cannot be read or written.
    """
    targets = settings.network.targets
    if wish.target is not None and wish.target not in targets:
        raise ConfigError(f"override: target {wish.target!r} is unknown{nearest_key(wish.target, targets)}")
    stations = find_stations(settings, load_station_table(settings), wish.station, wish.line)
    override = Override(
        added_at=now.astype("datetime64[s]").astype("datetime64[us]"),
        who=wish.who,
        why=wish.why,
        factor=wish.factor,
        start=wish.start.astype("datetime64[m]").astype("datetime64[us]"),
        end=wish.end.astype("datetime64[m]").astype("datetime64[us]"),
        stations=stations,
        scope=stations[0] if wish.line is None else f"line {wish.line}",
        target=wish.target,
    )
    add_override(Store(settings.data_root), override)
    return override


def remove(settings: Settings, now: np.datetime64, override_id: str, who: str, why: str) -> Override:
    """End an override before its time; the next forecast is without it.

    Raises:
        ConfigError: if there is none of that id, or it was removed before.
        StoreError: if the ledger cannot be read or written.
    """
    return remove_override(Store(settings.data_root), Removal(now.astype("datetime64[s]"), who, why, override_id))


def review(settings: Settings, now: np.datetime64) -> tuple[OverrideResult, ...]:
    """Every override of the ledger, newest first, and whether it helped."""
    return review_overrides(settings, now)


def whole_minutes(hours: float) -> np.timedelta64:
    """Hours as a span of whole minutes, at least one."""
    return np.timedelta64(max(round(hours * 60), 1), "m")
