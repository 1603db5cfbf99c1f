"""Which columns of an input are read, and which of its rows: names, alternatives, filters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator, Field

from tasks.digits import plain_numeral
from tasks.errors import ConfigError
from tasks.settings.section import Section

ColumnName = str | tuple[str, ...]
"""Name of a column, or alternatives of which the first that a file has is read."""
TimeColumns = str | tuple[str, ...] | tuple[tuple[str, ...], ...]
"""Column of a time, or several that make one when joined by a blank (date, hour), or alternatives of those."""
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def canonical(value: object) -> str:
    """A value as filters compare it: trimmed text; 1, 1.0 and "1" are alike, in the digits of any script."""
    text = str(value).lower() if isinstance(value, bool) else plain_numeral(str(value).strip())
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def texts_of(value: object) -> object:
    """One value or a list of values as texts; anything else as it is, for the settings to reject."""
    given = value if isinstance(value, list | tuple) else (value,)
    return tuple(canonical(one) for one in given) if all(isinstance(one, str | int | float) for one in given) else value


Values = Annotated[tuple[str, ...], BeforeValidator(texts_of), Field(min_length=1)]
Where = dict[str, Values]
"""Column -> values that it may have: a row is read where every column has one of its values."""


@dataclass(frozen=True)
class RowFilter:
    """Which rows are read, by the values of their columns.

    Attributes:
        where: a row is read where every column has one of its values.
        where_not: a row is left out where a column has one of its values.
    """

    where: Where = field(default_factory=dict)
    where_not: Where = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.where or self.where_not)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that decide."""
        return (*self.where, *self.where_not)

    @property
    def distinct(self) -> tuple[object, ...]:
        """What tells it apart from another filter, whatever the order in which columns and values are given."""
        return tuple(
            frozenset((name, frozenset(values)) for name, values in rules.items())
            for rules in (self.where, self.where_not)
        )


def columns_of(filters: Iterable[RowFilter]) -> tuple[str, ...]:
    """Columns that any of some filters decides by."""
    return tuple(name for each in filters for name in each.columns)


class TargetColumn(Section):
    """Column of a target's counts, and the rows in which it counts them."""

    column: ColumnName = Field(description="Name of the column, or alternatives.")
    where: Where = Field(default_factory=dict, description="Column -> values: rows that count for the target.")
    where_not: Where = Field(
        default_factory=dict,
        exclude_if=lambda where: not where,
        description="Column -> values: rows that do not count for the target.",
    )

    @property
    def row_filter(self) -> RowFilter:
        """Rows that count for the target."""
        return RowFilter(self.where, self.where_not)


ColumnSetting = TimeColumns | TargetColumn
"""What `columns` may say of one of our names."""


def alternatives(column: ColumnName) -> tuple[str, ...]:
    """Names that a column may have, in the order in which they are looked for."""
    return (column,) if isinstance(column, str) else column


def time_alternatives(columns: TimeColumns) -> tuple[tuple[str, ...], ...]:
    """Groups of columns that make a time when joined, in the order in which they are looked for."""
    if isinstance(columns, str):
        return ((columns,),)
    groups = tuple(group for group in columns if not isinstance(group, str))
    return groups or (tuple(name for name in columns if isinstance(name, str)),)


def names_of(columns: ColumnSetting) -> tuple[str, ...]:
    """Every column that is named, in any alternative or filter."""
    if isinstance(columns, TargetColumn):
        return (*alternatives(columns.column), *columns.row_filter.columns)
    return tuple(name for group in time_alternatives(columns) for name in group)


def time_columns(columns: ColumnSetting) -> TimeColumns:
    """The columns of a time.

    Raises:
        ConfigError: if it is a table, which only a target's is.
    """
    if isinstance(columns, TargetColumn):
        raise ConfigError("a time has no filter: give the name of its column, or a list")
    return columns


def one_name(columns: ColumnSetting) -> ColumnName:
    """Alternatives of a column that is no time.

    Raises:
        ConfigError: if columns are grouped, which only a time's are.
    """
    if isinstance(columns, TargetColumn):
        return columns.column
    if not isinstance(columns, str) and not all(isinstance(name, str) for name in columns):
        raise ConfigError(f"columns {columns!r}: only those of a time are grouped: give a list of alternatives")
    return columns if isinstance(columns, str) else tuple(name for name in columns if isinstance(name, str))


def filter_of(columns: ColumnSetting) -> RowFilter:
    """Filter of a target; empty where it counts every row."""
    return columns.row_filter if isinstance(columns, TargetColumn) else RowFilter()


def same_rows(columns: ColumnSetting) -> tuple[object, ...]:
    """What tells whether two targets count the very same rows: their columns, and their filters in any order."""
    return one_name(columns), *filter_of(columns).distinct
