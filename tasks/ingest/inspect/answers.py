"""What is asked of the person who has the files, and what was answered on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tasks.errors import ConfigError, nearest_key

Value = TypeVar("Value")


@dataclass(frozen=True)
class Answers:
    """Options of the command line; None or empty where nothing is stated.

    Attributes:
        timezone: IANA name of the wall clock that times without an offset were read from.
        time_format: strptime formats.
        time: columns of the time, each a tuple of the columns that make one; two for the start and end of trips.
        station: column of the station; two for the start and end of trips.
        count: columns with numbers of people; ("none",) where each row is one person.
        entries, exits: a column, or COLUMN=VALUE of the rows that count.
        where: columns, each with a value of the rows that count, or "all".
        where_not: columns, each with a value of rows that do not.
        interval: minutes.
        negatives: "subtract" or "reject", where parts of a sum are below zero.
        rows: "sum" or "last".
        numbers: "people" or "readings", where counts only grow.
        time_is: "start", "end" or "last_minute".
        targets: names of what is counted, in the order of `count`.
        unpivot: pattern of the columns that become rows.
        unpivot_exclude: columns that stay though it fits them, names or patterns.
        constants: columns that every row has alike.
        path_pattern: what the paths of the files say as columns.
        thousands, decimal: marks in counts.
        missing: words for counts that are not known.
        exclude: stations that are left out, ids or patterns; ("none",) for none.
    """

    timezone: str | None = None
    time_format: tuple[str, ...] = ()
    time: tuple[tuple[str, ...], ...] = ()
    station: tuple[str, ...] = ()
    count: tuple[str, ...] = ()
    entries: str | None = None
    exits: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    where_not: tuple[tuple[str, str], ...] = ()
    interval: int | None = None
    rows: str | None = None
    negatives: str | None = None
    numbers: str | None = None
    time_is: str | None = None
    targets: tuple[str, ...] = ()
    unpivot: str | None = None
    unpivot_exclude: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    path_pattern: str | None = None
    thousands: tuple[str, ...] = ()
    decimal: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What the files do not tell.

    Attributes:
        option: that answers it.
        text: the question, one line.
        evidence: an answer as it is typed, and what speaks for it, each.
    """

    option: str
    text: str
    evidence: Sequence[tuple[str, str]] = ()

    def line(self) -> str:
        """The question with its answers, on one line."""
        shown = "; ".join(f"{answer}: {why}" if why else answer for answer, why in self.evidence)
        return f"{self.text} Answer with {self.option}" + (f" ({shown})" if shown else "")


@dataclass(frozen=True)
class Choice(Generic[Value]):
    """A decision, or the questions without whose answer there is none.

    Attributes:
        value: what was decided; None while it is open.
        questions: what is to be asked.
        notes: what was understood, for the table, by subject.
    """

    value: Value | None = None
    questions: Sequence[Question] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def known_column(name: str, columns: Mapping[str, Any], option: str) -> str:
    """The name, if there is such a column.

    Raises:
        ConfigError: if there is none.
    """
    if name not in columns:
        raise ConfigError(f"{option} {name!r} is no column{nearest_key(name, tuple(columns))}")
    return name
