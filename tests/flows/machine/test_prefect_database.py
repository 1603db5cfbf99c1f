"""Prefect's records in PostgreSQL, on a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import postgres_server

from flows.machine.environment import DATABASE_VARIABLE, database_url, server_environment
from flows.machine.prefect_database import check_database
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

BINARIES = postgres_server.binaries()
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL here")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    assert BINARIES is not None
    with postgres_server.running(BINARIES) as running:
        yield running


@pytest.fixture
def settings(server: postgres_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("RUNS", server.url().replace("+psycopg", ""))
    return Settings.model_validate({"data_root": str(tmp_path), "prefect": {"database": "env:RUNS"}})


def test_prefect_makes_its_tables_where_the_setting_says_and_they_are_known_again(
    server: postgres_server.Server, settings: Settings
) -> None:
    check_database(database_url(settings))
    environment = {**os.environ, **server_environment(settings)}
    assert postgres_server.PASSWORD in environment[DATABASE_VARIABLE]
    prefect = str(Path(sys.executable).parent / "prefect")
    subprocess.run([prefect, "server", "database", "upgrade", "-y"], env=environment, check=True, capture_output=True)
    with server.connect() as connection:
        (tables,) = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'flow_run'").fetchone()
    assert tables == 1
    check_database(database_url(settings))
    server.run("postgres", "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(ConfigError, match="written by a newer version than Prefect") as raised:
        check_database(database_url(settings))
    assert postgres_server.PASSWORD not in str(raised.value)


def test_a_wrong_password_is_one_line_without_it(server: postgres_server.Server) -> None:
    url = server.url(password="planted").replace("+psycopg", "+asyncpg")
    with pytest.raises(ConfigError, match=r"cannot be used: .*password authentication failed") as raised:
        check_database(url)
    assert "planted" not in str(raised.value)
    assert "\n" not in str(raised.value)
