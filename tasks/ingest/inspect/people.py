"""Which columns say how many, and in which direction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.errors import ConfigError
from tasks.ingest.inspect.answers import Answers, Choice, Question, known_column
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.words import is_value_of, words_of

ENTRIES, EXITS = "entries", "exits"
NONE, ALL = "none", "all"
_FEW = 12
_MOST_TARGETS = 8
_IDS = frozenset({("id",), ("ids",), ("code",), ("key",), ("uid",)})
_CODE = re.compile(r"^(\d|[A-Za-z]{1,2}|true|false|yes|no)$", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """What is counted.

    Attributes:
        column: of the numbers; None where each row is one person.
        where: column and the value of it in the rows that count; None where all do.
    """

    column: str | None
    where: tuple[str, str] | None = None


@dataclass(frozen=True)
class People:
    """Targets by name."""

    targets: Mapping[str, Target] = field(default_factory=dict)


def choose_people(
    columns: Mapping[str, Column], taken: Sequence[str], answers: Answers, *, trips: bool
) -> Choice[People]:
    """What is counted, by which column, in which rows.

    Args:
        columns: of the table.
        taken: columns of time and station.
        answers: what the user stated.
        trips: whether rows have two ends, so that each is a trip unless a column counts.

    Raises:
        ConfigError: if an answer names no column or value.
    """
    free = {name: column for name, column in columns.items() if name not in taken}
    counted = _choose_counts(columns, free, answers, trips)
    if counted.value is None:
        return Choice(None, counted.questions)
    targets = counted.value.targets
    if trips or len(targets) > 1:
        return counted
    (column,) = (target.column for target in targets.values())
    rest = {name: each for name, each in free.items() if name != column}
    directed = _choose_direction(columns, rest, answers, column)
    if directed.value is None or not directed.value.targets:
        return Choice(None, directed.questions) if directed.questions else counted
    return Choice(directed.value, (), {**counted.notes, **directed.notes})


def _choose_counts(
    columns: Mapping[str, Column], free: Mapping[str, Column], answers: Answers, trips: bool
) -> Choice[People]:
    direct = {ENTRIES: answers.entries, EXITS: answers.exits}
    named = {target: name for target, name in direct.items() if name and "=" not in name and name != ALL}
    if named:
        return _choose_columns({t: known_column(name, columns, f"--{t}") for t, name in named.items()}, columns)
    if answers.count == (NONE,):
        return _one_each(trips)
    if answers.count:
        names = [known_column(name, columns, "--count") for name in answers.count]
        return _choose_columns(dict(zip(_targets_of(names, answers), names, strict=True)), columns)
    every = [c for c in free.values() if _may_count(c)]
    numbers = [c for c in every if c.is_whole or c.is_written_number]
    called = [c for c in numbers if not c.hints_at("no count")]
    ins, outs = ([c for c in called if c.hints_at(role)] for role in ("entry", "exit"))
    ins, outs = [c for c in ins if c not in outs], [c for c in outs if c not in ins]
    if ins and outs and not trips:
        if len(ins) == len(outs) == 1:
            return _choose_columns({ENTRIES: ins[0].name, EXITS: outs[0].name}, columns)
        names = [c.name for c in numbers if c in ins or c in outs]
        if len(names) <= _MOST_TARGETS:
            return _choose_columns(dict(zip(_targets_of(names, answers), names, strict=True)), columns)
    totals = [c for c in called if c not in ins and c not in outs and c.hints_at("count")]
    weight = next((c for c in columns.values() if c.hints_at("weight") and c.is_number and c.texts != ("1",)), None)
    found = totals if trips else [*totals, *ins, *outs]
    if len(found) == 1 and weight is None:
        return _choose_columns({EXITS if found[0] in outs else ENTRIES: found[0].name}, columns)
    unknown = found or [c for c in numbers if not c.hints_at("other number", "direction") and len(c.texts) > 1]
    unknown = unknown or [c for c in every if c.hints_at("count", "entry", "exit") and c.is_measured]
    if (trips and not found) or not unknown:
        return _one_each(trips)
    if weight is not None:
        return Choice(None, [which_count(unknown, f"Column {weight.name!r} may say how many people a row stands for.")])
    return Choice(None, [which_count(unknown)])


def _may_count(column: Column) -> bool:
    """Whether a column of numbers may be how many people there were, and no time, place or id."""
    counted, words = column.hints_at("count", "entry", "exit"), words_of(column.name)
    other = column.time_formats or column.is_date or column.is_row_number
    return not (other or words[-1:] in _IDS or (column.hints_at("coordinate", "id", "station") and not counted))


def which_count(columns: Sequence[Column], why: str = "") -> Question:
    """What to ask where no column is called a count, or several are, or for a reason that is stated."""
    shown = [(f"--count {c.name!r}", f"{', '.join(c.texts[:4])}, ...") for c in columns[:_MOST_TARGETS]]
    text = f"{why} Which column is the number of people, if not each row is one person?".strip()
    return Question("--count", text, [*shown, ("--count none", "each row is one person")])


def _targets_of(names: Sequence[str], answers: Answers) -> tuple[str, ...]:
    """Names of the targets that columns count.

    Raises:
        ConfigError: if other targets were given than there are columns.
    """
    if answers.targets:
        if len(answers.targets) != len(names):
            raise ConfigError(
                f"--targets {','.join(answers.targets)} are not as many as the columns {', '.join(names)}"
            )
        return answers.targets
    if len(names) == 1:
        return (ENTRIES,)
    return tuple(
        "_".join(word for word in words_of(name) if word.isascii()) or f"count_{i}" for i, name in enumerate(names, 1)
    )


def _choose_columns(targets: Mapping[str, str], columns: Mapping[str, Column]) -> Choice[People]:
    notes = {target: f"column {name}: {', '.join(columns[name].texts[:4])}, ..." for target, name in targets.items()}
    return Choice(People({target: Target(name) for target, name in targets.items()}), (), notes)


def _one_each(trips: bool) -> Choice[People]:
    targets = {ENTRIES: Target(None)} | ({EXITS: Target(None)} if trips else {})
    return Choice(People(targets), (), {"people": "each row is one person" + (", at both ends" if trips else "")})


def _choose_direction(
    columns: Mapping[str, Column], free: Mapping[str, Column], answers: Answers, count: str | None
) -> Choice[People]:
    """Targets by the value of one column; no targets where there is no such column."""
    conditions = {
        target: text for target, text in ((ENTRIES, answers.entries), (EXITS, answers.exits)) if text and "=" in text
    }
    if conditions:
        return _choose_by_direction(
            {target: _condition(text, columns, target) for target, text in conditions.items()}, count
        )
    if answers.entries == ALL:
        return Choice(People())
    few = [c for c in free.values() if 1 <= len(c.texts) <= _FEW and not c.time_formats and not c.is_date]
    for column in few:
        ins, outs = ([v for v in column.texts if is_value_of(v, role)] for role in ("entry value", "exit value"))
        if len(column.texts) == 1:
            if not (ins or outs) or not column.hints_at("direction"):
                continue
            if column.blank:
                return Choice(None, [_which_way(column)])
            return _choose_by_direction({ENTRIES if ins else EXITS: (column.name, column.texts[0])}, count)
        if len(ins) == len(outs) == 1 and len(column.texts) == 2:
            return _choose_by_direction({ENTRIES: (column.name, ins[0]), EXITS: (column.name, outs[0])}, count)
        if ins or outs or _may_be_direction(column):
            return Choice(None, [_which_way(column)])
    return Choice(People())


def _may_be_direction(column: Column) -> bool:
    """Whether a column of few values may say which way, or whether a row counts at all."""
    codes = len(column.texts) == 2 and all(_CODE.match(value) for value in column.texts)
    ways = column.hints_at("way") or all(is_value_of(value, "way value") for value in column.texts)
    unreal = any(is_value_of(value, "unreal value") for value in column.texts)
    return unreal or ways or (codes and not column.hints_at("other number")) or column.hints_at("verdict")


def _condition(text: str, columns: Mapping[str, Column], target: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    column = columns[known_column(name, columns, f"--{target}")]
    if value not in column.texts:
        raise ConfigError(f"--{target} {text!r}: column {name!r} has no {value!r} but {', '.join(column.texts[:_FEW])}")
    return name, value


def _choose_by_direction(where: Mapping[str, tuple[str, str]], count: str | None) -> Choice[People]:
    notes = {target: f"rows where {name} is {value}" for target, (name, value) in where.items()}
    return Choice(People({target: Target(count, each) for target, each in where.items()}), (), notes)


def _which_way(column: Column) -> Question:
    values = dict(column.frequencies[:_FEW])
    shown = [(f"{column.name}={value}", f"{many:,} rows") for value, many in values.items()]
    first, *second = list(values)[:2]
    exits = f" --exits '{column.name}={second[0]}'" if second else ""
    every = (f"--entries '{column.name}={first}'{exits}", "for example")
    text = f"Column {column.name!r} may say which way people went, or which rows count: which value is an entry?"
    return Question("--entries and --exits, COLUMN=VALUE", text, [*shown, every, ("--entries all", "every row counts")])
