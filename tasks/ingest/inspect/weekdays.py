"""Days of the week beside the date of their week: in columns, Monday to Sunday, or named in each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.samples import Table
from tasks.ingest.inspect.time_columns import examples
from tasks.ingest.inspect.words import words_of
from tasks.ingest.rows.format_times import parse_times
from tasks.ingest.rows.suggest_formats import fitting_formats
from tasks.time_formats import CLOCKS, PERIODS, WEEKDAY, WEEKDAY_BEFORE
from tasks.weekday_names import WEEKDAY_NUMBERS

WEEKDAY_COLUMN = "weekday"
"""Name of the column of weekdays that stood above columns."""
_FEWEST = 5
_WEEKS = ("%G-W%V", "%GW%V", "%G%V", "%G/%V", "%G/W%V", "%G W%V")
_WEEK_WORDS = frozenset({"week", "woche", "kw", "semaine", "semana", "settimana", "vecka", "uke", "uge"})
_FIRST_WEEKDAY = 3
"""Of the first of January 1970; Monday is 0."""
_WEEK_BEGINS = {"from": WEEKDAY, "to": WEEKDAY_BEFORE}


def weekday_columns(names: Sequence[str]) -> list[str]:
    """Names that are those of days of the week, of five at the least; none where they are not."""
    found = [name for name in names if _is_weekday(name)]
    numbers = {_number(name) for name in found}
    return found if len(numbers) == len(found) >= _FEWEST else []


def read_weeks(table: Table, answers: Answers, *, dated: bool) -> Choice[Answers]:
    """The answers with the time that the date of a week, a weekday and an hour make; as they are where none do.

    Args:
        table: of the files.
        answers: what was said already.
        dated: whether the days that names of files give are among its columns.

    Raises:
        SourceError: if weekdays have no date of their week.
    """
    columns = {name: table.profile(name) for name in table.names}
    named = [c for c in columns.values() if len(c.texts) > 1 and all(map(_is_weekday, c.texts))]
    if len(named) != 1 or answers.time:
        return Choice(answers)
    weekday = named[0]
    weeks = [column for column in columns.values() if _week_formats(column) and _holds_weeks(column, weekday)]
    if not weeks and dated and weekday.name == WEEKDAY_COLUMN and "unpivot" in table.shape:
        raise _without_week(weekday)
    clocks = [c for c in columns.values() if c.is_clock and c is not weekday]
    if len(clocks) != 1 or len(weeks) != 1:
        return Choice(answers)
    return _join(weeks[0], weekday, clocks[0], answers)


def _join(week: Column, weekday: Column, clock: Column, answers: Answers) -> Choice[Answers]:
    """The answers with the format of the three columns, or what must be asked about the week."""
    names = week.name, weekday.name, clock.name
    hours = fitting_formats(clock.sample, [*PERIODS, *CLOCKS])[:1]
    starts = [(text, _starts_of(week, text)) for text in _week_formats(week)]
    starts = [(text, days) for text, days in starts if len({*days}) == 1] or starts
    if not hours:
        return Choice(answers)
    if answers.time_format:
        return Choice(replace(answers, time=(names,)))
    text, days = starts[0]
    if "%V" in text:
        return Choice(_answered(answers, names, f"{text} {WEEKDAY} {hours[0]}"))
    first, last = _number(weekday.texts[0]), _number(weekday.texts[-1])
    begins, ends = {*days} == {first}, {*days} == {last}
    if len(starts) == 1 and begins and not week.hints_at("end"):
        return Choice(_answered(answers, names, f"{text} {WEEKDAY} {hours[0]}"))
    if len(starts) == 1 and ends and week.hints_at("end") and not week.hints_at("start"):
        return Choice(_answered(answers, names, f"{text} {WEEKDAY_BEFORE} {hours[0]}"))
    shown = [
        (f'"{each} {word} {hours[0]}"', f"the days {way} that date on" if way == "from" else "the days up to that date")
        for each, _ in starts
        for way, word in _WEEK_BEGINS.items()
    ]
    question = f"Column {week.name!r} names a week ({examples(week)}): is it the first or the last day of it?"
    return Choice(None, [Question("--time-format", question, shown)])


def _answered(answers: Answers, names: tuple[str, ...], text: str) -> Answers:
    return replace(answers, time=(names,), time_format=(text,))


def _without_week(weekday: Column) -> SourceError:
    shown = ", ".join(map(repr, weekday.texts[:3]))
    return SourceError(
        f"columns {shown}, ... are days of the week, and no column says of which week: their counts may be averages or "
        "sums of many: export the counts of each day with its date, or with the date of its week"
    )


def _week_formats(column: Column) -> list[str]:
    """Formats of dates, or of weeks of ISO 8601, that read a column."""
    formats = [*column.date_formats]
    if formats or not column.sample:
        return formats
    days = [f"{text} {WEEKDAY} %H" for text in _WEEKS]
    if not _WEEK_WORDS & {*words_of(column.name)} and not all("W" in text.upper() for text in column.sample):
        return []
    fit = fitting_formats([f"{text} monday 0" for text in column.sample], days)
    return [text.removesuffix(f" {WEEKDAY} %H") for text in fit[:1]]


def _starts_of(week: Column, text: str) -> list[int]:
    """Weekdays of the dates of a column, by one format; none for weeks of ISO 8601."""
    if "%V" in text:
        return []
    wall = parse_times(pa.array([f"{each} 0" for each in week.sample], pa.string()), [f"{text} %H"]).wall
    return [int(day) % 7 for day in wall.astype("datetime64[D]").astype(np.int64) + _FIRST_WEEKDAY]


def _holds_weeks(column: Column, weekday: Column) -> bool:
    """Whether dates go with several weekdays each, so that they name weeks and no days."""
    known = (column.codes >= 0) & (weekday.codes >= 0)
    pairs = np.unique(np.stack([column.codes[known], weekday.codes[known]]), axis=1)
    return bool(pairs.size) and pairs.shape[1] >= 2 * len(np.unique(pairs[0]))


def _is_weekday(text: str) -> bool:
    return text.strip().lower().rstrip(".") in WEEKDAY_NUMBERS


def _number(text: str) -> int:
    return WEEKDAY_NUMBERS[text.strip().lower().rstrip(".")]
