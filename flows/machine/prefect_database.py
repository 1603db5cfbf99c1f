"""Check Prefect's database before a server is started on it: a server that cannot use it ends in a long trace."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tasks.errors import ConfigError
from tasks.settings.secrets import mask_url
from tasks.storage.roots import one_line

CONNECT_SECONDS = 5


def check_database(url: str) -> None:
    """Check that a database answers, and that this version of Prefect knows its tables.

    Args:
        url: SQLAlchemy URL of SQLite or PostgreSQL, with Prefect's asynchronous driver.

    Raises:
        ConfigError: if it cannot be reached, or a newer version of Prefect has written it.
    """
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    postgresql = url.startswith("postgresql")
    where = mask_url(url).replace("+asyncpg", "").replace("+aiosqlite", "")
    if not postgresql and not Path(url.partition(":///")[2]).exists():
        return
    driver = url.replace("+asyncpg", "+psycopg").replace("+aiosqlite", "")
    engine = create_engine(driver, connect_args={"connect_timeout": CONNECT_SECONDS} if postgresql else {})
    try:
        with engine.connect() as connection:
            known = inspect(connection).has_table("alembic_version")
            found = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    except ModuleNotFoundError:
        raise ConfigError("PostgreSQL needs its driver: install nexthour[postgresql]") from None
    except SQLAlchemyError as error:
        cause = one_line(error.orig if isinstance(error, DBAPIError) and isinstance(error.orig, Exception) else error)
        raise ConfigError(f"Prefect's database {where} cannot be used: {cause}: {_remedy(postgresql)}") from None
    finally:
        engine.dispose()
    if found is not None and str(found) not in _revisions("postgresql" if postgresql else "sqlite"):
        raise ConfigError(
            f"Prefect's database {where} was written by a newer version than Prefect {version('prefect')} "
            f"(revision {found}): install that version, or give [prefect] database another place"
        )


def _remedy(postgresql: bool) -> str:
    if postgresql:
        return "start it, or correct [prefect] database"
    return "move the file away; runs and logs of the past go with it, tables and models stay"


def _revisions(dialect: str) -> set[str]:
    """Revisions of the tables that the installed Prefect knows, from the names of its migrations."""
    spec = find_spec("prefect")
    places = spec.submodule_search_locations if spec else None
    folder = Path(next(iter(places or ["."]))) / "server/database/_migrations/versions" / dialect
    return {part for path in folder.glob("*.py") for part in path.stem.split("_")}
