"""A PostgreSQL server for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.postgres_server import Server, binaries, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; some 2 s once a session."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'nexthour[postgresql]'")
    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL here: install Debian's postgresql, or put initdb and postgres on the path")
    with running(folder) as server:
        yield server


@pytest.fixture(scope="session")
def one_database(postgres: Server) -> str:
    """Name of a database of that server; the hundreds of files of one per test would take long to delete."""
    postgres.run("postgres", "CREATE DATABASE ops1")
    return "ops1"


@pytest.fixture
def database(postgres: Server, one_database: str) -> Iterator[str]:
    """Name of a database of that server, empty for each test."""
    yield one_database
    postgres.empty(one_database)
