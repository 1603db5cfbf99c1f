"""Databases by SQLAlchemy URL: secrets from the environment, and errors as one line without them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.errors import ConfigError
from tasks.settings.secrets import read_variable

if TYPE_CHECKING:
    from sqlalchemy import URL

CONNECT_SECONDS = 10
_LENGTH = 300
_EXTRAS = {"psycopg": "postgresql"}
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_REMEDIES = (
    (r"password|authentication|pg_hba|role .* does not exist", "correct user and password in the environment"),
    (r"unable to open database file|database .* does not exist|not a database", "correct the path or database of url"),
    (r"locked", "another program writes; try again"),
    (r"out of range|too large|too small", "correct the value, or leave its row out by a query"),
    (
        r"connect|refused|resolve|translate|timeout|closed",
        "see that the server runs, and that url has its host and port",
    ),
)


def database_url(where: str, text: str) -> URL:
    """A SQLAlchemy URL, out of the environment where the setting says "env:NAME".

    Args:
        where: the setting, for people.
        text: its value.

    Raises:
        ConfigError: if the variable is not set, or what is there is no URL; never shows it.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    value = read_variable(where, text)
    place = where if value == text else f"{where}: environment variable {text.removeprefix('env:')}"
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{place} is no SQLAlchemy URL such as postgresql+psycopg://user@host:5432/database"
        ) from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def describe(url: URL) -> str:
    """Where a database is, without user and password."""
    host = url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{host}{port}/{url.database or ''}"


def missing_driver(url: URL, error: ModuleNotFoundError) -> str:
    """What to install for a URL whose driver cannot be imported."""
    extra = _EXTRAS.get(str(error.name))
    remedy = f"pip install 'nexthour[{extra}]'" if extra else f"pip install {error.name}, or another driver in url"
    return f"{url.drivername} needs {error.name}, which is not installed: {remedy}"


def describe_error(error: Exception, url: URL, remedies: Sequence[tuple[str, str]] = ()) -> str:
    """What went wrong and what to do, in one line without the password.

    Args:
        error: of SQLAlchemy or of its driver.
        url: of the database.
        remedies: pattern of a message -> what to do, looked at before those that every database shares.
    """
    from sqlalchemy.exc import DBAPIError

    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    message = " ".join(str(cause).split("\nLINE ")[0].split())
    if url.password:
        message = message.replace(str(url.password), "***")
    message = re.sub(r"\s*\(Background on this error at: \S+\)", "", message)[:_LENGTH]
    known = (*remedies, *_REMEDIES)
    remedy = next((advice for pattern, advice in known if re.search(pattern, message, re.IGNORECASE)), None)
    return f"{message}: {remedy}" if remedy else message
