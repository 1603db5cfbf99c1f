"""Files whose rows have an hour and no day: the day that their names say, or what must be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from tasks.errors import SourceError
from tasks.ingest.formats.added import add_columns
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.samples import Sample, Table
from tasks.ingest.inspect.time_columns import calendar_parts
from tasks.ingest.inspect.words import is_value_of, words_of
from tasks.ingest.rejects import FileProblem
from tasks.settings.shapes import FileShape
from tasks.weekday_names import WEEKDAY_NUMBERS

_WAYS = ("entry value", "exit value")
_YEAR, _MONTH, _DAY = r"(?:19|20)\d{2}", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_WEEKDAYS = (
    "mon(day)?|tue(s(day)?)?|wed(nesday)?|thu(r(s(day)?)?)?|fri(day)?|sat(urday)?|sun(day)?|montag|dienstag|mittwoch|"
    "donnerstag|freitag|samstag|sonnabend|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|"
    "mi[e\u00e9]rcoles|jueves|viernes|s[a\u00e1]bado|domingo|[\u6708\u706b\u6c34\u6728\u91d1\u571f\u65e5](\u66dc\u65e5)?"
)
_DAY_TYPES = (
    "(weekday|school ?day|workday|weekend|holiday|working day|laboral|laborable|festivo)s?|"
    "werktag|feiertag|wochenende|jours? ouvrables?|mtt|mtf"
)
_KIND_OF_DAY = re.compile(
    rf"(({_WEEKDAYS})s?|{_DAY_TYPES})(\s*[/+&-]\s*(({_WEEKDAYS})s?|{_DAY_TYPES}))*|{_YEAR}[-/]?{_MONTH}", re.IGNORECASE
)
_OTHER_DAY = re.compile(
    rf"{_YEAR}-?W\d{{2}}(-?[1-7])?|{_YEAR}-?[0-3]\d\d|(\u4ee4\u548c|\u5e73\u6210|\u662d\u548c|[RHS])\s*\d{{1,2}}"
    r"[.\u5e74/-]\s*\d{1,2}[.\u6708/-]\s*\d{1,2}\u65e5?"
    rf"|{_YEAR}\u5e74\s*\d{{1,2}}\u6708\s*\d{{1,2}}\u65e5"
)
_OTHER_CALENDAR = re.compile(r"1[34]\d\d(?P<sign>[/.-])\d{1,2}(?P=sign)\d{1,2}([T ].*)?")
_FORMS = tuple((rf"(?<!\d){_YEAR}{sep}{_MONTH}{sep}{_DAY}(?!\d)", f"%Y{sep}%m{sep}%d") for sep in ("-", "_", "", "."))


def add_days(table: Table, answers: Answers) -> Choice[Table]:
    """A table with the column of the day that names of files or an answer give; as it is where it needs none.

    Args:
        table: in which an hour may stand without a day.
        answers: what the user stated.

    Raises:
        SourceError: if a file does not fit what was answered.
    """
    given: dict[str, Any] = {"constants": dict(answers.constants)} if answers.constants else {}
    given |= {"path_pattern": answers.path_pattern} if answers.path_pattern else {}
    if given:
        return Choice(_add_columns(table, given))
    if question := _ask_ways([sample.file.origin for sample in table.samples]):
        return Choice(None, [question])
    columns = {name: table.profile(name) for name in table.names}
    clocks = [c for c in columns.values() if c.is_clock]
    clocks = clocks or [c for c in columns.values() if c.number_clocks and c.hints_at("time of day")]
    dated = any(column.time_formats or column.is_date for column in columns.values()) or calendar_parts(columns)
    named = any(len(group) > 1 for group in answers.time)
    if not clocks or dated or named:
        return Choice(table)
    _check_days(columns)
    _check_parts_of_dates(columns)
    pattern = _pattern_of([sample.file.origin for sample in table.samples])
    days = {day for sample in table.samples for day in _days_in(sample)}
    if pattern and len(days) == len(table.samples) > 1:
        return Choice(
            _add_columns(table, {"path_pattern": pattern}), (), {"day": f"from the names of the files: {pattern}"}
        )
    return Choice(None, [_ask_day(table, clocks[0], pattern, sorted(days))])


def check_calendars(columns: Mapping[str, Column]) -> None:
    """Whether no column has dates of a calendar that is not read.

    Raises:
        SourceError: if one does.
    """
    for column in columns.values():
        if column.texts and all(map(_OTHER_CALENDAR.fullmatch, column.texts)):
            raise SourceError(
                f"column {column.name!r} has {column.texts[0]!r}, a date of the Persian or Islamic calendar: export "
                "those of the Gregorian one, such as 2024-03-05"
            )


def _check_days(columns: Mapping[str, Column]) -> None:
    """Whether no column says days in a form that is not read, or months and kinds of days.

    Raises:
        SourceError: if one does, so that one day for all rows would be wrong.
    """
    for column in columns.values():
        shown = f"column {column.name!r} has {', '.join(map(repr, column.texts[:3]))}"
        if len(column.texts) > 1 and all(map(_is_kind_of_day, column.texts)):
            raise SourceError(
                f"{shown}: kinds of days, or months, whose hours are sums or averages of many days: export the counts "
                "of each day, with its date"
            )
        if column.texts and all(map(_OTHER_DAY.fullmatch, column.texts)):
            raise SourceError(
                f"{shown}: days in a form that is not recognised: export them as 2024-03-05, or name them with their "
                "hour, --time DAY,HOUR --time-format FORMAT"
            )


def _is_kind_of_day(text: str) -> bool:
    return bool(_KIND_OF_DAY.fullmatch(text)) or text.lower().rstrip(".") in WEEKDAY_NUMBERS


def _check_parts_of_dates(columns: Mapping[str, Column]) -> None:
    """Whether no columns number months, weeks and days without all that makes a date.

    Raises:
        SourceError: if they do, so that one day for all rows would be wrong.
    """
    parts = {word: column for name, column in columns.items() if column.is_whole for word in words_of(name)}
    if {"month", "day"} <= {*parts} and "year" not in parts and len(parts["day"].texts) > 1:
        raise SourceError(
            f"columns {parts['month'].name!r} and {parts['day'].name!r} name no year: add it, --constant year=2024"
        )
    if {"week", "weekday"} <= {*parts} and len(parts["weekday"].texts) > 1:
        raise SourceError(
            f"columns {parts['week'].name!r} and {parts['weekday'].name!r} number weeks and days, and nothing says "
            "which day is the first of a week: export dates"
        )


def _add_columns(table: Table, keys: Mapping[str, Any]) -> Table:
    """The table with the columns that keys add.

    Raises:
        SourceError: if a file does not fit them.
    """
    shape = FileShape(**keys)
    try:
        samples = [replace(each, rows=add_columns(each.rows, each.file.origin, shape)) for each in table.samples]
    except FileProblem as problem:
        raise SourceError(str(problem)) from None
    return Table(tuple(samples[0].rows.names), samples, {**table.shape, **keys})


def _days_in(sample: Sample) -> list[str]:
    return [text for form, _ in _FORMS for text in re.findall(form, _tail(sample.file.origin))][:1]


def _tail(origin: str) -> str:
    """The name of a file and of its folder."""
    return "/".join(PurePath(origin).parts[-2:])


def _pattern_of(origins: Sequence[str]) -> str | None:
    """A path_pattern of the one date that each name has, or each folder; None where one has none."""
    for parts in (1, 2):
        tails = ["/".join(PurePath(origin).parts[-parts:]) for origin in origins]
        for form, codes in _FORMS:
            if all(len(re.findall(form, tail)) == 1 for tail in tails):
                around = {re.sub(form, codes, tail.replace("%", "%%")) for tail in tails}
                return around.pop() if len(around) == 1 else "*" * (parts == 1) + codes + "*" + "/*" * (parts == 2)
    return None


def _ask_ways(origins: Sequence[str]) -> Question | None:
    """What to ask where names of files differ in a word of direction alone: entries_2024.csv, exits_2024.csv."""
    names = [PurePath(origin).name for origin in origins]
    found = [(name, word) for name in names for word in re.findall(r"[^\W\d_]+", name.split(".")[0])]
    ways = {role: {n.replace(w, "{direction}", 1) for n, w in found if is_value_of(w, role)} for role in _WAYS}
    common = sorted(ways["entry value"] & ways["exit value"])
    if not common:
        return None
    text = f"Names of files say which way people went ({', '.join(names[:2])}): what do they count?"
    option = f"--path-pattern '{common[0]}'", "the word of the name becomes the column direction"
    return Question("--path-pattern", text, [option, ("PATH", "init the files of one direction by themselves")])


def _ask_day(table: Table, clock: Column, pattern: str | None, days: Sequence[str]) -> Question:
    """What to ask where rows have an hour and no day."""
    named = [(f"--path-pattern '{pattern}'", f"the names of the files say {', '.join(days[:3])}")] if pattern else []
    option = ("--constant day=2024-03-05", "for example")
    text = (
        f"Column {clock.name!r} has hours ({', '.join(clock.texts[:2])}), and no column has the day: which day is it?"
    )
    return Question("--path-pattern or --constant", text, [*named, option])
