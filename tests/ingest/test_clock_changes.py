"""Files written on the wall clock around every clock change of the real data's spans, and around stranger ones."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ingest_bench import TRIPS, Bench, at, naive

from tasks.clock import day_bounds
from tasks.tables import schemas

AS_OF = np.datetime64("2025-01-01T00:00:00", "s")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Change:
    """A service day on which the clocks change, and how many hours it has."""

    zone: str
    day: str
    hours: float

    def __str__(self) -> str:
        return f"{self.zone} {self.day}"

    @property
    def minutes(self) -> list[datetime]:
        """Every UTC minute of the service day, by the standard library alone."""
        zone, first = ZoneInfo(self.zone), at(self.day) - timedelta(hours=15)
        moments = (first + n * MINUTE for n in range(55 * 60))
        return [m for m in moments if m.replace(tzinfo=UTC).astimezone(zone).date() == at(self.day).date()]

    def wall(self, utc: datetime) -> datetime:
        return naive(utc.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)))

    def skipped(self) -> list[datetime]:
        """Wall-clock minutes of the day that never were."""
        seen = {self.wall(m) for m in self.minutes}
        return [w for w in (at(self.day) + n * MINUTE for n in range(1440)) if w not in seen]

    def repeated(self) -> set[datetime]:
        walls = [self.wall(m) for m in self.minutes]
        return {w for w in walls if walls.count(w) > 1} if self.hours > 24 else set()


EDINBURGH = [Change("Europe/London", "2018-10-28", 25), Change("Europe/London", "2019-03-31", 23)]
CHICAGO = [Change("America/Chicago", "2013-03-10", 23), Change("America/Chicago", "2013-11-03", 25)]
HALF = [Change("Australia/Lord_Howe", "2024-04-07", 24.5), Change("Australia/Lord_Howe", "2024-10-06", 23.5)]
SOUTH = [Change("America/Santiago", "2024-04-06", 25), Change("America/Santiago", "2024-09-08", 23)]
CHANGES = [*EDINBURGH, *CHICAGO, *HALF, *SOUTH]
every_change = pytest.mark.parametrize("change", CHANGES, ids=str)
picks = st.sets(st.integers(0, 10_000), min_size=1, max_size=40)


def offset(change: Change, utc: datetime) -> str:
    return utc.replace(tzinfo=UTC).astimezone(ZoneInfo(change.zone)).isoformat()


def chosen(change: Change, picked: set[int]) -> list[datetime]:
    """Some minutes of the day, among them always the ones around the change."""
    minutes = change.minutes
    walls = [change.wall(m) for m in minutes]
    edges = [i for i in range(1, len(walls)) if walls[i] != walls[i - 1] + MINUTE]
    near = {i + k for i in edges for k in (-31, -1, 0, 1, 29, 30)}
    return [minutes[i] for i in sorted({p % len(minutes) for p in picked} | {i for i in near if 0 <= i < len(minutes)})]


@every_change
def test_a_service_day_has_the_hours_that_its_clocks_give_it(change: Change) -> None:
    start, end = day_bounds(np.datetime64(change.day, "D"), change.zone)
    minutes = change.minutes
    assert len(minutes) == change.hours * 60 == (end - start).astype(int)
    assert (np.datetime64(minutes[0]), np.datetime64(minutes[-1] + MINUTE)) == (start, end)


@every_change
@settings(max_examples=2)
@given(picks)
def test_counts_with_an_offset_land_at_their_minutes_and_all_on_their_day(change: Change, picked: set[int]) -> None:
    minutes = chosen(change, picked)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.counts(Path(folder), {"timezone": change.zone})
        rows = [("A", offset(change, m), n + 1, 1) for n, m in enumerate(minutes)]
        bench.put_rows("f.csv", ("station_id", "minute", "entries", "exits"), rows[::-1])
        report = bench.ingest(AS_OF, backfill=True)
        assert bench.truth() == {("A", m): (n + 1, 1) for n, m in enumerate(minutes)}
        assert (report.rejected, report.warnings, report.days) == (0, [], [change.day])
        assert set(bench.minute_files()) == {schemas.minutes_file(change.day)}


@every_change
@settings(max_examples=2)
@given(picks)
def test_counts_on_the_wall_clock_land_at_their_minutes_and_what_never_was_is_rejected(
    change: Change, picked: set[int]
) -> None:
    """The second half of a repeated hour is there only with the first: in the order of the file, as documented."""
    repeated, taken = change.repeated(), set(chosen(change, picked))
    minutes = [m for m in change.minutes if m in taken or change.wall(m) in {change.wall(t) for t in taken} & repeated]
    skipped = change.skipped()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.counts(Path(folder), {"timezone": change.zone})
        rows: list[tuple[object, ...]] = [
            (s, change.wall(m).isoformat(), n + 1, 1) for s in "AB" for n, m in enumerate(minutes)
        ]
        rows += [("A", w.isoformat(), 1000, 1000) for w in skipped]
        bench.put_rows("f.csv", ("station_id", "minute", "entries", "exits"), rows)
        report = bench.ingest(AS_OF, backfill=True)
        assert bench.truth() == {(s, m): (n + 1, 1) for s in "AB" for n, m in enumerate(minutes)}
        assert report.reasons == ({"nonexistent_local_time": len(skipped)} if skipped else {})
        assert len(skipped) == max(0, 24 - change.hours) * 60
        twice = 2 * sum(change.wall(m) in repeated for m in minutes)
        assert [w.split()[0] for w in report.warnings] == ([str(twice)] if twice else [])
        assert report.days == [change.day]


@every_change
@settings(max_examples=2)
@given(picks, st.booleans())
def test_events_on_the_wall_clock_are_counted_once_each_and_silence_is_zero_all_day(
    change: Change, picked: set[int], in_order: bool
) -> None:
    """Of an event the repeated hour is told by rows in order of time; else it is taken for the first one."""
    minutes, skipped = chosen(change, picked), change.skipped()
    zone = ZoneInfo(change.zone)
    first = [naive(change.wall(m).replace(tzinfo=zone, fold=0).astimezone(UTC)) for m in minutes]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.events(Path(folder), {"timezone": change.zone}, covers="day")
        header = tuple(TRIPS[target][key] for target in TRIPS for key in ("time", "station_id"))
        rows = [(f"{change.wall(m).isoformat()[:16]}:30", "A", f"{offset(change, m)}", "B") for m in minutes]
        rows = rows if in_order else rows[::-1]
        told = minutes if in_order else first
        rows += [(w.isoformat(), "A", "", "") for w in skipped[:3]]
        bench.put_rows("f.csv", header, rows)
        report = bench.ingest(AS_OF, backfill=True)
        truth = bench.truth()
        assert {m for _, m in truth} == set(change.minutes)
        assert len(truth) == 2 * change.hours * 60
        for m in change.minutes:
            assert truth["A", m] == (told.count(m), 0)
            assert truth["B", m] == (0, minutes.count(m))
        assert sum(e or 0 for e, _ in truth.values()) == sum(x or 0 for _, x in truth.values()) == len(minutes)
        assert report.reasons.get("nonexistent_local_time", 0) == len(skipped[:3])
