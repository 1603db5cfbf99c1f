"""The tables of the target `sql`: their columns, and how rows get into them and out again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from tasks.tables.csv_text import csv_bytes
from tasks.tables.schemas import FORECASTS, STATION_LEVELS, one_array

_SQLITE_TIME = "%Y-%m-%d %H:%M:%S.000000"
_KEYS = ("station_id", "target", "minute_utc")


class Tables:
    """Forecasts by station, target and minute; stations by station and target; one row per issue.

    Args:
        prefix: how the names of the tables begin.
    """

    def __init__(self, prefix: str) -> None:
        metadata = sa.MetaData()
        when = [sa.Column(name, _TIME, nullable=False) for name in ("origin_utc", "issued_at")]
        self._metadata = metadata
        self.forecasts = sa.Table(f"{prefix}forecasts", metadata, *_columns(FORECASTS))
        self.stations = sa.Table(f"{prefix}stations", metadata, *_columns(STATION_LEVELS), *when)
        self.issues = sa.Table(
            f"{prefix}issues",
            metadata,
            sa.Column("origin_utc", _TIME, primary_key=True),
            sa.Column("issued_at", _TIME, primary_key=True),
            sa.Column("network", sa.Text, nullable=False),
            sa.Column("model_version", sa.Text, nullable=False),
            sa.Column("degraded_reason", sa.Text),
            sa.Column("summary", sa.Text, nullable=False),
        )

    def create(self, connection: sa.Connection) -> None:
        """Create the tables that are missing."""
        self._metadata.create_all(connection)

    def newest_issue(self, connection: sa.Connection) -> tuple[datetime, datetime] | None:
        """Origin and moment of the newest issue that is there."""
        columns = self.issues.c.origin_utc, self.issues.c.issued_at
        row = connection.execute(sa.select(*columns).order_by(*(c.desc() for c in columns)).limit(1)).first()
        return None if row is None else (_utc(row[0]), _utc(row[1]))

    def upsert(self, connection: sa.Connection, table: sa.Table, rows: pa.Table) -> None:
        """Insert rows, each in the place of the one that has its key."""
        quote = connection.dialect.identifier_preparer.quote
        names, keys = [quote(name) for name in rows.column_names], [quote(key.name) for key in table.primary_key]
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
        insert = f"INSERT INTO {quote(table.name)} ({', '.join(names)})"
        replace = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
        if connection.dialect.name == "postgresql":
            staged = _stage(connection, quote(table.name), ", ".join(names), rows)
            # Names are those of our own columns, quoted; no value stands in the statement.
            connection.exec_driver_sql(f"{insert} SELECT {', '.join(names)} FROM {staged} {replace}")  # noqa: S608
            connection.exec_driver_sql(f"DROP TABLE {staged}")
        elif rows.num_rows:
            values = ", ".join("?" for _ in names)
            columns = [_values(one_array(column)) for column in rows.columns]
            connection.exec_driver_sql(f"{insert} VALUES ({values}) {replace}", list(zip(*columns, strict=True)))

    def add_issue(
        self, connection: sa.Connection, moment: tuple[datetime, datetime], summary: Mapping[str, Any]
    ) -> None:
        """Add the row of an issue, in the place of the same one.

        Args:
            connection: in its transaction.
            moment: origin of the issue, and when it was issued.
            summary: of the issue.
        """
        key = dict(zip(("origin_utc", "issued_at"), moment, strict=True))
        known = {name: summary[name] for name in ("network", "model_version", "degraded_reason")}
        connection.execute(sa.delete(self.issues).where(*(self.issues.c[name] == value for name, value in key.items())))
        connection.execute(sa.insert(self.issues), {**key, **known, "summary": json.dumps(summary, default=str)})

    def remove_after(self, connection: sa.Connection, origin: datetime) -> None:
        """Remove later issues and what they forecast, which a clock that ran ahead made."""
        wrong = sa.select(self.issues.c.issued_at).where(self.issues.c.origin_utc > origin)
        connection.execute(sa.delete(self.forecasts).where(self.forecasts.c.issued_at.in_(wrong)))
        connection.execute(sa.delete(self.issues).where(self.issues.c.origin_utc > origin))

    def remove_old(self, connection: sa.Connection, origin: datetime, issued_at: datetime, keep: timedelta) -> None:
        """Remove minutes and issues of longer ago, and stations that the newest issue does not have."""
        connection.execute(sa.delete(self.forecasts).where(self.forecasts.c.minute_utc < origin - keep))
        connection.execute(sa.delete(self.issues).where(self.issues.c.origin_utc < origin - keep))
        same = sa.and_(self.stations.c.origin_utc == origin, self.stations.c.issued_at == issued_at)
        connection.execute(sa.delete(self.stations).where(~same))


_TIME = sa.DateTime(timezone=True)


def _columns(schema: pa.Schema) -> list[sa.Column[Any]]:
    keys = [name for name in _KEYS if name in schema.names]
    return [
        sa.Column(field.name, _kind(field.type), primary_key=field.name in keys, autoincrement=False)
        for field in schema
    ]


def _kind(kind: pa.DataType) -> sa.types.TypeEngine[Any]:
    if pa.types.is_timestamp(kind):
        return _TIME
    if pa.types.is_floating(kind):
        return sa.Double() if kind == pa.float64() else sa.Float(24)
    if pa.types.is_integer(kind):
        return sa.SmallInteger() if kind.bit_width <= 16 else sa.Integer()
    return sa.Text()


def _stage(connection: sa.Connection, table: str, names: str, rows: pa.Table) -> str:
    """Copy rows into a table of this transaction alone, by COPY, which takes a tenth of the time of inserts."""
    staged = "nexthour_staged"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {staged} (LIKE {table}) ON COMMIT DROP")
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {staged} ({names}) FROM STDIN (FORMAT csv, HEADER)") as copy:
        copy.write(csv_bytes(rows))
    return staged


def _values(column: pa.Array) -> Sequence[Any]:
    """Values as SQLite holds them, times as SQLAlchemy writes them; each distinct time or name is converted once."""
    if not pa.types.is_timestamp(column.type) and not pa.types.is_dictionary(column.type):
        values: list[Any] = column.to_pylist()
        return values
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    distinct = [f"{v:{_SQLITE_TIME}}" if isinstance(v, datetime) else v for v in coded.dictionary.to_pylist()]
    return [None if code is None else distinct[code] for code in coded.indices.to_pylist()]


def _utc(moment: datetime) -> datetime:
    """A moment of the database, which SQLite gives back without its zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
