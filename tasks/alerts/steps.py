"""Steps of the alerts stage."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.alerts.episodes import Outcome
from tasks.alerts.history import read_history
from tasks.alerts.live import follow
from tasks.alerts.readings import read_signals
from tasks.alerts.thresholds import DEFAULTS, Choice, choose
from tasks.arrays import HORIZON_MINUTES
from tasks.clock import service_dates
from tasks.contracts import History
from tasks.count_sums import DEFAULT_FACTOR
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.stepping import step
from tasks.storage.store import Store
from tasks.tables import schemas

log = logging.getLogger(__name__)

THRESHOLDS, OPEN = "alerts/thresholds.json", "alerts/open.json"


@step("find alerts", retries=2)
def find_alerts(
    settings: Settings,
    history: History,
    forecasts: pa.Table,
    moment: np.datetime64,
    *,
    clock_ran_ahead: bool = False,
) -> list[dict[str, Any]]:
    """Alerts at the moment of a forecast: those that opened, go on and closed; changes are added to the table `alerts`.

    A second forecast of the same moment finds no change, and one of the past says nothing: alerts are of the present.

    Args:
        settings: the network, its limits, its data root.
        history: counts known at the moment.
        forecasts: rows of `tables.FORECASTS` of one origin.
        moment: the origin, UTC.
        clock_ran_ahead: whether a later moment that was looked at is one of a wrong clock, which says nothing now.

    Returns:
        See `live.follow`.

    Raises:
        StoreError: if what is open cannot be read or written.
    """
    store = Store(settings.data_root)
    chosen = _thresholds(store)
    with store.lock("alerts"):
        held = store.read_json(OPEN) or {"moment": "", "alerts": {}}
        unreported = _add_changes(settings, store, held)
        now = f"{moment.astype('datetime64[s]')}Z"
        if clock_ran_ahead and held["moment"] > now:
            held = {"moment": "", "alerts": _as_of(held["alerts"], now)}
        if held["moment"] >= now:
            return _with_unreported(_ongoing(held["alerts"]), unreported) if held["moment"] == now else []
        factors = {name: each["factor"] for name, each in chosen.items()}
        readings = read_signals(settings, store, history, forecasts, moment, factors)
        thresholds = {name: each["threshold"] for name, each in chosen.items()}
        alerts, current = follow(held["alerts"], readings, thresholds, moment, station_table(settings).label)
        changes = [alert for alert in current if alert["state"] != "ongoing"]
        # What is open and what changed are one file, so that a power cut repeats neither.
        after = {"moment": now, "alerts": alerts, "changes": changes}
        store.write_json(OPEN, after)
        _add_changes(settings, store, after)
    for alert in changes:
        log.info("alert %s: %s, %s at %s", alert["state"], alert["signal"], alert["target"], alert["station_id"])
    return _with_unreported(current, unreported)


@step("choose alert thresholds", retries=2)
def choose_thresholds(settings: Settings, as_of: np.datetime64) -> dict[str, dict[str, Any]]:
    """Choose the thresholds from the last weeks' scores, once per service day.

    Returns:
        By signal: `threshold`, spread `factor`, `reason`, `station_weeks` of the past, and, where there is enough past,
        `outcome` and `stations`, a row per station: see `_report`.

    Raises:
        StoreError: if a table cannot be read or written.
    """
    store, today = Store(settings.data_root), _service_day(settings, as_of)
    held = store.read_json(THRESHOLDS) or {}
    asked = settings.alerts.model_dump(mode="json")
    present: dict[str, dict[str, Any]] = held.get("signals", {})
    tomorrow = str(np.datetime64(today, "D") + 1)  # a later day is one of a clock that ran ahead
    if today <= held.get("day", "") <= tomorrow and held.get("settings") == asked:
        return present
    past = read_history(store, today, settings.alerts.history_weeks)
    wanted = settings.alerts.alarms_per_station_week
    chosen: dict[str, dict[str, Any]] = {}
    for name in settings.alerts.signals:
        rows, stations = past.rows(name)
        before = present.get(name, {}).get("threshold")
        delay = HORIZON_MINUTES - (settings.alerts.crowding_minutes if name == "crowding" else 0)
        choice = choose(name, rows, past.station_weeks, len(past.days), wanted, past.factors[name], before, delay)
        log.info("threshold of the alerts by %s: %s", name, choice.reason)
        chosen[name] = _report(choice, past.station_weeks, stations)
    store.write_json(THRESHOLDS, {"day": today, "settings": asked, "signals": chosen})
    return chosen


def _report(choice: Choice, station_weeks: float, stations: list[str]) -> dict[str, Any]:
    """A choice as JSON: with `outcome` of all stations and one row per station that had an alarm or missed one."""
    outcomes = [(number, outcome) for number, outcome in choice.outcomes.items() if number >= 0]
    report = {
        "threshold": choice.threshold,
        "factor": choice.factor,
        "reason": choice.reason,
        "station_weeks": round(station_weeks, 2),
    }
    if -1 not in choice.outcomes:
        return report
    rows = [{"station_id": stations[number], **_figures(outcome)} for number, outcome in outcomes]
    return {**report, "outcome": _figures(choice.outcomes[-1]), "stations": rows}


def _figures(outcome: Outcome) -> dict[str, Any]:
    """Alarms, right and missed ones, with precision, recall and lead time where there are any."""
    events = outcome.right + outcome.missed
    recall = outcome.right / events if events else None
    return {**asdict(outcome), "precision": outcome.precision, "recall": recall}


def _as_of(alerts: dict[str, dict[str, Any]], now: str) -> dict[str, dict[str, Any]]:
    """Open alerts, none of them strong later than now, so that they close once it is calm."""
    return {key: {**alert, "strong_at": min(alert["strong_at"], now)} for key, alert in alerts.items()}


def _add_changes(settings: Settings, store: Store, held: dict[str, Any]) -> list[dict[str, Any]]:
    """Add the changes of the moment that is held to the table `alerts`; those that it lacked, as after a power cut."""
    changes: list[dict[str, Any]] = held.get("changes", [])
    if not changes:
        return []
    moment = np.datetime64(held["moment"].removesuffix("Z"), "s")
    day = service_dates(moment.astype("datetime64[m]").reshape(1), settings.network.timezone)[0]
    path = f"{schemas.day_folder('alerts', day)}/{str(moment).replace('-', '').replace(':', '')}Z.parquet"
    if store.exists(path):
        return []
    store.write_table(path, _table(changes, moment))
    return changes


def _with_unreported(alerts: list[dict[str, Any]], unreported: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The alerts with changes that a run found which ended before it could report them."""
    states = {_key(alert): alert["state"] for alert in unreported}
    there = {_key(alert) for alert in alerts}
    known = [{**a, "state": states.get(_key(a), a["state"])} if a["state"] == "ongoing" else a for a in alerts]
    return [*known, *(alert for alert in unreported if _key(alert) not in there)]


def _key(alert: dict[str, Any]) -> tuple[str, ...]:
    return alert["signal"], alert["target"], alert["station_id"]


def _ongoing(alerts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**alert, "state": "ongoing"} for alert in alerts.values()]


def _thresholds(store: Store) -> dict[str, dict[str, float]]:
    """Threshold and spread factor per signal: those chosen, else the defaults."""
    chosen = (store.read_json(THRESHOLDS) or {}).get("signals", {})
    usual = {name: {"threshold": value, "factor": DEFAULT_FACTOR} for name, value in DEFAULTS.items()}
    return {name: {key: chosen.get(name, each)[key] for key in each} for name, each in usual.items()}


def _service_day(settings: Settings, moment: np.datetime64) -> str:
    return str(service_dates(np.array([moment], dtype="datetime64[m]"), settings.network.timezone)[0])


def _table(changes: list[dict[str, Any]], moment: np.datetime64) -> pa.Table:
    """Rows of `tables.ALERTS`."""
    opened = np.array([alert["opened_at"].removesuffix("Z") for alert in changes], dtype="datetime64[s]")
    times = {"moment_utc": np.full(len(changes), moment), "opened_utc": opened}
    columns = [
        schemas.time_array(times[field.name])
        if field.name in times
        else pa.array([alert[field.name] for alert in changes]).cast(field.type)
        for field in schemas.ALERTS
    ]
    return pa.Table.from_arrays(columns, schema=schemas.ALERTS)
