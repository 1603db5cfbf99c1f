"""Matrices of origins and destinations: a row per station and a column per station, with people between both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.words import hints_at, is_value_of, words_of
from tasks.settings.columns import canonical

ORIGIN, DESTINATION = "origin", "destination"
"""Names of the column of stations that stood above columns."""
_FEWEST, _MOSTLY = 3, 0.8


@dataclass(frozen=True)
class Matrix:
    """Columns of a matrix.

    Attributes:
        rows: the column that names the station of a row.
        columns: those that are called after stations; totals are none.
    """

    rows: str
    columns: Sequence[str]

    def columns_end(self, rows: Column) -> str | None:
        """Which end of a journey columns are, as the name of the rows' column says; None where it says nothing."""
        for word in words_of(rows.name):
            if hints_at(word, "start"):
                return DESTINATION  # also of FROM/TO, which names rows before columns
            if hints_at(word, "end"):
                return ORIGIN
        return None


def find_matrix(columns: Mapping[str, Column], counts: Sequence[str]) -> Matrix | None:
    """The matrix that columns make; None where they make none.

    Args:
        columns: of the table.
        counts: names of those that hold numbers and no times.
    """
    for name, column in columns.items():
        others = [other for other in counts if other != name]
        if column.time_formats or column.is_date or column.is_clock or not shares_names(column, others):
            continue
        known = {canonical(text) for text in column.texts}
        stations = [other for other in others if canonical(other) in known and not is_value_of(other, "total value")]
        return Matrix(name, stations)
    return None


def shares_names(column: Column, names: Collection[str]) -> bool:
    """Whether most of some names are values of a column, and most of its values are among them."""
    named = {canonical(name) for name in names if not is_value_of(name, "total value")}
    texts = {canonical(text) for text in column.texts if not is_value_of(text, "total value")}
    both = len(named & texts)
    return both >= _FEWEST and both >= _MOSTLY * max(len(named), len(texts))
