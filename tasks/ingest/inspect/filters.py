"""Which rows count, where a column says that some of them were denied, cancelled or tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tasks.errors import ConfigError
from tasks.ingest.inspect.answers import Answers, Choice, Question, known_column
from tasks.ingest.inspect.profile import Column
from tasks.settings.columns import canonical

EVERY = "all"
_FEW = 12
_WORDS = {"where": "is", "where_not": "is not"}
Filter = dict[str, dict[str, list[str]]]
"""Keys `where` and `where_not` of a source, as far as they are answered."""


def answered_filter(columns: Mapping[str, Column], answers: Answers) -> Filter:
    """Rows that count, as they were answered.

    Raises:
        ConfigError: if an answer names no column or value, or leaves no row.
    """
    given = {"where": answers.where, "where_not": answers.where_not}
    rules = {key: _by_column(pairs, columns, f"--{key.replace('_', '-')}") for key, pairs in given.items()}
    rules["where"] = {name: values for name, values in rules["where"].items() if EVERY not in values}
    chosen = {key: rule for key, rule in rules.items() if rule}
    if chosen and not chosen_rows(columns, chosen).any():
        raise ConfigError(f"--where and --where-not leave no row: {_in_words(chosen)}")
    return chosen


def _by_column(pairs: Sequence[tuple[str, str]], columns: Mapping[str, Column], option: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        known = columns[known_column(name, columns, option)].texts
        if value not in known and not (value == EVERY and option == "--where"):
            raise ConfigError(
                f"{option} {name}={value}: column {name!r} has no such value but {', '.join(known[:_FEW])}"
            )
        found.setdefault(name, []).append(value)
    return found


def chosen_rows(columns: Mapping[str, Column], rules: Filter) -> npt.NDArray[np.bool_]:
    """Which rows a filter lets through."""
    chosen = np.ones(len(next(iter(columns.values())).codes), dtype=bool)
    for key, rule in rules.items():
        for name, values in rule.items():
            column, wanted = columns[name], {*map(canonical, values)}
            has = np.array([*(canonical(text) in wanted for text in column.texts), False])[column.codes]
            chosen &= has == (key == "where")
    return chosen


def choose_filter(
    columns: Mapping[str, Column], taken: Sequence[str], answers: Answers, answered: Filter
) -> Choice[Filter]:
    """Columns and the values of the rows that count; a column that may tell is asked about.

    Args:
        columns: of the table, of the rows that the answered filter lets through.
        taken: columns of time, station, direction and counts.
        answers: what the user stated.
        answered: see `answered_filter`.
    """
    stated = {name for name, _ in (*answers.where, *answers.where_not)}
    asked = [c for c in columns.values() if c.name not in {*taken, *stated} and _may_tell(c)]
    if asked and answers.entries != EVERY:
        return Choice(None, [_which_count(column) for column in asked])
    return Choice(answered, (), {"rows that count": _in_words(answered)} if answered else {})


def _in_words(rules: Filter) -> str:
    return "; ".join(
        f"{name} {_WORDS[key]} {' or '.join(values)}" for key, rule in rules.items() for name, values in rule.items()
    )


def _may_tell(column: Column) -> bool:
    return 2 <= len(column.texts) <= _FEW and column.hints_at("outcome") and not column.is_date


def _which_count(column: Column) -> Question:
    shown = [(f"--where '{column.name}={value}'", f"{many:,} rows") for value, many in column.frequencies[:_FEW]]
    text = f"Column {column.name!r} may say which rows count: which values are those of people?"
    every = (f"--where '{column.name}={EVERY}'", "every row counts")
    return Question("--where or --where-not COLUMN=VALUE", text, [*shown, every])
