"""Databases that a source reads: one transaction that only reads and sees one state; errors in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tasks.errors import ConfigError, SourceError
from tasks.settings.sources.sql import SqlSource

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

CONNECT_SECONDS = 10
_BUSY_SECONDS = 30
_LENGTH = 300
_EXTRAS = {"psycopg": "postgresql"}
_REMEDIES = (
    (r"statement timeout", "raise statement_timeout_seconds, or index watermark and minute"),
    (r"idle-in-transaction", "raise idle_in_transaction_session_timeout of the user"),
    (r"password|authentication|pg_hba|role .* does not exist", "correct user and password in the environment"),
    (r"no such table|relation .* does not exist|no such schema", "correct table or query"),
    (r"no such column|column .* does not exist|ambiguous", "correct columns, watermark or query"),
    (r"syntax error|operator does not exist", "correct query"),
    (r"unable to open database file|database .* does not exist|not a database", "correct the path or database of url"),
    (r"read-only", "let query only read"),
    (r"permission denied", "let the user SELECT"),
    (r"locked", "another program writes; try again"),
    (r"out of range|too large|too small", "correct the value, or leave its row out by a query"),
    (
        r"connect|refused|resolve|translate|timeout|closed",
        "see that the server runs, and that url has its host and port",
    ),
)


def database_url(config: SqlSource) -> URL:
    """The URL that a source reads, out of the environment where it says so.

    Raises:
        ConfigError: if the variable is not set, or what is there is no URL; never shows it.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    where, text = f"source {config.name!r}: url", config.url
    if text.startswith("env:"):
        variable = text.removeprefix("env:")
        where, text = f"source {config.name!r}: environment variable {variable}", os.environ.get(variable, "")
        if not text:
            raise ConfigError(f"{where} is not set: put the URL of the database there")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{where} is no SQLAlchemy URL such as postgresql+psycopg://user@host:5432/database"
        ) from None
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def describe(url: URL) -> str:
    """Where a database is, without user and password."""
    host = url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{host}{port}/{url.database or ''}"


@contextmanager
def snapshot(config: SqlSource) -> Iterator[Connection]:
    """A transaction on the database that only reads, and sees one state of it where the database can do that.

    Raises:
        ConfigError: if the URL cannot be used.
        SourceError: if the driver is missing, or the server refuses; also for what is asked of it inside.
    """
    from sqlalchemy.exc import SQLAlchemyError

    url = database_url(config)
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
        raise SourceError(f"source {config.name!r}: {describe(url)}: {_line(error, url)}") from None
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
        extra = _EXTRAS.get(str(error.name))
        remedy = f"pip install 'nexthour[{extra}]'" if extra else f"pip install {error.name}, or another driver in url"
        raise SourceError(
            f"source {config.name!r}: {url.drivername} needs {error.name}, which is not installed: {remedy}"
        ) from None
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


def _line(error: Exception, url: URL) -> str:
    """What went wrong and what to do, in one line without the password."""
    said = " ".join(str(getattr(error, "orig", None) or error).split("\nLINE ")[0].split())
    if url.password:
        said = said.replace(str(url.password), "***")
    said = re.sub(r"\s*\(Background on this error at: \S+\)", "", said)[:_LENGTH]
    remedy = next((advice for pattern, advice in _REMEDIES if re.search(pattern, said, re.IGNORECASE)), None)
    return f"{said}: {remedy}" if remedy else said
