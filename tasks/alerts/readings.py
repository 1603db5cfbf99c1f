"""What the signals of alerts say at the moment of a forecast."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa

from tasks.alert_signals import Signal, crowding_signal, crowding_steps, find_limits, limit_signal
from tasks.alerts.episodes import CLOSE_SHARE
from tasks.alerts.live import Reading
from tasks.alerts.thresholds import GRIDS
from tasks.arrays import HORIZON_MINUTES, Int
from tasks.clock import service_dates
from tasks.contracts import History
from tasks.errors import StoreError
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.issues import COLUMNS, Issues, unpack

log = logging.getLogger(__name__)

FILES = 4
"""Forecasts that are opened to find the one before the last minutes."""
MINUTE = np.timedelta64(1, "m")


def read_signals(
    settings: Settings,
    store: Store,
    history: History,
    forecasts: pa.Table,
    moment: np.datetime64,
    factors: dict[str, float],
) -> list[Reading]:
    """A reading per signal, station and target where it is not weak, the network's total left out."""
    readings: list[Reading] = []
    wanted, network = settings.alerts.signals, settings.network
    if "limit" in wanted:
        issue = _without_total(unpack(forecasts, network.targets, network.interval_minutes), network.total)
        limits = find_limits(issue.usual, issue.stations, issue.targets, settings.alerts, network.interval_minutes)
        window = settings.alerts.window_minutes
        signal = limit_signal(issue.mean, issue.quantiles, limits, None, network.interval_minutes, window)
        readings += _readings("limit", signal, issue, factors["limit"])
    if "crowding" in wanted:
        earlier = _earlier_issue(settings, store, moment)
        if earlier is not None:
            signal = _crowding(settings, history, earlier, moment)
            readings += _readings("crowding", signal, earlier, factors["crowding"])
    return readings


def _crowding(settings: Settings, history: History, earlier: Issues, moment: np.datetime64) -> Signal:
    """The crowding signal of the minutes that end at the moment, by a forecast that was issued before they came."""
    interval = settings.network.interval_minutes
    steps = crowding_steps(interval, settings.alerts.crowding_minutes)
    minutes = moment.astype("datetime64[m]") - np.arange(steps, 0, -1) * interval * MINUTE
    place = {name: i for i, name in enumerate(history.grid.stations)}
    counts = history.counts(minutes)
    order = [history.grid.targets.index(target) for target in earlier.targets]
    seen = np.stack([counts[order][:, place[name]] if name in place else np.full((len(order), steps), np.nan)
                     for name in earlier.stations], axis=1)  # fmt: skip
    ahead = int((minutes[0] - earlier.origins[0]) / MINUTE) // interval
    within = slice(ahead, ahead + steps)
    return crowding_signal(
        earlier.mean[..., within], earlier.quantiles[..., within], seen[:, None], interval, steps * interval
    )


def _earlier_issue(settings: Settings, store: Store, moment: np.datetime64) -> Issues | None:
    """The newest forecast whose hour holds the minutes before the moment and that was issued before them."""
    interval = settings.network.interval_minutes
    window = crowding_steps(interval, settings.alerts.crowding_minutes) * interval * MINUTE
    latest, earliest = moment - window, moment - HORIZON_MINUTES * MINUTE
    try:
        for path in _files_before(settings, store, latest + interval * MINUTE)[:FILES]:
            table = store.read_tables([path], COLUMNS)
            issue = unpack(table, settings.network.targets, interval)
            fits = (issue.origins <= latest) & (issue.origins >= earliest)
            if fits.any():
                newest = np.arange(len(issue.origins)) == np.argmax(np.where(fits, issue.origins.astype(np.int64), -1))
                return _without_total(issue.take(newest), settings.network.total)
    except StoreError as error:
        log.warning("whether it is unusually crowded is not known: %s", error)
    return None


def _files_before(settings: Settings, store: Store, moment: np.datetime64) -> list[str]:
    """Files of forecasts issued up to a moment, newest first; their names begin with when they were issued."""
    ends = np.array([moment - HORIZON_MINUTES * MINUTE, moment], dtype="datetime64[m]")
    days = np.unique(service_dates(ends, settings.network.timezone))
    last = str(moment.astype("datetime64[s]")).replace("-", "").replace(":", "") + "Z~"
    files = [path for day in days for path in store.files(schemas.day_folder("forecasts", day), ".parquet")]
    return sorted((f for f in files if f.rsplit("/", 1)[1] < last), key=lambda f: f.rsplit("/", 1)[1], reverse=True)


def _without_total(issue: Issues, total: str | None) -> Issues:
    parts: Int = np.flatnonzero([name != total for name in issue.stations])
    return issue.at_stations(parts)


def _readings(name: str, signal: Signal, issue: Issues, factor: float) -> list[Reading]:
    """Readings of the first issue, where the signal is strong enough to keep an alert open."""
    strength = signal.strength(name, factor)
    return [
        Reading(
            name,
            issue.stations[s],
            issue.targets[c],
            float(strength[c, 0, s]),
            float(signal.forecast[c, 0, s]),
            float(signal.value[c, 0, s]),
        )
        for c, s in np.argwhere(strength[:, 0] >= CLOSE_SHARE * GRIDS[name][0]).tolist()
    ]
