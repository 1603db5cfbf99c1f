"""Tables of a database: the newest forecast of every minute, its stations and its issues, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tasks.contracts import Publication
from tasks.database import database_url, describe, describe_error, missing_driver
from tasks.errors import ConfigError, TargetError
from tasks.publish._issue_columns import with_issue
from tasks.publish._missed_issues import missed_rows
from tasks.publish._sql_tables import Tables
from tasks.settings.tree import Settings
from tasks.storage.store import Store

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_WHERE = "[publish.sql]"
_LOCK = 7_264_610
"""Of PostgreSQL's advisory locks, the one under which forecasts are written: two writers at once would deadlock."""
_REMEDIES = (
    (r"no such column|column .* does not exist|has no column", "drop the table, which an earlier version made"),
    (r"permission denied|read-?only", "let the user CREATE, SELECT, INSERT, UPDATE and DELETE"),
    (r"statement timeout|lock timeout|server closed the connection", "raise timeout_seconds, or see what holds it up"),
)


class Sql:
    """Creates its tables where they are missing, and replaces rows by their key; a later forecast stays."""

    name = "sql"

    def __init__(self, settings: Settings) -> None:
        self._settings, self._config = settings, settings.publish.sql

    def publish(self, publication: Publication) -> str:
        """Write the forecast, and what the database missed while it was away; returns where.

        Raises:
            ConfigError: if the URL is missing or cannot be used.
            TargetError: if the database does not take it; the next forecast brings what it missed.
        """
        from sqlalchemy.exc import SQLAlchemyError

        if self._config.url is None:
            raise ConfigError(f'{_WHERE} has no url: write url = "env:NAME", a variable with a SQLAlchemy URL')
        url = database_url(f"{_WHERE} url", self._config.url)
        try:
            with begin(url, self._config.timeout_seconds) as connection:
                later = self._write(connection, publication)
        except (SQLAlchemyError, OSError) as error:
            raise TargetError(f"{describe(url)}: {describe_error(error, url, _REMEDIES)}") from None
        return f"{describe(url)} stays as it is: it holds a later forecast, of {later}" if later else describe(url)

    def _write(self, connection: Connection, publication: Publication) -> str | None:
        """Write one issue; returns the origin of the later one that is there, and writes nothing then."""
        tables = Tables(self._config.table_prefix)
        tables.create(connection)
        origin, issued_at = (datetime.fromisoformat(publication.summary[key]) for key in ("origin_utc", "issued_at"))
        if until := publication.summary.get("trusted_until"):
            tables.remove_after(connection, datetime.fromisoformat(until))
        newest = tables.newest_issue(connection)
        if newest is not None and newest > (origin, issued_at):
            return newest[0].isoformat()
        if newest is not None:
            store = Store(self._settings.data_root)
            for missed in missed_rows(store, after=newest[1], issued_at=issued_at, origin=origin):
                tables.upsert(connection, tables.forecasts, missed)
        tables.upsert(connection, tables.forecasts, publication.forecasts)
        tables.upsert(connection, tables.stations, with_issue(publication, publication.stations))
        tables.add_issue(connection, (origin, issued_at), publication.summary)
        tables.remove_old(connection, origin, issued_at, timedelta(days=self._config.keep_days))
        return None


TARGET = Sql


@contextmanager
def begin(url: URL, seconds: int) -> Iterator[Connection]:
    """A transaction that no other writer of forecasts runs beside, and that cannot take for ever.

    Args:
        url: of the database.
        seconds: to connect, for locks and per statement; on PostgreSQL, twice as many for all together.
    """
    engine = _engine(url, seconds)
    try:
        with engine.begin() as connection:
            if url.get_backend_name() == "postgresql":
                with _time_limit(connection, 2 * seconds):
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                    yield connection
            else:
                yield connection
    finally:
        engine.dispose()


def _engine(url: URL, seconds: int) -> Engine:
    import sqlalchemy as sa

    backend = url.get_backend_name()
    if backend not in ("postgresql", "sqlite"):
        raise ConfigError(f"{_WHERE} url is neither of PostgreSQL nor of SQLite: postgresql:// or sqlite:///")
    limits = " ".join(f"-c {name}={seconds * 1000}" for name in ("statement_timeout", "lock_timeout"))
    arguments = {"timeout": seconds} if backend == "sqlite" else {"connect_timeout": seconds, "options": limits}
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{_WHERE} url: {missing_driver(url, error)}") from None
    if backend == "sqlite":
        # Python's driver begins transactions when it likes, and not before a table is created.
        sa.event.listen(engine, "connect", _begin_nothing)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _begin_nothing(raw: Any, _: object) -> None:
    raw.isolation_level = None


@contextmanager
def _time_limit(connection: Connection, seconds: int) -> Iterator[None]:
    """Close the connection after a time: a server that hangs keeps to no time limit of its own."""
    import os
    import socket
    from threading import Timer

    raw: Any = connection.connection.driver_connection
    with socket.socket(fileno=os.dup(raw.fileno())) as duplicate:
        timer = Timer(seconds, duplicate.shutdown, [socket.SHUT_RDWR])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
