"""Counts below zero: parts that take people back, or differences that are no people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.doubts import check_copies, check_repeats
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.samples import Table

_FEW_BELOW = 0.01
"""Share of rows below zero up to which they are rejected one by one."""
_SHOWN = 6
_BELOW_ZERO = re.compile(r"-\d+(\.0+)?")


def check_sums(
    table: Table, columns: Mapping[str, Column], counted: Sequence[str], negatives: str | None
) -> Choice[dict[str, str]]:
    """Key of a source whose rows add up, or what to ask about their parts.

    Args:
        table: whose rows they are.
        columns: of the table, by name.
        counted: names of those with people.
        negatives: what was answered about parts below zero.

    Raises:
        SourceError: if a part is no whole number, or rows or columns would count the same people again.
    """
    parts = check_parts([columns[name] for name in counted], negatives)
    check_repeats(table, columns.values())
    check_copies(columns.values(), counted)
    return parts


def check_parts(columns: Sequence[Column], negatives: str | None) -> Choice[dict[str, str]]:
    """Key of the parts of a sum that are below zero, or what to ask about them.

    Args:
        columns: of the parts.
        negatives: what was answered.

    Raises:
        SourceError: if some are no whole numbers, as a sum without one of its parts is too small.
    """
    for column in columns:
        if odd := [text for text in column.fractions if not _BELOW_ZERO.fullmatch(text)]:
            raise SourceError(
                f"column {column.name!r} has rows that add up, and some are no whole numbers ({odd[0][:20]!r}): their "
                "sums would be too small: export whole people"
            )
    below = [(column, text) for column in columns for text in column.fractions]
    if not below or negatives:
        return Choice({"negatives": "subtract"} if below and negatives == "subtract" else {})
    column, text = below[0]
    ask = f"Column {column.name!r} has parts of sums below zero ({text}): do they take back people of their interval?"
    ways = ("--negatives subtract", "yes, as refunds do"), ("--negatives reject", "no, and their intervals are blank")
    return Choice({}, [Question("--negatives", ask, ways)])


def ask_refunds(columns: Iterable[Column], answers: Answers) -> list[Question]:
    """What to ask of rows of one person each of which some have a price below zero, as refunds have."""
    filtered = {name for name, _ in (*answers.where, *answers.where_not)}
    if answers.count:
        return []
    for column in columns:
        below = [text for text in column.fractions if text.startswith("-")]
        if below and column.hints_at("money") and column.name not in filtered and len(below) < len(column.texts):
            every = " ".join(f"--where-not '{column.name}={text}'" for text in below[:_SHOWN])
            text = f"Column {column.name!r} is below zero in some rows ({below[0]}): are they refunds, and no people?"
            return [
                Question("--where-not or --count", text, [(every, "yes"), ("--count none", "each row is a person")])
            ]
    return []


def check_below_zero(columns: Sequence[Column]) -> None:
    """Whether counts that do not add up are people: many below zero are differences, or a net of both directions.

    Raises:
        SourceError: if they are not.
    """
    for column in columns:
        below = sum(many for text, many in column.frequencies if _BELOW_ZERO.fullmatch(text))
        kinds = sum(bool(_BELOW_ZERO.fullmatch(text)) for text in column.texts)
        if kinds > 1 and below > _FEW_BELOW * len(column.codes):
            raise SourceError(
                f"column {column.name!r} is below zero in {below:,} rows: it holds differences, and no people: name "
                "the column of people, --count COLUMN, or export entries and exits apart"
            )
