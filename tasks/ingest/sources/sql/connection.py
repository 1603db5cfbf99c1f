"""Databases that a source reads: one transaction that only reads and sees one state; errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tasks.database import CONNECT_SECONDS, database_url, describe, describe_error, missing_driver
from tasks.errors import ConfigError, SourceError
from tasks.settings.sources.sql import SqlSource

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_BUSY_SECONDS = 30
_REMEDIES = (
    (r"statement timeout", "raise statement_timeout_seconds, or index watermark and minute"),
    (r"idle-in-transaction", "raise idle_in_transaction_session_timeout of the user"),
    (r"no such table|relation .* does not exist|no such schema", "correct table or query"),
    (r"no such column|column .* does not exist|ambiguous", "correct columns, watermark or query"),
    (r"syntax error|operator does not exist", "correct query"),
    (r"read-only", "let query only read"),
    (r"permission denied", "let the user SELECT"),
)


def source_url(config: SqlSource) -> URL:
    """The URL that a source reads, out of the environment where it says so.

    Raises:
        ConfigError: if the variable is not set, or what is there is no URL; never shows it.
    """
    return database_url(f"source {config.name!r}: url", config.url)


@contextmanager
def snapshot(config: SqlSource) -> Iterator[Connection]:
    """A transaction on the database that only reads, and sees one state of it where the database can do that.

    Raises:
        ConfigError: if the URL cannot be used.
        SourceError: if the driver is missing, or the server refuses; also for what is asked of it inside.
    """
    from sqlalchemy.exc import SQLAlchemyError

    url = source_url(config)
    engine = _engine(config, url)
    try:
        with engine.connect() as connection:
            options: dict[str, Any] = {}
            if url.get_backend_name() == "postgresql":
                options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            with connection.execution_options(**options).begin():
                if options:
                    limit = config.statement_timeout_seconds * 1000
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {limit}")
                yield connection
    except SQLAlchemyError as error:
        raise SourceError(f"source {config.name!r}: {describe(url)}: {describe_error(error, url, _REMEDIES)}") from None
    finally:
        engine.dispose()


def _engine(config: SqlSource, url: URL) -> Engine:
    import sqlalchemy as sa
    from sqlalchemy.exc import NoSuchModuleError

    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        waits = url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query
        arguments = {"connect_timeout": CONNECT_SECONDS} if waits else {}
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)
    except ModuleNotFoundError as error:
        raise SourceError(f"source {config.name!r}: {missing_driver(url, error)}") from None
    except NoSuchModuleError:
        raise ConfigError(f"source {config.name!r}: url: SQLAlchemy knows no database {url.drivername!r}") from None


def _sqlite(url: URL) -> Engine:
    """An engine that opens the file to read only, and begins transactions by itself, which the driver does not."""
    import sqlalchemy as sa

    if url.database and not url.database.startswith((":", "file:")):
        query = {**url.query, "mode": "ro", "uri": "true"}
        url = url.set(database="file:" + quote(str(Path(url.database).absolute())), query=query)
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _BUSY_SECONDS})

    def on_connect(raw: Any, _: object) -> None:
        raw.isolation_level = None
        raw.text_factory = _lenient

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _lenient(text: bytes) -> str:
    """Text of a row whose bytes may be no UTF-8, so that it is rejected alone."""
    return text.decode("utf-8", "replace")
