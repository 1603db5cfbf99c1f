"""A database as a source: how far it was read, what is read again, and what of it counts."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench, at
from support.sql_bench import SHORT, entry, execute, fill, insert, sql_bench, stated

from tasks.errors import SourceError
from tasks.ingest.source import Pull
from tasks.ingest.sources import make_source, named_source
from tasks.ingest.sources.sql.connection import snapshot

MINUTE, HOUR = np.timedelta64(60, "s"), np.timedelta64(3600, "s")
CHICAGO = {"timezone": "America/Chicago"}
TEN = "2024-05-10T10:00Z"


def test_of_many_versions_in_many_chunks_the_last_by_watermark_counts(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, chunk_rows=2_000)
    minutes = np.arange("2024-05-01", "2024-05-03", dtype="datetime64[m]")  # 2,880 keys per station
    rows, draw = 40_000, np.random.default_rng(7)
    place, mark = draw.integers(0, 2 * len(minutes), rows), draw.permutation(rows)
    fill(bench, ((f"S{p % 2}", f"{minutes[p // 2]}Z", int(m), 0, int(m)) for p, m in zip(place, mark, strict=True)))
    last = np.full(2 * len(minutes), -1)
    np.maximum.at(last, place, mark)
    report = bench.ingest()
    truth = bench.truth()
    assert {(s, m): c[0] for (s, m), c in truth.items()} == {
        (f"S{p % 2}", minutes[p // 2].item()): int(m) for p, m in enumerate(last) if m >= 0
    }
    assert len(bench.table("observations")) == len(truth) == report.rows
    assert report.reasons == {"superseded_in_file": rows - len(truth)}
    assert entry(bench)["cursor"] == str(rows - 1)
    assert bench.ingest(NOW + MINUTE).skipped == 1


def test_a_version_that_comes_again_in_one_pull_ends_as_the_last_one(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, chunk_rows=100, gaps=True)
    fill(bench, (("A", TEN, 5 if i % 2 else 7, 0, i) for i in range(1000)))
    bench.ingest()
    insert(bench, ("A", TEN, 7, 0, 1000))
    bench.ingest(NOW + MINUTE)
    insert(bench, ("A", TEN, 5, 0, 1001))
    bench.ingest(NOW + 2 * MINUTE)
    assert [bench.truth(NOW + n * MINUTE)["A", at("2024-05-10T10:00")] for n in range(3)] == [(5, 0), (7, 0), (5, 0)]


def test_a_clock_that_is_set_back_within_the_overlap_hides_nothing(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, 1, 0, "2024-05-10T11:50:00Z"))
    bench.ingest()
    insert(bench, ("B", TEN, 2, 0, "2024-05-10T10:50:00Z"), ("C", TEN, 3, 0, "2024-05-10T10:49:59Z"))
    bench.ingest(NOW + MINUTE)
    assert [row[0] for row in stated(bench)] == ["A", "B"]
    assert entry(bench)["cursor"] == "2024-05-10T11:50:00Z"


def test_a_clock_that_ran_ahead_hides_nothing_after_it_is_set_right(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, 1, 0, "2031-01-01T00:00:00Z"))
    bench.ingest()
    assert entry(bench)["cursor"] == "2024-05-10T12:00:00"
    insert(bench, ("B", TEN, 2, 0, "2024-05-10T12:00:30Z"))
    bench.ingest(NOW + MINUTE)
    assert [row[0] for row in stated(bench)] == ["A", "B"]


def test_a_sequence_that_starts_anew_is_told_of_and_a_backfill_of_the_span_reads_it(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, 1, 0, 500_000))
    bench.ingest()
    execute(bench, "DELETE FROM counts")
    insert(bench, ("B", TEN, 2, 0, 1))
    report = bench.ingest(NOW + MINUTE)
    assert report.rows == 0
    assert "the largest changed_at is 1, behind 500000 that was read before" in report.warnings[0]
    assert "nexthour backfill --source ops --start" in report.warnings[0]
    assert entry(bench)["cursor"] == "500000"
    assert bench.ingest(NOW + 1.5 * MINUTE).warnings == report.warnings
    bench.ingest(NOW + 2 * MINUTE, backfill=True, start=np.datetime64("2024-05-10T09:00", "m"))
    assert [row[0] for row in stated(bench)] == ["A", "B"]
    assert entry(bench)["cursor"] == "500000"


def test_a_bounded_pull_moves_no_cursor_and_the_next_one_goes_on_from_there(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, overlap=10)
    insert(bench, *((f"A{i}", TEN, 1, 0, i) for i in range(100)))
    bench.ingest()
    insert(bench, ("B", TEN, 2, 0, 200), ("B", "2024-05-09T10:00Z", 2, 0, 201))
    bench.ingest(NOW + MINUTE, start=np.datetime64("2024-05-09T09:00", "m"), end=np.datetime64("2024-05-09T11:00", "m"))
    assert ("B", "09 10:00", 2, 0) in stated(bench)
    assert ("B", "10 10:00", 2, 0) not in stated(bench)
    assert entry(bench)["cursor"] == "99"
    report = bench.ingest(NOW + 2 * MINUTE)
    assert report.rows == 13  # what came, and 89 to 99 that are read again
    assert len(stated(bench)) == 102


def test_rows_whose_minute_is_not_over_are_waited_for(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, overlap=0)
    insert(bench, ("A", TEN, 1, 0, 1), ("NOW", "2024-05-10T12:00Z", 2, 0, 2), ("B", TEN, 1, 0, 3))
    report = bench.ingest()
    assert (report.rows, report.reasons) == (2, {})
    assert entry(bench)["cursor"] == "2"
    insert(bench, ("C", TEN, 1, 0, 4))
    bench.ingest(NOW + MINUTE)
    assert [row[0] for row in stated(bench)] == ["A", "B", "C", "NOW"]
    assert entry(bench)["cursor"] == "4"


def test_a_bounded_pull_refuses_what_it_will_not_read_again(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("NOW", "2024-05-10T12:00Z", 2, 0, 2))
    assert bench.ingest(start=NOW - HOUR).reasons == {"in_future": 1}


def test_the_cursor_never_goes_back(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, 1, 0, "2024-05-10T10:45:00Z"), ("B", TEN, 1, 0, "2024-05-10T11:59:00Z"))
    bench.ingest()
    insert(bench, ("C", TEN, 1, 0, "2024-05-10T11:30:00Z"), ("NOW", "2024-05-10T12:00Z", 2, 0, "2024-05-10T11:40:00Z"))
    bench.ingest(NOW + MINUTE / 2)  # what waits has an older mark than what was read
    assert entry(bench)["cursor"] == "2024-05-10T11:59:00Z"
    bench.ingest(NOW + MINUTE)
    assert [row[0] for row in stated(bench)] == ["A", "B", "C", "NOW"]


def test_the_cursor_stays_where_our_own_clock_is_set_back(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, 1, 0, "2024-05-10T10:45:00Z"), ("B", TEN, 1, 0, "2024-05-10T11:59:00Z"))
    bench.ingest()
    insert(bench, ("D", TEN, 1, 0, "2024-05-10T11:31:00Z"))
    bench.ingest(NOW - 30 * MINUTE)
    assert {station for station, _ in bench.truth()} == {"A", "B", "D"}
    assert entry(bench)["cursor"] == "2024-05-10T11:59:00Z"
    assert bench.ingest(NOW - 29 * MINUTE).skipped == 1


def test_a_row_that_waits_lands_although_nothing_in_the_database_changed(tmp_path: Path) -> None:
    for watermark in ("changed_at", None):
        bench = sql_bench(tmp_path / str(watermark), watermark=watermark)
        bench.folder.mkdir()
        insert(bench, ("A", TEN, 1, 0, 1), ("NOW", "2024-05-10T12:00Z", 2, 0, 2))
        for number in range(2):
            bench.ingest(NOW + number * MINUTE)
        assert [row[0] for row in stated(bench)] == ["A", "NOW"]
        assert bench.ingest(NOW + 2 * MINUTE).skipped == 1


def test_a_stray_time_far_ahead_holds_nothing_up(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, overlap=0)
    insert(bench, ("A", "2024-05-13T00:00Z", 1, 0, 1), ("B", TEN, 1, 0, 2))
    assert bench.ingest().reasons == {"in_future": 1}
    assert entry(bench)["cursor"] == "2"
    assert bench.ingest(NOW + MINUTE).skipped == 1
    insert(bench, ("C", TEN, 1, 0, 3))
    assert bench.ingest(NOW + 96 * HOUR).rows == 2  # B is read again, A is not: nothing of it changed


def test_without_a_watermark_all_is_read_and_only_what_changed_is_written(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, watermark=None)
    insert(bench, *((f"A{i}", TEN, i, 0) for i in range(50)))
    bench.ingest()
    assert bench.ingest(NOW + MINUTE).skipped == 1
    execute(bench, "UPDATE counts SET entries = 99 WHERE station_id = 'A7'", "DELETE FROM counts WHERE entries = 8")
    report = bench.ingest(NOW + 2 * MINUTE)
    assert report.rows == 49
    assert len(stated(bench)) == 51
    assert bench.truth()["A7", at("2024-05-10T10:00")] == (99, 0)
    assert bench.truth()["A8", at("2024-05-10T10:00")] == (8, 0)  # nothing says that it is gone


def test_a_large_table_without_a_watermark_is_refused(tmp_path: Path) -> None:
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 1000000)"
    query = f"{rows} SELECT 'A' AS station_id, '{TEN}' AS minute_utc, i AS entries FROM n"
    bench = sql_bench(tmp_path, watermark=None, query=query)
    execute(bench, "CREATE TABLE t (i)")
    with pytest.raises(SourceError, match=r"query has 1,000,001 rows .* name a watermark for source 'ops'"):
        bench.ingest()


def test_rows_without_a_watermark_are_read_every_time(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, 1, 0, 20_000))
    bench.ingest()
    insert(bench, ("B", TEN, 1, 0, None))
    report = bench.ingest(NOW + MINUTE)
    assert [row[0] for row in stated(bench)] == ["A", "B"]
    assert "1 rows have no changed_at, and are read every time: give each row one" in report.warnings
    execute(bench, "UPDATE counts SET entries = 2 WHERE station_id = 'B'")
    bench.ingest(NOW + 2 * MINUTE)
    assert bench.truth()["B", at("2024-05-10T10:00")] == (2, 0)


def test_a_change_of_the_configuration_reads_all_of_it_anew(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, overlap=10)
    insert(bench, *((f"A{i}", TEN, 3, 4, 1000 + i) for i in range(50)))
    bench.ingest()
    faster = sql_bench(tmp_path, overlap=20, chunk_rows=100, statement_timeout_seconds=9)
    assert faster.ingest(NOW + MINUTE).rows < 50
    other = sql_bench(tmp_path, overlap=10, columns={"entries": "exits", "exits": "entries"})
    assert other.ingest(NOW + 2 * MINUTE).rows == 50
    assert set(other.truth().values()) == {(4, 3)}


def test_a_rejected_row_is_kept_once_however_often_it_is_read_again(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, -1, 0, 1), ("", TEN, 1, 0, 2))
    for number in range(3):
        insert(bench, (f"B{number}", TEN, 1, 0, 10 + number))
        bench.ingest(NOW + number * MINUTE)
    assert bench.rejects() == [(0, "missing_station", f",{TEN},1,0"), (0, "negative", f"A,{TEN},-1,0")]


def test_values_of_every_kind_in_one_column_are_judged_one_by_one(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(
        bench,
        ("A", TEN, 1, "2", 1),
        (12, TEN, 2.0, 3, 2),
        ("B", TEN, b"\xff\x00", 3, 3),
        ("C", 1715335200, 1, 1, 4),
        (b"D\xff", TEN, 2**62, 1, 5),
        ("E", None, 1, 1, 6),
        ("F", TEN, "", None, 7),
    )
    execute(bench, f"INSERT INTO counts VALUES (CAST(x'47ff' AS TEXT), '{TEN}', 5, 6, 8)")
    report = bench.ingest()
    assert [row[0] for row in stated(bench)] == ["12", "A", "G\ufffd"]
    assert report.reasons == {"absurd": 1, "bad_time": 2, "missing_count": 1, "not_a_number": 1}


def test_a_column_whose_kind_changes_between_chunks_is_judged_one_by_one(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, chunk_rows=100, gaps=True)
    minutes = np.arange("2024-05-09T00:00", "2024-05-09T05:00", dtype="datetime64[m]")
    values = [*[None] * 100, *range(100), *["7", "many"] * 50]
    fill(bench, ((i % 2 or "A", f"{t}Z", v, 1, 1) for i, (t, v) in enumerate(zip(minutes, values, strict=True))))
    report = bench.ingest()
    assert (report.rows, report.reasons) == (250, {"not_a_number": 50})
    assert [counts[0] for _, counts in sorted(bench.truth().items(), key=lambda row: row[0][1])] == [
        *[None] * 100,
        *range(100),
        *[7] * 50,
    ]
    assert {station for station, _ in bench.truth()} == {"A", "1"}


def test_service_days_come_whole_where_text_does_not_sort_by_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sql_bench(tmp_path, chunk_rows=100, gaps=True).source, CHICAGO)
    minutes = np.arange("2024-05-01", "2024-05-09", 10, dtype="datetime64[m]")
    draw = np.random.default_rng(3)
    zones = [("Z", 0), ("+09:00", 9), ("-07:00", -7)]
    picks = [zones[i] for i in draw.integers(0, 3, len(minutes))]
    rows = [
        ("A", f"{t + np.timedelta64(60 * h, 'm')}{zone}", 1, 0, 1) for t, (zone, h) in zip(minutes, picks, strict=True)
    ]
    fill(bench, rows)
    batches = list(make_source(named_source(bench.settings, "ops"), bench.settings.network).pull(Pull(NOW)))
    found: dict[np.datetime64, int] = {}
    for number, batch in enumerate(batches):
        for day in np.unique((batch.statements.minute.astype("datetime64[m]") - 5 * HOUR).astype("datetime64[D]")):
            assert found.setdefault(day, number) == number
    assert len(batches) > 3
    assert sum(len(batch.statements) for batch in batches) == len(minutes)


def test_text_that_jumps_between_days_is_rejected(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, chunk_rows=100, gaps=True)
    days = np.arange("2024-04-01", "2024-05-01", dtype="datetime64[D]")
    fill(bench, ((f"A{i}", f"{day}T10:00Z", 1, 0, 1) for day in days for i in range(20)))
    fill(bench, [("A", " 2024-04-20T10:00Z", 1, 0, 1)])  # sorts before everything
    with pytest.raises(SourceError, match=r"ops\.db counts: minutes are text that does not sort by time"):
        bench.ingest()


def test_the_database_is_only_read(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    with pytest.raises(SourceError, match="unable to open database file: correct the path"):
        bench.ingest()
    assert not (tmp_path / "ops.db").exists()
    insert(bench, ("A", TEN, 1, 0, 1))
    before = (tmp_path / "ops.db").read_bytes()
    bench.ingest()
    assert (tmp_path / "ops.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("ops")] == ["ops.db"]


def test_a_pull_sees_one_state_while_others_write(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, chunk_rows=100, gaps=True)
    execute(bench, "PRAGMA journal_mode=WAL")
    fill(bench, (("A", f"{t}Z", 1, 0, 1) for t in np.arange("2024-05-01", "2024-05-09", 30, dtype="datetime64[m]")))
    with closing(sqlite3.connect(tmp_path / "ops.db")) as writing:
        writing.execute("PRAGMA journal_mode=WAL")
        batches = make_source(named_source(bench.settings, "ops"), bench.settings.network).pull(Pull(NOW))
        seen = len(next(batches).statements)
        with writing:
            writing.execute("UPDATE counts SET entries = 9")
            writing.execute("INSERT INTO counts VALUES ('NEW', '2024-05-08T23:59Z', 9, 0, 2)")
        rest = list(batches)
    assert seen + sum(len(batch.statements) for batch in rest) == 384
    assert {int(v) for batch in rest for v in batch.statements.values[0]} == {1}
    assert rest[-1].cursor == "1"


def test_all_questions_of_a_pull_see_the_same_state(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", TEN, 1, 0, 1))
    with closing(sqlite3.connect(tmp_path / "ops.db")) as writing:
        writing.execute("PRAGMA journal_mode=WAL")
        with snapshot(named_source(bench.settings, "ops")) as connection:  # type: ignore[arg-type]
            for _ in range(2):
                assert connection.exec_driver_sql("SELECT count(*) FROM counts").scalar() == 1
                insert(bench, ("B", TEN, 1, 0, 2))


def test_a_pull_may_begin_in_one_thread_and_end_in_another(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, chunk_rows=100, gaps=True)
    fill(bench, (("A", f"{t}Z", 1, 0, 1) for t in np.arange("2024-05-01", "2024-05-09", 30, dtype="datetime64[m]")))
    batches = make_source(named_source(bench.settings, "ops"), bench.settings.network).pull(Pull(NOW))
    with ThreadPoolExecutor(1) as pool:
        rows = len(pool.submit(next, batches).result().statements)
    assert rows + sum(len(batch.statements) for batch in batches) == 384


def test_the_availability_that_a_row_states_is_kept(tmp_path: Path) -> None:
    columns = (*SHORT, "known")
    bench = sql_bench(tmp_path, columns={"available_at": "known"})
    insert(
        bench,
        ("A", TEN, 1, 0, 1, "2024-05-10T10:05Z"),
        ("A", TEN, 2, 0, 2, "2024-05-10T11:00Z"),
        ("B", TEN, 1, 0, 3, "2024-05-10T12:01Z"),
        columns=columns,
    )
    bench.ingest()
    assert [bench.truth(np.datetime64(f"2024-05-10T{t}", "s")) for t in ("10:04", "10:05", "11:00")] == [
        {},
        {("A", at("2024-05-10T10:00")): (1, 0)},
        {("A", at("2024-05-10T10:00")): (2, 0)},
    ]
    bench.ingest(NOW + MINUTE)  # by now B is known
    assert ("B", at("2024-05-10T10:00")) in bench.truth()


def _hours(bench: Bench, days: int = 1) -> None:
    """Rows of two stations, each an hour after the one before."""
    hours = np.arange(f"2024-05-0{8 - days}", "2024-05-08", dtype="datetime64[h]")
    insert(
        bench,
        *((s, f"{h.astype('datetime64[m]')}Z", 7, 3, f"{h.astype('datetime64[s]')}Z") for h in hours for s in "AB"),
    )


@pytest.mark.parametrize("watermark", ["changed_at", None])
def test_a_table_that_is_coarser_than_the_grid_is_rejected_by_name(tmp_path: Path, watermark: str | None) -> None:
    bench = sql_bench(tmp_path, watermark=watermark)
    bench.network["interval_minutes"] = 15
    _hours(bench)
    with pytest.raises(SourceError, match="are 60 minutes apart, coarser than interval_minutes = 15"):
        bench.ingest()
    assert bench.truth() == {}


def test_rows_that_follow_an_earlier_pull_are_some_of_many_and_show_no_distance(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, overlap=60)
    bench.network["interval_minutes"] = 15
    insert(
        bench, *(("A", f"2024-05-06T{q // 4:02d}:{q % 4 * 15:02d}Z", 1, 1, "2024-05-06T23:00:00Z") for q in range(96))
    )
    bench.ingest()
    _hours(bench)
    bench.ingest(NOW + MINUTE)
    assert len(bench.truth()) == 96 + 48


def test_a_table_may_have_gaps_where_that_is_said(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path, gaps=True)
    bench.network["interval_minutes"] = 15
    _hours(bench)
    assert bench.ingest().rows == 48
