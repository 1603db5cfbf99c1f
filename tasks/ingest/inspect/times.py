"""Which columns say when, in which formats, and on whose clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tasks.clock import to_utc
from tasks.errors import ConfigError, SourceError
from tasks.ingest.inspect.answers import Answers, Choice, Question, known_column
from tasks.ingest.inspect.profile import NEARLY, Column
from tasks.ingest.inspect.samples import Table
from tasks.ingest.inspect.time_columns import (
    OFFSET,
    TimeColumns,
    When,
    calendar_parts,
    examples,
    examples_of,
    part_of_hour,
    time_of,
)
from tasks.ingest.inspect.words import words_of
from tasks.ingest.rows.suggest_formats import read_both_ways
from tasks.ingest.rows.zone_names import zone_offsets
from tasks.time_formats import HOUR_OF_DAY, ISO, MINUTE_OF_DAY, SECOND_OF_DAY, SLOT

_ZONE_NAMES = frozenset({"tz", "timezone", "tzname", "zeitzone", "fuseau"})
_OF_TIME = frozenset({"date", "time", "datum", "uhrzeit", "hour", "local", "fecha", "hora", "heure", "jour"})


def choose_times(table: Table, columns: Mapping[str, Column], answers: Answers) -> Choice[When]:
    """Columns of the time, and their format.

    Raises:
        ConfigError: if an answer names no column or a format that reads no value.
        SourceError: if there are dates and no hour.
    """
    picked = _pick(table, columns, answers)
    if picked.value is None:
        return picked
    when = picked.value if answers.time else _with_offsets(table, columns, picked.value)
    questions = []
    if answers.time_format:
        when = _with_formats(table, when, answers.time_format)
    elif read_both_ways(when.formats):
        questions = [_both_ways(table, when)]
    elif len(_digit_clocks(when.start.formats)) > 1:
        return Choice(None, [_ask_clock(table, when.start)])
    if not (answers.time or answers.time_format) and (asked := _ask_named_zone(table, when.start, answers.timezone)):
        questions = [*questions, asked]
    notes = {"time": _describe(table, when.start)} | (
        {"time of the end": _describe(table, when.end)} if when.end else {}
    )
    return Choice(when, questions, notes)


def _pick(table: Table, columns: Mapping[str, Column], answers: Answers) -> Choice[When]:
    if answers.time:
        groups = [tuple(known_column(name, columns, "--time") for name in group) for group in answers.time]
        found = [time_of(table, columns, group, bool(answers.time_format)) for group in groups]
        return Choice(When(found[0], found[1] if len(found) > 1 else None))
    candidates = _candidates(table, columns)
    if not candidates:
        if any(column.is_date for column in columns.values()):
            raise SourceError(_only_dates(columns))
        shown = [(name, examples(column)) for name, column in list(columns.items())[:12]]
        return Choice(None, [Question("--time COLUMN", "No column was recognised as a time: which one is it?", shown)])
    if one := candidates if len(candidates) == 1 else _same_moments(table, candidates, answers):
        return Choice(When(one[0]))
    for first, last in ((("start",), ("end", "finish")), (("entry",), ("exit",))):
        starts = [c for c in candidates if _says(columns, c, *first) and not _says(columns, c, *last)]
        ends = [c for c in candidates if _says(columns, c, *last) and not _says(columns, c, *first)]
        if len(starts) == len(ends) == 1 and len(candidates) == 2:
            return Choice(_in_order(table, starts[0], ends[0]))
    shown = [(f"--time {c.label!r}", _describe(table, c)) for c in candidates]
    text = "Several columns are times: which one says when people were counted?"
    return Choice(None, [Question("--time", text, shown)])


def _in_order(table: Table, start: TimeColumns, end: TimeColumns) -> When:
    """Both ends, the earlier one first: a vehicle departs from a stop after it arrived there."""
    lengths = end.utc(table, "UTC") - start.utc(table, "UTC")
    known = lengths[~np.isnat(lengths)]
    return When(end, start) if len(known) and np.median(known.astype(np.int64)) < 0 else When(start, end)


def _same_moments(table: Table, candidates: Sequence[TimeColumns], answers: Answers) -> list[TimeColumns]:
    """The one of UTC where all are the same moments, of which the others are on the clocks that were answered."""
    sure = [each for each in candidates if each.offset or each.in_utc]
    if len(sure) != 1 or not answers.timezone or any(read_both_ways(each.formats) for each in candidates):
        return []
    moments = [each.utc(table, answers.timezone) for each in candidates]
    shown = sure[0].utc(table, answers.timezone)
    return sure if all(float((each == shown).mean()) >= NEARLY for each in moments) else []


def _with_offsets(table: Table, columns: Mapping[str, Column], when: When) -> When:
    """With the column of the offset from UTC that stands beside a time without one.

    Raises:
        SourceError: if a column says that the times are those of several zones.
    """
    if when.start.offset:
        return when
    offsets = [c for c in columns.values() if c.texts and all(map(OFFSET.fullmatch, c.texts))]
    if len(offsets) == 1:
        names = [each.names for each in (when.start, when.end) if each]
        ends = [time_of(table, columns, (*each, offsets[0].name), True) for each in names]
        if all(each.formats for each in ends):
            return When(ends[0], ends[1] if len(ends) > 1 else None)
    for column in columns.values():
        if len(column.texts) > 1 and {*words_of(column.name), "".join(words_of(column.name))} & _ZONE_NAMES:
            shown = ", ".join(column.texts[:4])
            raise SourceError(
                f"column {column.name!r} has {shown}: the times are those of several time zones: export them with "
                "their offset, or in UTC"
            )
    return when


def _candidates(table: Table, columns: Mapping[str, Column]) -> list[TimeColumns]:
    whole = [
        TimeColumns((column.name,), column.time_formats, column.has_offset)
        for column in columns.values()
        if column.time_formats
    ]
    dates = [column for column in columns.values() if column.is_date]
    clocks = [column for column in columns.values() if column.is_clock]
    if calendar := calendar_parts(columns):
        return [*whole, time_of(table, columns, calendar, True)]
    clocks = clocks or [c for c in columns.values() if c.number_clocks and c.hints_at("time of day")]
    pairs = [(d, c) for d in dates for c in clocks if len(dates) == 1 or _subject(d) == _subject(c)]
    joined = [time_of(table, columns, (d.name, c.name, *_part(columns, d, c)), True) for d, c in pairs]
    joined = [each for each in joined if each.formats]
    counted = [each for each in whole if not columns[each.names[0]].hints_at("known at")] or whole
    return counted + [pair for pair in joined if not any(_same(table, pair, each) for each in counted)]


def _part(columns: Mapping[str, Column], date: Column, hour: Column) -> tuple[str, ...]:
    """Column of the minute or the quarter of an hour: one that has several values within an hour of a day."""
    found = []
    for column in columns.values() if hour.is_hour else ():
        if column is not hour and part_of_hour(column):
            hours = np.stack([date.codes, hour.codes])
            parts = np.unique(np.stack([*hours, column.codes]), axis=1).shape[1]
            found += [column.name] if parts > np.unique(hours, axis=1).shape[1] else []
    return tuple(found) if len(found) == 1 else ()


def _subject(column: Column) -> frozenset[str]:
    """Words of a name but those that say date or time."""
    return frozenset(words_of(column.name)) - _OF_TIME


def _same(table: Table, one: TimeColumns, other: TimeColumns) -> bool:
    """Whether two readings are the same moments in every row."""
    if read_both_ways(one.formats) or read_both_ways(other.formats):
        return False
    return bool((one.utc(table, "UTC") == other.utc(table, "UTC")).all())


def _digit_clocks(formats: Sequence[str]) -> set[str]:
    """What formats take a time of day for that is one number."""
    words = {text.split(" ")[-1] for text in formats}
    return words if words & {MINUTE_OF_DAY, SECOND_OF_DAY, HOUR_OF_DAY} or any(map(SLOT.fullmatch, words)) else set()


def _ask_clock(table: Table, time: TimeColumns) -> Question:
    shown = []
    for text in time.formats:
        utc = TimeColumns(time.names, (text,), True).utc(table, "UTC")
        known = utc[~np.isnat(utc)]
        shown += [(f'"{text}"', f"{str(known.min())[11:16]} to {str(known.max())[11:16]}")] if len(known) else []
    text = f"Are the numbers of {time.label} hours and minutes, hours with a fraction, counts since midnight, or slots?"
    return Question("--time-format", text, shown)


def _with_formats(table: Table, when: When, formats: tuple[str, ...]) -> When:
    """With formats that were answered.

    Raises:
        ConfigError: if they read less than nearly all.
    """
    bounds = [TimeColumns(each.names, formats, each.offset) for each in (when.start, when.end) if each]
    for each in bounds:
        read = float((~np.isnat(each.utc(table, "UTC"))).mean())
        if read < 0.5:
            raise ConfigError(f"--time-format {formats[0]!r} reads {read:.0%} of column {each.label!r}: correct it")
    return When(bounds[0], bounds[1] if len(bounds) > 1 else None)


def _both_ways(table: Table, when: When) -> Question:
    shown = []
    for text in when.formats:
        utc = TimeColumns(when.start.names, (text,), True).utc(table, "UTC")
        days = np.unique(utc[~np.isnat(utc)].astype("datetime64[D]"))
        if len(days):
            shown.append((f'"{text}"', f"{len(days)} days, {days[0]} to {days[-1]}" if len(days) > 1 else str(days[0])))
    text = f"Is {examples_of(table, when.start)} day/month or month/day? Every value can be read both ways."
    return Question("--time-format", text, shown)


def _ask_named_zone(table: Table, time: TimeColumns, zone: str | None) -> Question | None:
    """What to ask where a column is called CET, and the clocks of the time zone show another time in summer."""
    may = [offsets for name in time.names for word in words_of(name) if (offsets := zone_offsets(word))]
    wall = time.utc(table, "UTC")
    wall = wall[~np.isnat(wall)]
    if not may or not zone or time.offset or time.in_utc or not len(wall):
        return None
    year = wall.min() + np.arange(12) * np.timedelta64(30 * 24, "h")
    shown = {int(seconds) for seconds in (year - to_utc(year, zone)).astype(np.int64)}
    if len(shown) == 1 and shown <= {*may[0]}:
        return None
    fixed = [(f"--timezone Etc/GMT{-each // 3600:+d}", "the same all year") for each in may[0] if each % 3600 == 0]
    text = f"Are the times of {time.label!r} the same zone's all year, or those of the clocks of {zone}?"
    shown_there = (f"--time {time.label!r}", f"they are the clocks of {zone}, summer time included")
    return Question("--timezone or --time", text, [*fixed, shown_there])


def _says(columns: Mapping[str, Column], time: TimeColumns, *roles: str) -> bool:
    return any(columns[name].hints_at(*roles) for name in time.names)


def _describe(table: Table, time: TimeColumns) -> str:
    formats = " or ".join("ISO 8601" if text == ISO else text for text in time.formats)
    return f"{' + '.join(time.names)}: {formats}, such as {examples_of(table, time)}"


def _only_dates(columns: Mapping[str, Column]) -> str:
    dates = next(column for column in columns.values() if column.is_date)
    return (
        f"column {dates.name!r} has dates without an hour ({examples(dates)}), and no column looks like the hour: "
        "name both, --time DATE,HOUR; counts by the day are no minutes"
    )
