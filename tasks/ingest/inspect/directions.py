"""Directions that stand in names: "Central - Entry" and "Central - Exit" are one station."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tasks.errors import SourceError
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.words import is_value_of

_SIGNS = r"[\s_/:.()|-]+"
_BEHIND, _BEFORE = re.compile(rf"(.+?){_SIGNS}([^\W\d_]+)\)?"), re.compile(rf"\(?([^\W\d_]+){_SIGNS}(.+)")
_MOST = 5_000


def check_ways_in_names(columns: Mapping[str, Column]) -> None:
    """Whether no column of names has the direction within them, by which each would count entries and exits alike.

    Raises:
        SourceError: if one has.
    """
    for column in columns.values():
        if len(column.texts) < 2 or len(column.texts) > _MOST or column.is_number or column.time_formats:
            continue
        if any(is_value_of(text, role) for text in column.texts[:2] for role in ("entry value", "exit value")):
            continue  # it is the direction itself
        for pairs in ([_behind(text) for text in column.texts], [_before(text) for text in column.texts]):
            known = [pair for pair in pairs if pair is not None]
            entered, left = ({stem for stem, way in known if way == role} for role in ("entry", "exit"))
            if len(known) == len(pairs) and entered & left:
                raise SourceError(
                    f"values of column {column.name!r} say the direction, too ({', '.join(column.texts[:2])}): export "
                    "it as a column of its own, or write the configuration by hand, with where = {...} per target"
                )


def _behind(text: str) -> tuple[str, str] | None:
    """What stands before the direction that ends a name, and which it is; None where none does."""
    found = _BEHIND.fullmatch(text)
    return _way(found[1], found[2]) if found else None


def _before(text: str) -> tuple[str, str] | None:
    found = _BEFORE.fullmatch(text)
    return _way(found[2], found[1]) if found else None


def _way(stem: str, word: str) -> tuple[str, str] | None:
    roles = [role for role in ("entry", "exit") if is_value_of(word, f"{role} value")]
    return (stem.strip().lower(), roles[0]) if len(roles) == 1 else None
