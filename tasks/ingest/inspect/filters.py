"""Which rows count, where a column says that some of them were denied, cancelled or tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.errors import ConfigError
from tasks.ingest.inspect.answers import Answers, Choice, Question, known_column
from tasks.ingest.inspect.profile import Column

EVERY = "all"
_FEW = 12
Filter = dict[str, list[str]]


def choose_filter(columns: Mapping[str, Column], taken: Sequence[str], answers: Answers) -> Choice[Filter]:
    """Columns and the values of the rows that count; a column that may tell is asked about.

    Args:
        columns: of the table.
        taken: columns of time, station, direction and counts.
        answers: what was said already.

    Raises:
        ConfigError: if an answer names no column or value.
    """
    chosen: dict[str, list[str]] = {}
    for name, value in answers.where:
        chosen.setdefault(known_column(name, columns, "--where"), []).append(value)
    for name, values in chosen.items():
        strange = [value for value in values if value != EVERY and value not in columns[name].texts]
        if strange:
            known = ", ".join(columns[name].texts[:_FEW])
            raise ConfigError(f"--where {name}={strange[0]}: column {name!r} has no such value but {known}")
    asked = [c for c in columns.values() if c.name not in {*taken, *chosen} and _may_tell(c)]
    if asked and answers.entries != EVERY:
        return Choice(None, [_which_count(column) for column in asked])
    kept = {name: values for name, values in chosen.items() if EVERY not in values}
    said = {"rows that count": "; ".join(f"{name} is {' or '.join(values)}" for name, values in kept.items())}
    return Choice(kept, (), said if kept else {})


def _may_tell(column: Column) -> bool:
    return 2 <= len(column.texts) <= _FEW and column.hints_at("outcome") and not column.is_date


def _which_count(column: Column) -> Question:
    shown = [(f"--where '{column.name}={value}'", f"{many:,} rows") for value, many in column.frequencies[:_FEW]]
    text = f"Column {column.name!r} may say which rows count: which values are those of people?"
    every = (f"--where '{column.name}={EVERY}'", "every row counts")
    return Question("--where COLUMN=VALUE", text, [*shown, every])
