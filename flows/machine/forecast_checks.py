"""Checks of `nexthour doctor` about forecasts: the newest publication, rows that wait for their table, overrides."""

from __future__ import annotations

import numpy as np

from tasks.overrides.ledger import overrides_in_force
from tasks.settings.tree import Settings
from tasks.storage.footers import row_count
from tasks.storage.store import Store

STALE_MINUTES = 60
LONG_OVERRIDE = np.timedelta64(7, "D")
SHOWN = 3


def latest(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether the newest publication is of the last hour, and the champion's on fresh data."""
    published = Store(settings.data_root).read_json("publications/latest.json")
    if published is None:
        return False, "nothing published yet"
    age = age_days(published.get("issued_at"), now)
    why = published.get("degraded_reason")
    fresh = age is not None and age * 1440 <= STALE_MINUTES
    ago = "" if age is None else f", {age * 1440:,.0f} minutes ago"
    return fresh and not why, f"issued {published.get('issued_at')}{ago}" + (f"; degraded: {why}" if why else "")


def spool(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether no forecast waits to be added to its table."""
    store = Store(settings.data_root)
    waiting = store.files("spool", ".parquet")
    if not waiting:
        return True, "every forecast is in its table"
    rows = sum(row_count(store, path) for path in waiting)
    since = min(path.rsplit("/", 1)[1].split("-")[0] for path in waiting)
    return False, f"{len(waiting)} forecasts ({rows:,} rows) wait in {store.url('spool')}, the first since {since}"


def overrides(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether no override has been in force for more than a week, as one that somebody forgot."""
    there = overrides_in_force(Store(settings.data_root), now, now, now + np.timedelta64(1, "m"))
    old = sorted((each for each in there if each.start < now - LONG_OVERRIDE), key=lambda each: each.start)
    if not old:
        return True, f"{len(there)} in force, none for more than {LONG_OVERRIDE.astype(int)} days"
    shown = [
        f"{each.override_id} scales {each.scope} by {each.factor:g} since {_minute(each.start)} "
        f"until {_minute(each.end)} ({each.who}: {each.why})"
        for each in old[:SHOWN]
    ]
    return False, "; ".join(shown) + (f"; and {len(old) - SHOWN} more" if len(old) > SHOWN else "")


def _minute(moment: np.datetime64) -> str:
    return f"{moment.astype('datetime64[m]')}Z"


def age_days(text: str | None, now: np.datetime64) -> float | None:
    """Days since a moment that a file states in UTC; None where it states none."""
    if not text:
        return None
    then = np.datetime64(text.replace("Z", "").split("+")[0], "s")
    return float((now.astype("datetime64[s]") - then).astype(np.int64) / 86_400)
