"""Columns that make a time, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa

from tasks.arrays import Int
from tasks.errors import ConfigError
from tasks.ingest.inspect.profile import NEARLY, Column, formats_of
from tasks.ingest.inspect.samples import Table
from tasks.ingest.inspect.words import words_of
from tasks.ingest.rows.join_times import join_times
from tasks.ingest.rows.parse_times import YEAR_FIRST, Times, read_times
from tasks.ingest.rows.suggest_formats import are_periods, fitting_formats
from tasks.ingest.rows.zone_names import without_zone_name
from tasks.time_formats import CLOCKS, EPOCHS, ISO, NUMBERS, SERIAL_DAY, SLOT, WEEKDAY, with_short_clocks

_UTC = frozenset({"utc", "gmt", "zulu"})
_STEPS = (1, 5, 10, 15, 20, 30)
"""Minutes from one value to the next of a column of minutes."""
OFFSET = re.compile(r"[+-]\d{2}:?\d{2}|[+-]\d{2}|Z|UTC|GMT", re.IGNORECASE)


@dataclass(frozen=True)
class TimeColumns:
    """Columns that make a time.

    Attributes:
        names: one, or those that are joined.
        formats: that read every value; several where it stays open which is meant.
        offset: whether every value says its offset from UTC.
    """

    names: tuple[str, ...]
    formats: tuple[str, ...]
    offset: bool

    @property
    def has_slots(self) -> bool:
        """Whether they number the slots of the day, of which the start is known."""
        return any(map(SLOT.search, self.formats))

    @property
    def has_weeks(self) -> bool:
        """Whether they are the date of a week, a weekday and a time of day."""
        return any(WEEKDAY in text for text in self.formats)

    @property
    def in_utc(self) -> bool:
        """Whether the name says that the clock is that of UTC, and the values say nothing else."""
        words = {word for name in self.names for word in words_of(name)}
        shifted = any(re.search(r"[+-]\s*\d", name) for name in self.names)
        return bool(words & _UTC) and not shifted and not self.offset and self.formats[0] not in EPOCHS

    def utc(self, table: Table, zone: str, place: Int | None = None) -> Times:
        """Time of each row of a table; `place` codes what must not have one time twice, for hours that come again."""
        zone = "UTC" if self.in_utc else zone
        column = time_values(table, self.names)
        column = _without_zone_names(column) if zone == "UTC" else column
        formats = YEAR_FIRST if len(self.names) > 1 and self.formats == (ISO,) else self.formats
        if formats[0] in NUMBERS:
            column = column.cast(pa.string())
        formats = () if formats == (ISO,) else with_short_clocks(formats)
        return read_times(column, zone, None if place is None else lambda: place, formats=formats).utc

    @property
    def label(self) -> str:
        """As a person types it."""
        return ",".join(self.names)


@dataclass(frozen=True)
class When:
    """The time of a row, and of its other end where a row is a trip."""

    start: TimeColumns
    end: TimeColumns | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        """Of both."""
        return tuple(dict.fromkeys([*self.start.formats, *(self.end.formats if self.end else ())]))


def _without_zone_names(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Times as the clocks showed them, whatever zone their texts name."""
    plain = [without_zone_name(text) for text in column.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(plain, pa.string())).cast(pa.string())


def calendar_parts(columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Columns named year, month, day and hour, and minute if there is one; none where they are not all there."""
    named = {word: name for name, column in columns.items() if column.is_whole for word in words_of(name)}
    parts = [named.get(word) for word in ("year", "month", "day", "hour")]
    return () if None in parts else tuple(name for name in (*parts, named.get("minute")) if name)


def time_of(table: Table, columns: Mapping[str, Column], names: tuple[str, ...], given: bool) -> TimeColumns:
    """The time that columns make.

    Raises:
        ConfigError: if no format reads it, and none is given.
    """
    if len(names) == 1:
        column = columns[names[0]]
        formats, offset = column.time_formats, column.has_offset
    else:
        texts = [text for text in time_values(table, names).dictionary.to_pylist() if text]
        read = read_times(pa.array(texts, pa.string()), "UTC", formats=YEAR_FIRST).utc
        iso = bool(texts) and not are_periods(texts) and float((~np.isnat(read)).mean()) >= NEARLY
        formats = _with_number_clock(columns, names) or _with_serial_day(columns, names, texts)
        formats = formats or ((ISO,) if iso else formats_of(texts))
        offset = bool(texts) and bool(formats) and all(OFFSET.search(text.split(" ")[-1]) for text in texts)
    if not formats and not given:
        raise ConfigError(
            f"--time {','.join(names)!r}: no format reads it ({examples(columns[names[0]])}): give --time-format"
        )
    return TimeColumns(names, formats, offset)


def _with_serial_day(columns: Mapping[str, Column], names: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    """Formats of a date as a spreadsheet's number beside a time of day; none where it is no such."""
    if columns[names[0]].date_formats != (SERIAL_DAY,):
        return ()
    return tuple(fitting_formats(texts, [f"{SERIAL_DAY} {clock}" for clock in CLOCKS])[:1])


def _with_number_clock(columns: Mapping[str, Column], names: Sequence[str]) -> tuple[str, ...]:
    """Formats of a date and a time of day that is one number, such as 915 or 33300; none where it is no such."""
    date, *rest = (columns[name] for name in names)
    clocks = rest[0].number_clocks if len(rest) == 1 and not rest[0].is_clock else ()
    if len(rest) == 2 and rest[0].is_hour and (part := part_of_hour(rest[1])):
        clocks = (f"%H {part}",)
    return tuple(f"{day} {clock}" for day, clock in product(date.date_formats, clocks))


def part_of_hour(column: Column) -> str | None:
    """Format of the minute, or of the quarter or half of an hour, that a column has beside that of the hour."""
    if not column.is_whole or not column.hints_at("part of hour"):
        return None
    numbers = sorted({int(float(text)) for text in column.sample})
    if len(numbers) > 1 and any(numbers == [*range(0, 60, step)] for step in _STEPS):
        return "%M"
    slots = {(1, 2): "30min_from_1", (0, 1): "30min_from_0", (1, 2, 3, 4): "15min_from_1", (0, 1, 2, 3): "15min_from_0"}
    return f"slot_{slots[found]}" if (found := tuple(numbers)) in slots else None


def time_values(table: Table, names: Sequence[str]) -> pa.DictionaryArray:
    """Texts of the columns of a time, joined where they are several."""
    columns = [table.column(name) for name in names]
    return columns[0] if len(columns) == 1 else join_times(columns)


def examples_of(table: Table, time: TimeColumns) -> str:
    """One value of a time, for people."""
    texts = [text for text in time_values(table, time.names).dictionary.to_pylist() if text]
    return repr(texts[0][:40]) if texts else "nothing"


def examples(column: Column) -> str:
    """Some values of a column, for people."""
    return ", ".join(value[:30] for value in column.texts[:2]) or "blank"


def seconds_of(times: Times) -> Int:
    """Seconds since 1970 of each row; a row without a time has a day of its own before, so that it repeats no other."""
    apart = np.datetime64(0, "s") - np.arange(1, len(times) + 1) * np.timedelta64(86_400, "s")
    return np.asarray(np.where(np.isnat(times), apart, times.astype("datetime64[s]")).astype(np.int64))
