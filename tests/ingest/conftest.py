"""A PostgreSQL server for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from support.postgres_server import Server, binaries, running

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; some 2 s once a session."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'nexthour[postgresql]'")
    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL here: install Debian's postgresql, or put initdb and postgres on the path")
    with running(folder) as server:
        yield server


@pytest.fixture
def database(postgres: Server) -> str:
    """Name of an empty database of that server."""
    name = f"ops{next(_NUMBERS)}"
    postgres.run("postgres", f"CREATE DATABASE {name}")
    return name
