"""A PostgreSQL database as a source: what is committed late, changed or typed in its own way lands, and once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ingest_bench import Bench, at
from support.postgres_server import Server
from support.sql_bench import entry, sql_bench, stated

from tasks.errors import SourceError
from tasks.ingest.source import Pull
from tasks.ingest.sources import make_source, named_source
from tasks.ingest.sources.sql.connection import snapshot

MINUTE = np.timedelta64(60, "s")
NOW = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "s") + np.timedelta64(1, "D")  # no mark is ahead of it
TABLE = (
    "CREATE TABLE counts (station_id text, minute_utc timestamptz, entries int, exits int,"
    " changed_at timestamptz NOT NULL DEFAULT now())"
)
Make = Callable[..., Bench]


@pytest.fixture
def make(postgres: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a bench on a database of its own, after some statements; the URL stands in a variable."""
    monkeypatch.setenv("OPS_URL", postgres.url(database))

    def made(*statements: str, **more: Any) -> Bench:
        postgres.run(database, *statements)
        return sql_bench(tmp_path, "env:OPS_URL", **more)

    return made


def insert(station: str, minute: str = "10:00", entries: int = 1) -> str:
    return f"INSERT INTO counts VALUES ('{station}', '2024-05-10 {minute}Z', {entries}, 0)"


def hold_back_a_commit(bench: Bench, postgres: Server, database: str) -> None:
    """A transaction that began first commits after a pull has seen one that began later."""
    with postgres.connect(database) as early, postgres.connect(database) as late:
        early.execute(insert("EARLY"))
        late.execute("SELECT pg_sleep(0.01)")
        late.execute(insert("LATE"))
        late.commit()
        bench.ingest(NOW)
        assert stated(bench) == [("LATE", "10 10:00", 1, 0)]
        seen = late.execute("SELECT max(changed_at) FROM counts").fetchone()
        assert datetime.fromisoformat(entry(bench)["cursor"]) == seen[0]
        early.commit()
        held = late.execute("SELECT changed_at FROM counts WHERE station_id = 'EARLY'").fetchone()
        assert held[0] < seen[0]


def test_rows_committed_after_later_ones_were_read_land_once(make: Make, postgres: Server, database: str) -> None:
    bench = make(TABLE)
    hold_back_a_commit(bench, postgres, database)
    bench.ingest(NOW + MINUTE)
    assert stated(bench) == [("EARLY", "10 10:00", 1, 0), ("LATE", "10 10:00", 1, 0)]
    again = bench.ingest(NOW + 2 * MINUTE)
    assert (again.rows, again.skipped) == (0, 1)
    assert len(stated(bench)) == 2


def test_without_an_overlap_they_would_be_skipped(make: Make, postgres: Server, database: str) -> None:
    bench = make(TABLE, overlap=0)
    hold_back_a_commit(bench, postgres, database)
    bench.ingest(NOW + MINUTE)
    assert stated(bench) == [("LATE", "10 10:00", 1, 0)]


def test_an_update_is_a_correction_and_a_delete_is_not_seen(make: Make, postgres: Server, database: str) -> None:
    bench = make(TABLE, insert("A"), insert("A", "10:01"), insert("B"))
    bench.ingest(NOW)
    postgres.run(
        database,
        "UPDATE counts SET entries = 5, changed_at = now() WHERE station_id = 'A' AND minute_utc = '2024-05-10 10:00Z'",
        "DELETE FROM counts WHERE station_id = 'B'",
    )
    report = bench.ingest(NOW + MINUTE)
    assert bench.truth() == {
        ("A", at("2024-05-10T10:00")): (5, 0),
        ("A", at("2024-05-10T10:01")): (1, 0),
        ("B", at("2024-05-10T10:00")): (1, 0),
    }
    assert len(stated(bench)) == 4
    assert report.days == ["2024-05-10"]
    assert bench.truth(NOW)["A", at("2024-05-10T10:00")] == (1, 0)


def test_a_pull_sees_one_state_of_the_table_however_many_chunks_it_takes(
    make: Make, postgres: Server, database: str
) -> None:
    fill = (
        "INSERT INTO counts SELECT 'A', '2024-05-01Z'::timestamptz + g * interval '1 hour', 1, 0"
        " FROM generate_series(0, 199) g"
    )
    bench = make(TABLE, fill, chunk_rows=100, gaps=True)
    source = make_source(named_source(bench.settings, "ops"), bench.settings.network)
    batches = source.pull(Pull(NOW))
    first = next(batches)
    assert len(first.statements) < 100
    postgres.run(database, "UPDATE counts SET entries = 9, changed_at = now()", insert("NEW", "12:00"))
    rest = [int(count) for batch in batches for count in batch.statements.values[0]]
    assert len(rest) + len(first.statements) == 200
    assert set(rest) == {1}


def test_all_questions_of_a_pull_see_the_same_state(make: Make, postgres: Server, database: str) -> None:
    bench = make(TABLE, insert("A"))
    with snapshot(named_source(bench.settings, "ops")) as connection:  # type: ignore[arg-type]
        for _ in range(2):
            assert connection.exec_driver_sql("SELECT count(*) FROM counts").scalar() == 1
            postgres.run(database, insert("B"))


@pytest.mark.parametrize(
    ("kind", "value", "zone", "minute"),
    [
        ("timestamptz", "2024-05-10 05:00-05", None, "10:00"),
        ("timestamp", "2024-05-10 10:00", None, "10:00"),
        ("timestamp", "2024-05-10 05:00", "America/Chicago", "10:00"),
        ("text", "2024-05-10T12:00+02:00", None, "10:00"),
    ],
)
def test_every_type_of_time_is_read(make: Make, kind: str, value: str, zone: str | None, minute: str) -> None:
    table = f"CREATE TABLE counts (station_id text, minute {kind}, entries int, changed_at timestamptz DEFAULT now())"
    rows = f"INSERT INTO counts VALUES ('A', '{value}', 3), ('B', NULL, 3)"
    bench = make(table, rows, timezone=zone)
    bench.ingest(NOW)
    assert stated(bench) == [("A", f"10 {minute}", 3, None)]
    assert [(line, reason) for line, reason, _ in bench.rejects()] == [(0, "bad_time")]


def test_a_column_of_dates_is_no_time(make: Make) -> None:
    bench = make(
        "CREATE TABLE counts (station_id text, minute date, entries int, changed_at timestamptz DEFAULT now())",
        "INSERT INTO counts VALUES ('A', '2024-05-10', 3)",
    )
    with pytest.raises(SourceError, match="'minute' has dates without an hour"):
        bench.ingest(NOW)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamptz", ("2024-05-10 10:00Z", "2024-05-10 11:00Z", "2024-05-10 10:30Z", "2024-05-10 09:30Z")),
        ("timestamp", ("2024-05-10 10:00", "2024-05-10 11:00", "2024-05-10 10:30", "2024-05-10 08:30")),
        ("text", ("2024-05-10T10:00Z", "2024-05-10T11:00Z", "2024-05-10T10:30Z", "2024-05-10T09:30Z")),
        ("date", ("2024-05-09", "2024-05-10", "2024-05-10", "2024-05-08")),
        ("bigint", ("5000000000", "5000020000", "5000010000", "5000009999")),
        ("numeric(20,3)", ("1.5", "20000.25", "10000.25", "9999")),
        ("double precision", ("1.5", "20000.25", "10000.25", "9999")),
    ],
)
def test_every_type_of_watermark_is_followed(
    make: Make, postgres: Server, database: str, kind: str, values: tuple[str, ...]
) -> None:
    table = f"CREATE TABLE counts (station_id text, minute_utc timestamptz, entries int, exits int, changed_at {kind})"
    put = "INSERT INTO counts VALUES ('{}', '2024-05-10 08:00Z', 1, 0, '{}')"
    bench = make(table, put.format("A", values[0]), put.format("B", values[1]))
    bench.ingest(NOW)
    postgres.run(database, put.format("WITHIN", values[2]), put.format("BEYOND", values[3]))
    bench.ingest(NOW + MINUTE)
    assert [row[0] for row in stated(bench)] == ["A", "B", "WITHIN"]


def test_counts_of_every_type_are_judged_row_by_row(make: Make) -> None:
    table = (
        "CREATE TABLE counts (station uuid, minute_utc timestamptz, entries numeric(8,2), exits text,"
        " changed_at timestamptz DEFAULT now())"
    )
    uuid = "00000000-0000-0000-0000-00000000000"
    values = ["5.00, '7'", "NULL, ' 8 '", "1.5, '1'", "-1, '1'", "1, 'many'", "NULL, NULL", "'NaN', '2'"]
    rows = ", ".join(f"('{uuid}{i}', '2024-05-10 10:00Z', {value})" for i, value in enumerate(values))
    bench = make(table, f"INSERT INTO counts VALUES {rows}", columns={"station_id": "station"})
    report = bench.ingest(NOW)
    assert [(row[0][-1], *row[2:]) for row in stated(bench)] == [("0", 5, 7), ("1", None, 8), ("6", None, 2)]
    assert report.reasons == {"missing_count": 1, "negative": 1, "not_a_number": 1, "not_whole": 1}
    assert (0, "not_whole", f"{uuid}2,2024-05-10 10:00:00.000000Z,1.50,1") in bench.rejects()


def test_names_are_quoted_and_never_pasted(make: Make) -> None:
    table = 'CREATE TABLE "Ops Data"."counts; DROP" ("Station" text, "the minute" timestamptz, "order" int, "At" int)'
    rows = "INSERT INTO \"Ops Data\".\"counts; DROP\" VALUES ('A', '2024-05-10 10:00Z', 4, 1)"
    columns = {"station_id": "Station", "minute": "the minute", "entries": "order"}
    bench = make(
        'CREATE SCHEMA "Ops Data"', table, rows, table="Ops Data.counts; DROP", columns=columns, watermark="At"
    )
    bench.ingest(NOW)
    assert stated(bench) == [("A", "10 10:00", 4, None)]


@pytest.mark.parametrize("end", ["", ";"])
def test_a_query_is_read_like_a_table(make: Make, postgres: Server, database: str, end: str) -> None:
    query = """
        WITH known AS (SELECT *, 'x:y' AS label FROM counts WHERE station_id LIKE '%A' OR station_id = ' :b')
        SELECT station_id, minute_utc, sum(entries)::bigint AS entries, max(changed_at) AS changed_at
        FROM known WHERE label = 'x:y' GROUP BY 1, 2  -- of all lines
    """
    bench = make(TABLE, insert("A", entries=2), insert("A", entries=3), insert("C"), query=query.rstrip(" ") + end)
    bench.ingest(NOW)
    assert stated(bench) == [("A", "10 10:00", 5, None)]
    postgres.run(database, insert("A", entries=4))
    bench.ingest(NOW + MINUTE)
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (9, None)}


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "text"])
def test_bounds_are_asked_of_the_database(make: Make, kind: str) -> None:
    table = f"CREATE TABLE counts (station_id text, minute_utc {kind}, entries int, exits int, changed_at int)"
    rows = (
        "INSERT INTO counts SELECT 'A', to_char('2024-05-01'::timestamp + g * interval '1 hour',"
        f" 'YYYY-MM-DD HH24:MI')::{kind}, 1, 0, g FROM generate_series(0, 479) g"
    )
    bench = make(table, rows)
    source = make_source(named_source(bench.settings, "ops"), bench.settings.network)
    start, end = np.datetime64("2024-05-10T05:00", "s"), np.datetime64("2024-05-10T08:00", "s")
    batches = list(source.pull(Pull(NOW, start, end)))
    hours = sorted(int(minute) // 60 % 24 for batch in batches for minute in batch.statements.minute)
    assert hours == [5, 6, 7]
    assert batches[-1].done <= 24 * 5 + 3  # rows that were fetched
    assert batches[-1].cursor is None


def test_a_connection_that_is_cut_leaves_the_cursor_and_the_next_pull_brings_the_rest(
    make: Make, postgres: Server, database: str
) -> None:
    fill = (
        "INSERT INTO counts SELECT 'A', '2024-03-01Z'::timestamptz + g * interval '1 hour', 1, 0"
        " FROM generate_series(0, 1499) g"
    )
    bench = make(TABLE, insert("FIRST"), chunk_rows=100)
    bench.ingest(NOW)
    before = entry(bench)
    postgres.run(database, fill)

    def cut(what: str, done: int, total: int) -> None:
        postgres.run("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    with pytest.raises(
        SourceError, match=r"^source 'ops': postgresql://127.0.0.1:\d+/ops\d+: terminating connection .*server runs"
    ):
        bench.ingest(NOW + MINUTE, progress=cut)
    assert entry(bench) == before
    assert 1 < len(stated(bench)) < 1501
    bench.ingest(NOW + 2 * MINUTE)
    assert len(stated(bench)) == len(bench.truth()) == 1501
