"""Staleness marks: service days of the lag table and of the scores that must be computed again.

A mark is a file `stale/<kind>/service_date=D.json`. Ingest writes it for late data, after the minutes and before the
ledger, so that a crash repeats it; upkeep for a minute file that it mended; scoring for a day whose minutes may still
change. Whoever has computed the day again removes it. Forecasts are never remade: their days stand in the marks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np

from tasks.clock import feeding_days, holiday_dates, service_dates
from tasks.settings.tree import FeatureSettings
from tasks.storage.store import Store

Kind = Literal["lags", "scores"]
Notes = dict[str, dict[str, Any]]

FIRST_MARKED = "stale/scores.json"
"""Since when scoring marks unsettled days; older data roots lack it."""
SETTLING_DAYS = 3
"""Days that a scoring may leave unsettled: the present one, and those before it that still change without a mark."""
_DAY, _HOUR, _WEEK = np.timedelta64(1, "D"), np.timedelta64(1, "h"), 7


@dataclass(frozen=True)
class LateReport:
    """What late data touched; service days YYYY-MM-DD, ascending.

    Attributes:
        days: those that changed though all of their minutes are older than a day.
        lag_days: of the lag table, made from them.
        forecast_days: whose forecasts saw them as lags or as recent minutes; informational, as they stay as issued.
        score_days: whose scores hold forecasts against them, or against a baseline made of them.
    """

    days: list[str] = field(default_factory=list)
    lag_days: list[str] = field(default_factory=list)
    forecast_days: list[str] = field(default_factory=list)
    score_days: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Mark:
    """One service day whose file is stale.

    Attributes:
        kind: of which table.
        day: the service day to remake.
        late: service days that changed; none where the day was only not settled when it was scored.
        marked_at: when they last did, UTC seconds; 1970 where none did.
        content: the file as it was read.
    """

    kind: Kind
    day: str
    late: tuple[str, ...]
    marked_at: np.datetime64
    content: bytes


def mark_late(
    store: Store,
    days: Iterable[str],
    as_of: np.datetime64,
    timezone: str,
    lags: FeatureSettings,
    country: str | None = None,
    subdivision: str | None = None,
) -> LateReport:
    """Mark what was made from service days that changed when all of their minutes were older than a day.

    To be called after the days are folded and before the ledger is written. Doing it again changes nothing; younger
    days cost no look at the store.

    Args:
        store: the data root.
        days: service days that an ingest changed.
        as_of: now, UTC.
        timezone: the network's.
        lags: which days a profile is made from.
        country: whose holidays have lags of their own, see `clock.source_days`; none without it.
        subdivision: of the country.

    Raises:
        StoreError: if the marks cannot be written.
    """
    edge = service_dates(np.array([as_of.astype("datetime64[m]") - _DAY]), timezone)[0]
    late = sorted(day for day in set(days) if day < str(edge))
    if not late:
        return LateReport()
    stale = _Stale(set(store.partitions("forecasts")), set(store.partitions("lag_table")))
    if stale.forecasts or stale.lag_table:
        ends = np.array([late[0], late[-1]], dtype="datetime64[D]")
        holidays = holiday_dates(country, subdivision, ends[0], ends[1] + (lags.days_back + 1) * _DAY)
        for day in late:
            stale.add(day, as_of, _tables_made_from(np.datetime64(day, "D"), lags, holidays))
    for kind, marks in stale.marks.items():
        for target, notes in sorted(marks.items()):
            _add(store, kind, target, notes)
    return LateReport(late, sorted(stale.marks["lags"]), sorted(stale.seen), sorted(stale.marks["scores"]))


def is_settled(day: str, as_of: np.datetime64, timezone: str) -> bool:
    """Whether every change of a service day, or of the hour after it, that is still to come is late and marks it.

    Args:
        day: the service day, YYYY-MM-DD.
        as_of: now, UTC; an ingest that began up to an hour ago may still be writing.
        timezone: the network's.
    """
    edge = service_dates(np.array([as_of.astype("datetime64[m]") - _DAY - _HOUR]), timezone)[0]
    return bool(np.datetime64(day, "D") + _DAY < edge)


def mark_unsettled(store: Store, day: str) -> None:
    """Mark a service day to be scored again once it is settled; to be called before it is scored."""
    _add(store, "scores", day, {})


def mark_older_scores(store: Store, as_of: np.datetime64) -> None:
    """Mark, once per data root, the newest days that were scored before scoring marked unsettled days."""
    if not store.exists(FIRST_MARKED):
        for day in store.partitions("scores")[-SETTLING_DAYS:]:
            mark_unsettled(store, day)
        store.write_json(FIRST_MARKED, {"since": str(as_of.astype("datetime64[s]"))})


@dataclass
class _Stale:
    """Marks while they are gathered: by kind, service day to remake and late day; and days of forecasts touched."""

    forecasts: set[str]
    lag_table: set[str]
    marks: dict[Kind, dict[str, Notes]] = field(default_factory=lambda: {"lags": {}, "scores": {}})
    seen: set[str] = field(default_factory=set)

    def add(self, late: str, as_of: np.datetime64, used: Mapping[str, set[str]]) -> None:
        """Add what a late day touched."""
        shown = used["forecasts"] & self.forecasts
        self.seen |= shown
        note = {"marked_at": str(as_of.astype("datetime64[s]")), "forecast_days": sorted(shown)}
        there: dict[Kind, set[str]] = {"lags": self.lag_table, "scores": self.forecasts}
        for kind, days in there.items():
            for day in used[kind] & days:
                self.marks[kind].setdefault(day, {})[late] = note


def due(store: Store, kind: Kind, as_of: np.datetime64 | None = None) -> list[Mark]:
    """Marks made by `as_of`, by service day; a computation that pretends to be earlier does not see what they tell of.

    Raises:
        StoreError: if they cannot be read.
    """
    marks = []
    for path in store.files(f"stale/{kind}", ".json"):
        content = store.read_bytes(path)
        if content is not None:
            notes = _notes(content)
            marked = [np.datetime64(note["marked_at"], "s") for note in notes.values()]
            latest = max(marked, default=np.datetime64(0, "s"))
            day = path.rsplit("service_date=", 1)[1].removesuffix(".json")
            marks.append(Mark(kind, day, tuple(sorted(notes)), latest, content))
    return [mark for mark in marks if as_of is None or mark.marked_at <= as_of]


def clear(store: Store, marks: Iterable[Mark]) -> None:
    """Remove marks whose days have been remade since they were read; one that has grown meanwhile stays.

    Raises:
        StoreError: if they cannot be removed.
    """
    for mark in marks:
        path = _path(mark.kind, mark.day)
        with store.lock(_lock(mark.kind, mark.day)):
            if store.read_bytes(path) == mark.content:
                store.delete(path)


def _tables_made_from(day: np.datetime64, lags: FeatureSettings, holidays: frozenset[date]) -> Mapping[str, set[str]]:
    """Service days made from a day, by what they are of, whether they are there or not."""
    later = np.arange(day + 1, day + lags.days_back + 1)
    feeding = feeding_days(later, lags.weeks, lags.reach_of_other_days, holidays, lags.weekend)
    fed = later[(feeding == day).any(axis=0)]
    around = np.concatenate([fed - 1, fed, fed + 1])  # hours and recent windows reach over midnight
    return {
        "lags": _texts([day, *fed]),
        "forecasts": _texts([day, day + 1, *around]),
        "scores": _texts([day - 1, day, day + _WEEK - 1, day + _WEEK]),
    }


def _texts(days: Iterable[np.datetime64]) -> set[str]:
    return {str(day) for day in days}


def _add(store: Store, kind: Kind, day: str, notes: Notes) -> None:
    path = _path(kind, day)
    with store.lock(_lock(kind, day)):
        held = _notes(store.read_bytes(path) or b"")
        store.write_json(path, {"late": {**held, **notes}})


def _notes(content: bytes) -> Notes:
    """What a mark says; nothing where it cannot be read, as the mark itself is what counts."""
    try:
        notes: Notes = json.loads(content)["late"]
        return {day: note for day, note in notes.items() if "marked_at" in note}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _path(kind: Kind, day: str) -> str:
    return f"stale/{kind}/service_date={day}.json"


def _lock(kind: Kind, day: str) -> str:
    return f"stale-{kind}-{day}"
