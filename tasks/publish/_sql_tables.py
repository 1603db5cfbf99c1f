"""The tables of the target `sql`: their columns, and how rows get into them and out again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tasks.tables.schemas import FORECASTS, STATION_LEVELS, one_array

Rows = list[dict[str, Any]]
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

    def upsert(self, connection: sa.Connection, table: sa.Table, rows: Rows) -> None:
        """Insert rows, each in the place of the one that has its key."""
        if not rows:
            return
        insert = _insert(connection, table)
        keys = [column.name for column in table.primary_key]
        changed = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), rows)

    def issue_columns(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Columns of an issue besides its moment."""
        text = json.dumps(summary, default=str)
        return {name: summary[name] for name in ("network", "model_version", "degraded_reason")} | {"summary": text}

    def remove_old(self, connection: sa.Connection, origin: datetime, issued_at: datetime, keep: timedelta) -> None:
        """Remove minutes and issues of longer ago, and stations that the newest issue does not have."""
        connection.execute(sa.delete(self.forecasts).where(self.forecasts.c.minute_utc < origin - keep))
        connection.execute(sa.delete(self.issues).where(self.issues.c.origin_utc < origin - keep))
        same = sa.and_(self.stations.c.origin_utc == origin, self.stations.c.issued_at == issued_at)
        connection.execute(sa.delete(self.stations).where(~same))


_TIME = sa.DateTime(timezone=True)


def _insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


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


def records(table: pa.Table) -> Rows:
    """Rows of a table as dictionaries."""
    columns = [_values(one_array(column)) for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.Array) -> Sequence[Any]:
    """Values as Python has them; of times and names each distinct one is converted once."""
    if not pa.types.is_timestamp(column.type) and not pa.types.is_dictionary(column.type):
        values: list[Any] = column.to_pylist()
        return values
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    return [None if code is None else distinct[code] for code in coded.indices.to_pylist()]


def _utc(moment: datetime) -> datetime:
    """A moment of the database, which SQLite gives back without its zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
