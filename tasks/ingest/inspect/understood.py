"""A table of which time, station and people are known, as keys of its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.devices import MOST_DEVICES, Growth, ask_numbers, find_devices, find_growth, repeated_times
from tasks.ingest.inspect.doubts import (
    ask_copies,
    check_day_sums,
    check_hours,
    check_months,
    check_periods,
    check_repeats,
    check_sections,
    check_service_days,
    check_skipped,
    check_sums_of_days,
    count_copies,
)
from tasks.ingest.inspect.grid import check_order, choose_interval, choose_moment, choose_rows
from tasks.ingest.inspect.negatives import check_below_zero, check_sums
from tasks.ingest.inspect.people import People, Target, which_count
from tasks.ingest.inspect.places import Where, find_alike
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.proposal import Proposal
from tasks.ingest.inspect.samples import Table
from tasks.ingest.inspect.stop_visits import are_stop_visits
from tasks.ingest.inspect.sums_of_others import find_sums
from tasks.ingest.inspect.time_columns import When, seconds_of
from tasks.ingest.inspect.totals import ask_sums
from tasks.ingest.rows.parse_times import Times
from tasks.time_formats import ISO

_MOSTLY = 0.5
"""Share of rows with an id of their own; the others are events that the files have again."""
_FEW_COPIES = 0.01
"""Share of events that are there again of which nothing is asked: published data has some."""


@dataclass(frozen=True)
class Understood:
    """A table of which time, station and people are known."""

    table: Table
    columns: Mapping[str, Column]
    when: When
    where: Where
    people: People
    written: Mapping[str, Any]
    answers: Answers

    @cached_property
    def is_events(self) -> bool:
        """Whether rows are people or trips, of people or of vehicles at stops, and not counts of an interval."""
        counted = any(target.column for target in self.people.targets.values())
        return not counted or bool(self.where.end) or are_stop_visits(self._station, self._wall, self._rest.values())

    def as_trips(self) -> Proposal:
        """Keys of a source of events; a row of an origin and a destination counts at both."""
        count = next(iter(self.people.targets.values())).column
        targets = dict(self.people.targets)
        if count and self.where.end and "exits" not in targets:
            targets["exits"] = targets["entries"]
        if count and self.where.end and not self.answers.station:
            check_sections(self._station, self.columns[self.where.end].codes)
        times = self.when.start.utc(self.table, self._zone)
        interval = choose_interval(
            self._station, times, self.answers, self._zone, events=True, counted=count is not None
        )
        events = {name: self._event(name, target) for name, target in targets.items()}
        name = None if count else self._event_id(times)
        if not name:
            check_repeats(self.table, self.columns.values())
        known = {"id": name} if name else {}
        source = {"kind": "events", **self.table.shape, **self.written, **self._formats, **known, "events": events}
        network = self._network(targets, interval.value)
        copies = 0 if name or self.answers.rows else self._count_copies(times)
        asked = [ask_copies(copies)] if copies > _FEW_COPIES * len(self._station) else []
        source |= {"duplicates": "drop"} if self.answers.rows == "last" else {}
        if count and self.where.end and not self.answers.rows:
            ends = self.columns[self.where.start], self.columns[self.where.end]
            asked += ask_sums(ends, seconds_of(times), self.columns[count])
        questions = [*interval.questions, *asked, *self._ask_counts(times)]
        rows = f"events; one that comes again, by its {name}, counts once" if name else "events"
        rows = "vehicles at stops, and the people of that moment" if count and not self.where.end else rows
        if copies and not asked:
            rows += f"; {copies:,} are the same as another one in every column, and count (--rows last: once)"
        return Proposal(source, network, questions, {"rows": rows, **interval.notes})

    def _count_copies(self, times: Times) -> int:
        """Events that are there again in every column, more often than by chance."""
        others = [column.codes for column in self.columns.values() if column.name not in self.when.start.names]
        return count_copies(others, seconds_of(times))

    def _event_id(self, times: Times) -> str | None:
        """Column that tells events apart: rows that share its value are the same event, at one time and station."""
        seconds = seconds_of(times)
        for column in self._rest.values():
            if not column.hints_at("event id") or column.blank or len(column.texts) < _MOSTLY * len(column.codes):
                continue
            if np.unique(np.stack([column.codes, self._station, seconds]), axis=1).shape[1] == len(column.texts):
                return column.name
        return None

    def _ask_counts(self, times: Times) -> list[Question]:
        """What to ask of rows that have a minute of a station each, and a number: they may be its counts."""
        rest = [c for c in self._rest.values() if len(c.texts) > 1 and not c.is_row_number]
        numbers = [c for c in rest if c.is_number and (c.hints_at("count") or not c.hints_at("coordinate"))]
        counted = any(target.column for target in self.people.targets.values()) or self.answers.count
        seconds = seconds_of(times)
        cells = np.stack([self._station, seconds])
        if counted or self.where.end or not numbers or (seconds % 60).any():
            return []
        return [which_count(numbers)] if np.unique(cells, axis=1).shape[1] == cells.shape[1] else []

    def _event(self, name: str, target: Target) -> dict[str, Any]:
        other = name == "exits" and self.where.end is not None
        time = self.when.end if other and self.when.end else self.when.start
        key: dict[str, Any] = {
            "time": _one_or_list(time.names),
            "station_id": self.where.end if other else self.where.start,
        }
        if target.column:
            key["count"] = target.column
        if target.where:
            key["where"] = {target.where[0]: [target.where[1]]}
        return key

    def as_counts(self) -> Proposal:
        """Keys of a source of counts.

        Raises:
            SourceError: if they are parts of a sum that are no numbers, or readings that nothing tells apart.
        """
        times = self.when.start.utc(self.table, self._zone, self._place)
        numbers = [self.columns[t.column].numbers for t in self.people.targets.values() if t.column]
        growth = Growth.NONE if self.answers.numbers == "people" else find_growth(self._series, times, numbers)
        if growth is Growth.SURE or self.answers.numbers == "readings":
            return self._as_readings(times)
        if growth is Growth.LIKELY:
            return Proposal(questions=[ask_numbers(self.columns[self._counted[0]])])
        wall = self.when.start.utc(self.table, "UTC")
        if self.answers.numbers is None:
            check_sums_of_days(self._series, wall, numbers)
        check_order(self._place, wall, times)
        check_service_days(self._place, wall)
        interval = choose_interval(self._station, times, self.answers, self._zone, events=False)
        if interval.value is None:
            return Proposal(questions=interval.questions)
        names = self.when.start.names[2:] if self.when.start.has_weeks else self.when.start.names
        named = [] if self.when.start.has_slots else [self.columns[name] for name in names]
        if self.when.end:
            check_periods(times, self.when.end.utc(self.table, self._zone, self._place), interval.value)
        moment = choose_moment(times, wall, interval.value, named, self.answers)
        rows = choose_rows([self._place], seconds_of(times), interval.value, self._rest, numbers, self.answers)
        layout = {**self.table.shape, **self.written, **self._formats}
        source: dict[str, Any] = {"kind": "counts", **layout, "columns": self._counts}
        if moment.value not in (None, "start"):
            source["time_is"] = moment.value
        parts = Choice[dict[str, str]]()
        if rows.value and rows.value.rows:
            source["rows"] = rows.value.rows
            if rows.value.rows == "sum":
                parts = check_sums(self.table, self.columns, self._counted, self.answers.negatives)
                source |= parts.value or {}
        else:
            check_below_zero([self.columns[name] for name in self._counted])
        questions = [*interval.questions, *moment.questions, *rows.questions, *parts.questions]
        notes = {**interval.notes, **moment.notes, **rows.notes}
        if not self.when.start.offset:
            check_day_sums(self._place, wall, numbers)
        return Proposal(source, self._network(self.people.targets, interval.value), questions, notes)

    def find_aliases(self) -> dict[str, str]:
        """Names that are those of another station but for capitals and blanks, and that one."""
        return find_alike(self.columns[self.where.start], np.stack([self._wall, self._ways]))

    def find_sums(self) -> dict[int, list[int]]:
        """Stations whose counts are the sums of others, and those, by code."""
        targets = () if self.is_events else self.people.targets.values()
        numbers = [self.columns[target.column].numbers for target in targets if target.column]
        cell = self._wall * (self._ways.max(initial=0) + 1) + self._ways
        return find_sums(self._station, cell, numbers)

    def _as_readings(self, times: Times) -> Proposal:
        """Keys of a source of counters.

        Raises:
            SourceError: if no columns tell apart the counters that a station has, or they are read too seldom.
        """
        series, device = find_devices(self._place, times, self._devices)
        names = ", ".join(repr(target.column) for target in self.people.targets.values() if target.column)
        if (again := repeated_times(series, times)) > len(times) // 50:
            raise SourceError(
                f"column {names} holds readings of counters, which only grow, and {again:,} rows share station and "
                "time with another: write the configuration by hand, with cumulative = true, and with the columns that "
                "tell the counters of a station apart as device"
            )
        interval = choose_interval(series, times, self.answers, self._zone, events=False)
        layout = {**self.table.shape, **self.written, **self._formats}
        source = {"kind": "counts", **layout, "columns": self._counts, "cumulative": True}
        note = f"readings of counters in {names}: people are their differences"
        if device:
            source["device"], note = device, f"{note}, one counter per {' and '.join(device)}"
        notes = {"counts": note, **interval.notes}
        return Proposal(source, self._network(self.people.targets, interval.value), interval.questions, notes)

    @property
    def _counted(self) -> list[str]:
        """Columns of numbers of people."""
        return [target.column for target in self.people.targets.values() if target.column]

    @property
    def _counts(self) -> dict[str, Any]:
        keys: dict[str, Any] = {"station_id": self.where.start, "minute": _one_or_list(self.when.start.names)}
        for name, target in self.people.targets.items():
            key = {"column": target.column, "where": {target.where[0]: [target.where[1]]}} if target.where else None
            keys[name] = key or target.column
        return keys

    @property
    def _formats(self) -> dict[str, Any]:
        formats, ends = self.when.formats, [each for each in (self.when.start, self.when.end) if each]
        keys: dict[str, Any] = {"timezone": "UTC"} if any(each.in_utc for each in ends) and self._zone != "UTC" else {}
        if keys and not all(each.in_utc for each in ends):
            raise SourceError(f"{ends[0].label} and {ends[-1].label} are times of different zones: export both in UTC")
        formed = {} if formats == (ISO,) else {"time_format": formats[0] if len(formats) == 1 else list(formats)}
        return {**keys, **formed}

    def _network(self, targets: Mapping[str, Target], interval: int | None) -> dict[str, Any]:
        known: dict[str, Any] = {"timezone": self._zone, "interval_minutes": interval or 1, "targets": list(targets)}
        wall = self.when.start.utc(self.table, "UTC")
        if not self.when.start.offset:
            check_hours(wall, self.when.start.formats, self.when.start.names)
            check_months(wall)
            check_skipped(
                wall, self.when.start.utc(self.table, self._zone), self._zone, slots=self.when.start.has_slots
            )
        return known

    @cached_property
    def _wall(self) -> Int:
        """Seconds of each row on the clocks that it shows."""
        return seconds_of(self.when.start.utc(self.table, "UTC"))

    @property
    def _zone(self) -> str:
        return self.answers.timezone or "UTC"

    @property
    def _station(self) -> Int:
        return self.columns[self.where.start].codes

    @property
    def _place(self) -> Int:
        """Code of the station and the direction of each row."""
        ways = self._ways
        return np.asarray(self._station.astype(np.int64) * (ways.max(initial=0) + 2) + ways)

    @property
    def _ways(self) -> Int:
        """Code of the direction of each row; 0 where rows have none."""
        way = np.zeros(len(self._station), dtype=np.int64)
        for name in sorted({target.where[0] for target in self.people.targets.values() if target.where}):
            way = way * (len(self.columns[name].texts) + 1) + self.columns[name].codes + 1
        return way

    @property
    def _series(self) -> list[Int]:
        return [self._place, *(column.codes for column in self._devices)]

    @property
    def _devices(self) -> list[Column]:
        """Columns that may tell the counters of a station apart."""
        return [c for c in self._rest.values() if c.hints_at("device") and len(c.texts) < MOST_DEVICES]

    @property
    def _rest(self) -> dict[str, Column]:
        used = {*self.when.start.names, self.where.start, *(t.column for t in self.people.targets.values())}
        used |= {target.where[0] for target in self.people.targets.values() if target.where}
        return {name: column for name, column in self.columns.items() if name not in used and not column.is_date}


def _one_or_list(names: Sequence[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)
