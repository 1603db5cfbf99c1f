"""The target `sql` on PostgreSQL and SQLite: upserts in one transaction, bounded in time, caught up after an outage."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from support import postgres_server
from support.published_root import keep
from support.small_publications import publication

from tasks.database import database_url
from tasks.errors import ConfigError, TargetError
from tasks.publish.sql import begin
from tasks.publish.steps import publish
from tasks.settings.tree import Settings

BINARIES = postgres_server.binaries()
BACKENDS = [
    "sqlite",
    pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL")]),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[postgres_server.Server]:
    assert BINARIES is not None
    with postgres_server.running(BINARIES) as server:
        yield server


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database; its URL is in the variable FORECASTS_DB."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path}/forecasts.sqlite"
    else:
        server: postgres_server.Server = request.getfixturevalue("postgres")
        server.empty("postgres")
        address = server.url()
    monkeypatch.setenv("FORECASTS_DB", address)
    return address


def tree(folder: Path, **sql: object) -> Settings:
    return Settings(
        data_root=str(folder / "root"),
        network={"timezone": "America/Chicago", "interval_minutes": 15},  # type: ignore[arg-type]
        publish={"sql": {"url": "env:FORECASTS_DB", **sql}},  # type: ignore[arg-type]
    )


def select(url: str, query: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_the_same_issue_twice_is_one_and_the_next_replaces_it_by_key(tmp_path: Path, url: str) -> None:
    settings = tree(tmp_path)
    for after in (0, 0, 15):
        place = publish(settings, "sql", publication(after))
    assert postgres_server.PASSWORD not in place
    assert select(url, "SELECT count(*), min(mean), max(mean) FROM nexthour_forecasts") == [(3 * 2 * 5, 1, 16)]
    assert select(url, "SELECT count(*) FROM nexthour_forecasts WHERE mean = 1") == [(6,)]
    assert select(url, "SELECT count(*), min(hour), max(why) FROM nexthour_stations") == [(6, 64, "as usual")]
    assert select(url, "SELECT count(*), max(network) FROM nexthour_issues") == [(2, "Metro")]


def test_an_older_issue_changes_nothing(tmp_path: Path, url: str) -> None:
    settings = tree(tmp_path)
    publish(settings, "sql", publication(15))
    assert "stays as it is: it holds a later forecast, of 2024-03-05T09:15" in publish(
        settings, "sql", publication(0, late=3600)
    )
    assert select(url, "SELECT min(mean), max(mean), count(*) FROM nexthour_forecasts") == [(16, 16, 24)]


def test_minutes_of_longer_ago_and_stations_that_are_gone_are_removed(tmp_path: Path, url: str) -> None:
    settings = tree(tmp_path, keep_days=1)
    publish(settings, "sql", publication(0, stations=3))
    publish(settings, "sql", publication(24 * 60 + 15, stations=2))
    assert select(url, "SELECT count(*) FROM nexthour_forecasts WHERE mean = 1") == [(3 * 2 * 3,)]
    assert select(url, "SELECT count(*) FROM nexthour_issues") == [(1,)]
    assert select(url, "SELECT DISTINCT station_id FROM nexthour_stations ORDER BY 1") == [("s0",), ("s1",)]


def test_a_database_that_was_away_is_caught_up_with_the_newest_forecast_of_every_minute(
    tmp_path: Path, url: str
) -> None:
    settings = tree(tmp_path)
    for after in (0, 30, 75, 90):
        keep(settings, publication(after))
    publish(settings, "sql", publication(0))
    publish(settings, "sql", publication(90))
    minutes = select(url, "SELECT mean, count(*) FROM nexthour_forecasts WHERE station_id = 's0' GROUP BY 1 ORDER BY 1")
    assert minutes == [(1, 2 * 2), (31, 2 * 3), (76, 2), (91, 2 * 4)]


def test_a_reader_in_a_loop_never_sees_half_an_issue(tmp_path: Path, url: str) -> None:
    settings = tree(tmp_path)
    publish(settings, "sql", publication(0, stations=40))
    over, torn, reads = threading.Event(), list[object](), list[int]()
    query = (
        "SELECT count(DISTINCT f.mean), count(*), min(s.hour) / 4 - min(f.mean), max(i.origin_utc) = max(f.origin_utc) "
        "FROM nexthour_forecasts f JOIN nexthour_stations s ON s.station_id = f.station_id AND s.target = f.target, "
        "(SELECT max(origin_utc) AS origin_utc FROM nexthour_issues) i WHERE f.origin_utc = i.origin_utc"
    )

    def read() -> None:
        while not over.is_set():
            seen = select(url, query)
            reads.append(1)
            if seen != [(1, 320, 0, True)]:
                torn.append(seen)

    reader = threading.Thread(target=read)
    reader.start()
    for after in range(15, 15 * 12, 15):
        publish(settings, "sql", publication(after, stations=40))
    over.set()
    reader.join()
    assert len(reads) > 5
    assert not torn


def test_two_runs_at_once_wait_for_one_another(tmp_path: Path, url: str) -> None:
    settings = tree(tmp_path)
    with ThreadPoolExecutor(max_workers=2) as pool:
        issues = [publication(after) for after in range(0, 120, 15) for _ in range(2)]
        places = list(pool.map(lambda issue: publish(settings, "sql", issue), issues))
    assert len(places) == 16
    assert select(url, "SELECT max(mean), count(*) FROM nexthour_stations, nexthour_forecasts") == [(106, 6 * 6 * 11)]


def test_a_database_that_is_away_is_one_line_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTS_DB", "postgresql://ops:planted@127.0.0.1:1/forecasts")
    with pytest.raises(
        TargetError, match=r"postgresql://127.0.0.1:1/forecasts: .*refused.*see that the server"
    ) as caught:
        publish(tree(tmp_path), "sql", publication())
    assert "planted" not in str(caught.value)
    monkeypatch.setenv("FORECASTS_DB", f"sqlite:///{tmp_path}/no/folder/db.sqlite")
    with pytest.raises(TargetError, match="unable to open database file: correct the path"):
        publish(tree(tmp_path), "sql", publication())


def test_a_server_that_answers_nothing_costs_the_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        monkeypatch.setenv("FORECASTS_DB", f"postgresql://ops@127.0.0.1:{mute.getsockname()[1]}/forecasts")
        began = time.monotonic()
        with pytest.raises(TargetError, match="timeout"):
            publish(tree(tmp_path, timeout_seconds=2), "sql", publication())
        assert time.monotonic() - began < 6


def test_a_database_that_somebody_locks_costs_the_time_limit_and_takes_the_next_issue(tmp_path: Path, url: str) -> None:
    settings = tree(tmp_path, timeout_seconds=1)
    publish(settings, "sql", publication(0))
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as other:
        if engine.dialect.name == "postgresql":
            other.execute(sa.text("LOCK TABLE nexthour_forecasts"))
        else:
            other.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(TargetError, match=r"timeout|locked"):
            publish(settings, "sql", publication(15))
        other.rollback()
    publish(settings, "sql", publication(30))
    assert select(url, "SELECT max(mean) FROM nexthour_forecasts") == [(31,)]


def sleep(url: sa.URL) -> None:
    """As a server does that keeps to no time limit."""
    with begin(url, seconds=1) as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SELECT pg_sleep(20)")


@pytest.mark.slow
@pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL")
def test_a_connection_that_hangs_is_closed(
    tmp_path: Path, postgres: postgres_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTS_DB", postgres.url())
    began = time.monotonic()
    with pytest.raises(sa.exc.OperationalError):
        sleep(database_url("test", "env:FORECASTS_DB"))
    assert time.monotonic() - began < 8


def test_settings_that_cannot_be_used_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"\[publish.sql\] url holds a password"):
        tree(tmp_path, url="postgresql://ops:planted@db/forecasts")
    with pytest.raises(ConfigError, match="neither of PostgreSQL nor of SQLite"):
        tree(tmp_path, url="mysql://db/forecasts")
    monkeypatch.setenv("FORECASTS_DB", "mysql://ops:planted@db/forecasts")
    with pytest.raises(ConfigError, match="neither of PostgreSQL nor of SQLite"):
        publish(tree(tmp_path), "sql", publication())
    monkeypatch.delenv("FORECASTS_DB")
    with pytest.raises(ConfigError, match="needs the environment variable FORECASTS_DB, which is not set"):
        publish(tree(tmp_path), "sql", publication())
    with pytest.raises(ConfigError, match=r"\[publish.sql\] has no url"):
        publish(Settings(data_root=str(tmp_path)), "sql", publication())
