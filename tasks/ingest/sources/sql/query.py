"""A table or query as a source reads it: column names, extremes, and rows in order, a chunk at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasks.ingest.source import Pull
from tasks.ingest.sources.sql.watermark import Mark
from tasks.settings.sources.sql import SqlSource

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, FromClause

Row = Sequence[Any]
_BIND = re.compile(r"(?<![:\w\\]):(?=\w)")
_MARGIN = timedelta(days=1)  # no clock on the wall is further from UTC


@dataclass(frozen=True)
class Relation:
    """What one source reads."""

    connection: Connection = field(repr=False)
    config: SqlSource

    @cached_property
    def names(self) -> list[str]:
        """Columns in their order."""
        import sqlalchemy as sa

        nothing: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(self._from([])).where(sa.false())
        return list(self.connection.execute(nothing).keys())

    def largest(self, column: str) -> object:
        """Largest value of a column, None where it has none."""
        import sqlalchemy as sa

        return self.connection.execute(sa.select(sa.func.max(self._column(column)))).scalar()

    def sample(self, column: str) -> object:
        """Some value of a column, None where it has none."""
        import sqlalchemy as sa

        place = self._column(column)
        return self.connection.execute(sa.select(place).where(place.is_not(None)).limit(1)).scalar()

    def count(self, where: ColumnElement[bool] | None) -> int:
        """How many rows there are."""
        import sqlalchemy as sa

        counted = sa.select(sa.func.count()).select_from(self._source)
        return int(self.connection.execute(counted if where is None else counted.where(where)).scalar() or 0)

    def since(self, column: str, mark: Mark | None) -> ColumnElement[bool] | None:
        """Rows from a mark on, and those that have none; None for all rows."""
        import sqlalchemy as sa

        if mark is None:
            return None
        kinds: dict[str, Any] = {
            "number": sa.BigInteger(),
            "moment": sa.DateTime(timezone=True),
            "wall": sa.DateTime(),
            "text": sa.String(),
        }
        place = self._column(column)
        return sa.or_(place >= sa.bindparam(None, mark.value, kinds[mark.kind]), place.is_(None))

    def within(self, column: str, pull: Pull) -> ColumnElement[bool] | None:
        """Rows that may lie within the bounds of a pull: all that do, and few others; None where nothing tells."""
        import sqlalchemy as sa

        like, place = self.sample(column), self._column(column)
        sides: list[ColumnElement[bool]] = []
        for bound, margin in ((pull.start, -_MARGIN), (pull.end, _MARGIN)):
            if bound is None:
                continue
            value = _like(like, bound.astype("datetime64[us]").item(), margin)
            if value is None:
                return None
            kind: Any = sa.String() if isinstance(value, str) else sa.DateTime(timezone=value.tzinfo is not None)
            edge = sa.bindparam(None, value, kind)
            sides.append(place >= edge if margin < timedelta() else place < edge)
        return sa.and_(*sides) if sides else None

    def chunks(
        self,
        columns: Sequence[str],
        order: Sequence[str],
        where: ColumnElement[bool] | None,
        again: ColumnElement[bool] | None,
    ) -> Iterator[Sequence[Row]]:
        """Rows in a total order, some at a time.

        Args:
            columns: what is read.
            order: columns that rows are ordered by first.
            where: which rows; None for all.
            again: a row's last value is 1 if this holds, else 0; None for all.
        """
        import sqlalchemy as sa

        flag = sa.literal(1) if again is None else sa.case((again, 1), else_=0)
        labelled = [self._column(name).label(f"nexthour_{place}") for place, name in enumerate(columns)]
        read = sa.select(*labelled, flag.label("nexthour_again")).select_from(self._source)
        read = read.order_by(*(self._column(name) for name in dict.fromkeys([*order, *columns])))
        options = {"stream_results": True, "yield_per": self.config.chunk_rows}
        with self.connection.execute(read if where is None else read.where(where), execution_options=options) as rows:
            yield from rows.partitions()

    @cached_property
    def _source(self) -> FromClause:
        return self._from(list(dict.fromkeys(self.names)))

    def _column(self, name: str) -> ColumnElement[Any]:
        column: ColumnElement[Any] = self._source.c[name]
        return column

    def _from(self, names: list[str]) -> FromClause:
        import sqlalchemy as sa

        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        if self.config.table is not None:
            schema, _, table = self.config.table.rpartition(".")
            return sa.table(table, *columns, schema=schema or None)
        query = _BIND.sub(r"\\:", (self.config.query or "").rstrip().rstrip(";"))
        return sa.text(query + "\n").columns(*columns).subquery("source")


def _like(sample: object, moment: datetime, margin: timedelta) -> Any:
    """A bound in the form of a column's values, exact where they have an offset; None for what is no time."""
    if isinstance(sample, datetime) and sample.tzinfo is not None:
        return moment.replace(tzinfo=UTC)
    if isinstance(sample, date):
        return moment + margin
    return (moment + 2 * margin).date().isoformat() if isinstance(sample, str) else None
