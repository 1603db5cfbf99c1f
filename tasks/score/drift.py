"""Drift of the inputs: how far the counts of the last week are from those of the weeks before, per tier of stations.

A model learns from past weeks. Where the shape of the day, the level, the share of minutes that come in or the stations
themselves change, it says what used to be true, and its errors follow: drift is seen before they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from tasks.metrics import Double, finite
from tasks.score.day_hours import DayHours, HoursByDay
from tasks.settings.control import DriftSettings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.rebuild import digest, read_fold_note
from tasks.tiers import TIERS, station_tiers

WEEK_DAYS = 7
LEAST_DAYS = 5
"""Fewer days with counts, of the last week or before it, say nothing."""
LEAST_SHARE = 1e-4
"""Of the day, that an hour has at least, so that an hour with nobody does not make the index infinite."""
NAMED = 5


@dataclass(frozen=True)
class Drift:
    """Counts of one tier, of the last week against the weeks before.

    Attributes:
        tier: name of the group, by thirds of the number of stations, busiest first.
        drifted: whether a person should look.
        sentence: what changed, or that nothing did.
        figures: `index`, the population stability index of the people by hour of the day; `level`, people per observed
            hour over those before; `missing` and `missing_before`, shares of minutes that were not observed; `appeared`
            and `vanished`, numbers of stations.
    """

    tier: str
    drifted: bool
    sentence: str
    figures: dict[str, float] = field(default_factory=dict)


def measure_drift(hours: HoursByDay, today: np.datetime64, settings: Settings) -> tuple[Drift, ...]:
    """Drift of every tier before a service day; empty where there are too few days.

    Raises:
        StoreError: if a table cannot be read.
    """
    reference = settings.score.drift.reference_days
    days = hours.before(today, WEEK_DAYS + reference)
    newest = len(hours.before(today, WEEK_DAYS))
    return find_drift(days[:newest], days[newest:], settings.score.drift, settings.network.total)


def week_contents(store: Store, today: np.datetime64) -> dict[str, str]:
    """SHA-256 of the minute file of each day of the week before a service day.

    Raises:
        StoreError: if one cannot be read.
    """
    days = (str(today - np.timedelta64(n, "D")) for n in range(1, WEEK_DAYS + 1))
    found = {}
    for day in days:
        note = read_fold_note(store, day)
        data = store.read_bytes(schemas.minutes_file(day)) if note is None else None
        if note is not None or data is not None:
            found[day] = note.minutes if note is not None else digest(data or b"")
    return found


def find_drift(
    week: Sequence[DayHours], before: Sequence[DayHours], settings: DriftSettings, total: str | None = None
) -> tuple[Drift, ...]:
    """Drift of every tier.

    Args:
        week: the last days.
        before: those before them.
        settings: how much is much.
        total: name of the station that is the sum of the others, which is left out.
    """
    if len(week) < LEAST_DAYS or len(before) < LEAST_DAYS:
        return ()
    names = sorted({name for day in (*week, *before) for name in day.stations} - {total})
    now, then = (_add_days(days, names) for days in (week, before))
    volume = np.nansum(now.people + then.people, axis=1)
    groups = zip(TIERS, station_tiers(volume), strict=False)
    return tuple(_compare(tier, [names[i] for i in of], now.at(of), then.at(of), settings) for tier, of in groups)


@dataclass(frozen=True)
class _Sums:
    """Sums of some days by station: people and observed hours per hour of the day [S, 24], share missing [S]."""

    people: Double
    hours: Double
    missing: Double

    def at(self, places: np.ndarray) -> _Sums:  # type: ignore[type-arg]
        return _Sums(self.people[places], self.hours[places], self.missing[places])


def _add_days(days: Sequence[DayHours], names: Sequence[str]) -> _Sums:
    place = {name: i for i, name in enumerate(names)}
    parts = [_add_day(day, place) for day in days]
    people, hours, missing = (reduce(np.add, each) for each in zip(*parts, strict=True))
    return _Sums(people, hours, missing / len(days))


def _add_day(day: DayHours, place: dict[str, int]) -> tuple[Double, Double, Double]:
    """People, observed hours, and missing shares of one day; a station that the day lacks is missing."""
    people, hours, missing = np.zeros((len(place), 24)), np.zeros((len(place), 24)), np.ones(len(place))
    for s, name in enumerate(day.stations):
        if name in place:
            seen = np.isfinite(day.sums[:, s])
            counts = np.where(seen, day.sums[:, s], 0).sum(axis=0)
            np.add.at(people[place[name]], day.hour_of_day, counts)
            np.add.at(hours[place[name]], day.hour_of_day, seen.any(axis=0))
            missing[place[name]] = day.missing[s] if s < len(day.missing) else 0.0
    return people, hours, missing


def _compare(tier: str, names: Sequence[str], now: _Sums, then: _Sums, settings: DriftSettings) -> Drift:
    seen_now, seen_then = now.hours.sum(axis=1) > 0, then.hours.sum(axis=1) > 0
    both = seen_now & seen_then
    figures = finite(
        {
            "index": stability_index(_profile(now, both), _profile(then, both)),
            "level": _level(now, both) / max(_level(then, both), 1e-9),
            "missing": float(now.missing[both].mean()) if both.any() else float("nan"),
            "missing_before": float(then.missing[both].mean()) if both.any() else float("nan"),
            "appeared": float((seen_now & ~seen_then).sum()),
            "vanished": float((seen_then & ~seen_now).sum()),
        }
    )
    parts = [*_changes(figures, settings)]
    for what, some in (("appeared", seen_now & ~seen_then), ("vanished", seen_then & ~seen_now)):
        found = [name for name, one in zip(names, some, strict=True) if one]
        parts += [f"{what}: {', '.join(found[:NAMED])}{' and others' if len(found) > NAMED else ''}"] if found else []
    return Drift(tier, bool(parts), "; ".join(parts) or "as in the weeks before", figures)


def _changes(figures: dict[str, float], settings: DriftSettings) -> list[str]:
    """What of the figures is beyond its limit."""
    parts = []
    index, level = figures.get("index", 0.0), figures.get("level", 1.0)
    more = figures.get("missing", 0.0) - figures.get("missing_before", 0.0)
    if index > settings.index:
        parts.append(f"the hours of the day have other shares (index {index:.2f}, limit {settings.index:g})")
    if not 1 / settings.level <= level <= settings.level:
        parts.append(f"{level:.2f} times the people of the weeks before (limit {settings.level:g} either way)")
    if more > settings.missing:
        parts.append(f"{figures['missing']:.0%} of the minutes are missing, {figures['missing_before']:.0%} before")
    return parts


def _profile(sums: _Sums, some: np.ndarray) -> Double:  # type: ignore[type-arg]
    """Mean people per observed hour by hour of the day, over stations that both spans have."""
    people, hours = sums.people[some].sum(axis=0), sums.hours[some].sum(axis=0)
    return np.asarray(np.divide(people, hours, out=np.full(24, np.nan), where=hours > 0))


def _level(sums: _Sums, some: np.ndarray) -> float:  # type: ignore[type-arg]
    """People per day of whole hours, as if every hour of the day had been observed alike."""
    return float(np.nansum(_profile(sums, some)))


def stability_index(now: Double, then: Double) -> float:
    """Population stability index of two profiles: the sum of (p - q) log(p / q) over the shares of their hours.

    0 for equal shares; NaN where nobody came.
    """
    known = np.isfinite(now) & np.isfinite(then)
    if not now[known].sum() > 0 or not then[known].sum() > 0:
        return float("nan")
    p, q = (np.maximum(each[known] / each[known].sum(), LEAST_SHARE) for each in (now, then))
    return float(np.sum((p - q) * np.log(p / q)))
