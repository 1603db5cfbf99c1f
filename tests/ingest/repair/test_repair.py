"""Repaired rows are taken back, each exactly once, whatever happens in between."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.ingest_bench import NOW, Bench, Failing, at
from support.repair_bench import ALL, HEADER, LATER, TIME, counts, edited, repair, replayed, written

from flows.pipelines import repair as rejects
from tasks.errors import StoreError
from tasks.ingest.repair.repair import stage
from tasks.ingest.repair.sheet import read_sheet
from tasks.storage.store import Store


@pytest.mark.parametrize("backfill", [False, True])
def test_repaired_rows_land_once_where_they_stood_and_the_rest_stays_rejected(tmp_path: Path, backfill: bool) -> None:
    bench = counts(tmp_path)
    bench.ingest(backfill=backfill)
    sheet = edited(written(bench), repair)
    report = replayed(bench, sheet)
    assert (report.repaired, report.unchanged, report.failures) == (6, 1, ())
    assert bench.truth() == ALL
    assert [(r.file, r.rows, dict(r.reasons)) for r in rejects.list_open(bench.settings).files] == [
        ("a.csv", 2, {"superseded_in_file": 2})
    ]
    before = bench.files()
    again = replayed(bench, sheet, LATER + np.timedelta64(60, "s"))
    assert (again.repaired, again.unchanged, again.failures) == (0, 7, ())
    assert bench.files() == before
    assert bench.ingest(LATER + np.timedelta64(90, "s")).skipped == 2
    assert bench.files() == before
    known = bench.truth(NOW - np.timedelta64(60, "s"))
    assert known == (ALL if backfill else {})


def test_a_deleted_row_stays_rejected_and_a_row_repaired_badly_has_its_new_reason(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    sheet = edited(written(bench), lambda row: row.update(entries="2.5"), lambda row: row["line"] == "3")
    report = replayed(bench, sheet)
    assert (report.repaired, report.unchanged) == (1, 0)
    (a, b) = rejects.list_open(bench.settings).files
    assert a.reasons["not_whole"] == 1
    assert "not_a_number" not in a.reasons
    assert (a.rows, b.rows) == (6, 1)
    sheet = edited(written(bench, "again.csv"), lambda row: row.update(entries="8"), lambda row: row["line"] == "3")
    assert replayed(bench, sheet, LATER + np.timedelta64(9, "s")).repaired == 1
    assert bench.truth()["B", at("2024-05-10T10:00")] == (8, 1)


def test_what_is_taken_back_as_it_was_changes_nothing(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    before = bench.files()
    report = replayed(bench, written(bench))
    assert (report.repaired, report.unchanged, report.failures) == (0, 7, ())
    assert bench.files() == before


def test_repairs_of_a_file_add_up(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    for step, line in enumerate(("3", "6")):
        sheet = edited(written(bench), repair, lambda row, line=line: row["line"] == line)  # type: ignore[misc]
        replayed(bench, sheet, LATER + np.timedelta64(step, "s"))
    assert bench.truth()["B", at("2024-05-10T10:00")] == (8, 1)
    assert bench.truth()["D", at("2024-05-10T10:00")] == (4, 4)
    assert not {"not_a_number", "bad_time"} & set(rejects.list_open(bench.settings).files[0].reasons)


def test_a_lost_ledger_still_reads_the_repairs(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    replayed(bench, edited(written(bench), repair))
    for path in (tmp_path / "root" / "ledger").rglob("*.json"):
        path.unlink()
    bench.ingest(LATER + np.timedelta64(60, "s"))
    assert bench.truth() == ALL
    empty = Bench(tmp_path, bench.source, bench.network, "other")
    empty.ingest()
    assert empty.truth() != ALL


def test_a_new_state_of_a_file_has_nothing_of_the_repairs_of_the_old_one(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    sheet = edited(written(bench), repair)
    replayed(bench, sheet)
    old = (tmp_path / "feed" / "b.csv").read_bytes()
    bench.put_rows("b.csv", HEADER, [("A", "2024-05-10T10:01Z", 9, 9), ("A", "soon", 1, 1)])
    bench.ingest(LATER + np.timedelta64(60, "s"))
    assert bench.truth()["A", at("2024-05-10T10:01")] == (9, 9)
    report = replayed(bench, sheet, LATER + np.timedelta64(61, "s"))
    assert report.failures == (f"{tmp_path}/feed/b.csv has changed since it was written out: write it out again",)
    assert bench.truth()["A", at("2024-05-10T10:01")] == (9, 9)
    bench.put("b.csv", old)
    bench.ingest(LATER + np.timedelta64(120, "s"))
    assert bench.truth()["A", at("2024-05-10T10:01")] == (1, 3)


def test_a_file_that_is_gone_or_changed_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    sheet = edited(written(bench), repair)
    gone = tmp_path / "feed" / "a.csv"
    gone.unlink()
    report = replayed(bench, sheet)
    assert len(report.failures) == 1
    assert f"no file matches {gone}" in report.failures[0]
    assert report.repaired == 1
    assert bench.truth()["A", at("2024-05-10T10:01")] == (1, 3)
    bench.put("b.csv", "station_id,minute_utc,entries\n")
    failures = rejects.write_out(bench.settings, tmp_path / "x.csv").failures
    assert [line.split(" ")[0] for line in failures] == ["source"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"line": "2"}, "b.csv has no rejected row on line 3"),
        ({"file": "c.csv"}, "has ingested no file 'c.csv'"),
        ({"digest": "0"}, "has changed since it was written out"),
        ({"text": "one field"}, "is still no row of 5 fields"),
    ],
)
def test_what_cannot_be_repaired_is_told_in_one_line(tmp_path: Path, edit: dict[str, str], said: str) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    wanted = ("a.csv", "5") if "text" in edit else ("b.csv", "2")
    change = {"line": "3", "entries": "5"} if "line" in edit else edit
    sheet = edited(written(bench), lambda row: row.update(change), lambda row: (row["file"], row["line"]) == wanted)
    before = bench.files()
    report = replayed(bench, sheet)
    assert report.repaired == 0
    assert len(report.failures) == 1
    assert said in report.failures[0]
    assert bench.files() == before


def test_a_source_without_files_is_corrected_where_it_comes_from(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    sheet = written(bench)
    bench.source = {"name": "gates", "kind": "simulate"}
    report = replayed(bench, sheet)
    assert report.failures[0].startswith("source 'gates' has no files that could be repaired: correct 'a.csv' where")
    assert rejects.write_out(bench.settings, tmp_path / "x.csv").rows == 7
    assert [row.text for row in read_sheet(tmp_path / "x.csv")][-1] == "A,2024-05-10T10:01Z,-1,3"


def test_rows_of_parquet_are_repaired_among_their_kinds(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    table = {
        "station_id": pa.array([7.0, None, 8.0, 9.0]),
        "minute_utc": pa.array([at("2024-05-10T10:00")] * 4, pa.timestamp("ns", "UTC")),
        "entries": pa.array([1, 2, -3, 4]),
        "exits": pa.array([1.0, 2.0, None, 4.0]).dictionary_encode(),
        "text": pa.array([[1]] * 4),
    }
    bench.put("f.parquet", pa.table(table))
    bench.ingest()
    fixes = {"2": {"station_id": "5"}, "3": {"entries": "3"}}
    sheet = edited(written(bench), lambda row: row.update(fixes[row["line"]]))
    with sheet.open(newline="") as text:
        assert "text (2)" in next(csv.reader(text, delimiter=";"))
    assert replayed(bench, sheet).repaired == 2
    assert {station: values for (station, _), values in bench.truth().items()} == {
        "5": (2, 2),
        "7": (1, 1),
        "8": (3, None),
        "9": (4, 4),
    }
    assert rejects.list_open(bench.settings).files == ()


def test_an_end_of_a_trip_is_repaired_and_its_other_end_counts_once(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, duplicates="drop")
    rows = [(TIME, "2024-05-10T10:05Z", "A", "B"), (TIME, "later", "A", "=B"), (TIME, "later", "A", "=B")]
    bench.put_rows("f.csv", ("started_at", "ended_at", "from", "to"), rows)
    bench.ingest()
    sheet = edited(
        written(bench), lambda row: row.update(ended_at="2024-05-10T10:05Z", to="B"), lambda row: row["line"] == "3"
    )
    assert replayed(bench, sheet).repaired == 1
    assert bench.truth()["A", at("2024-05-10T10:00")] == (2, 0)
    assert bench.truth()["B", at("2024-05-10T10:05")] == (0, 1)
    assert rejects.list_open(bench.settings).files[0].reasons == {"duplicate_row": 1, "unsafe_name": 1}


def trips(bench: Bench, exit_of_second: str) -> None:
    rows = [("1", TIME, "2024-05-10T10:05Z", "A", "B"), ("2", TIME, exit_of_second, "A", "B")]
    bench.put_rows("f.csv", ("id", "started_at", "ended_at", "from", "to"), rows)


def test_a_repaired_event_counts_once_however_often_its_file_is_read_again(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, id="id")
    trips(bench, "later")
    bench.put_rows(
        "g.csv", ("id", "started_at", "ended_at", "from", "to"), [("2", TIME, "2024-05-10T10:09Z", "A", "B")]
    )
    bench.ingest()
    sheet = edited(
        written(bench), lambda row: row.update(ended_at="2024-05-10T10:05Z"), lambda row: row["file"] == "f.csv"
    )
    assert replayed(bench, sheet).repaired == 1
    landed = {("A", at("2024-05-10T10:00")): (2, 0), ("B", at("2024-05-10T10:05")): (0, 2)}
    for step, backfill in enumerate((False, True, True)):
        assert {key: counts for key, counts in bench.truth().items() if any(counts)} == landed
        (left,) = rejects.list_open(bench.settings).files
        assert (left.file, left.reasons) == ("g.csv", {"duplicate_event": 1})
        bench.source["maximum"] = 50 + step  # files whose source is configured otherwise are read again
        assert bench.ingest(LATER + np.timedelta64(60 * step, "s"), backfill=backfill).files == 2


def test_an_event_that_is_corrected_at_its_source_after_its_repair_counts_once(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, id="id")
    trips(bench, "later")
    bench.ingest()
    replayed(bench, edited(written(bench), lambda row: row.update(ended_at="2024-05-10T10:05Z")))
    trips(bench, "2024-05-10T10:04Z")
    bench.ingest(LATER + np.timedelta64(60, "s"))
    counted = {key: counts for key, counts in bench.truth().items() if any(counts)}
    assert counted == {
        ("A", at("2024-05-10T10:00")): (2, 0),
        ("B", at("2024-05-10T10:04")): (0, 1),
        ("B", at("2024-05-10T10:05")): (0, 1),
    }
    assert rejects.list_open(bench.settings).files == ()


def test_repairs_that_an_earlier_version_kept_are_read(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    folder = tmp_path / "root/repairs/gates" / hashlib.sha256(b"b.csv").hexdigest()[:32]
    digest = hashlib.sha256((tmp_path / "feed/b.csv").read_bytes()).hexdigest()
    folder.mkdir(parents=True)
    kept = {"key": "b.csv", "digest": digest, "rows": {"2": ["A", "2024-05-10T10:01Z", "1", "3"]}}
    (folder / f"{digest[:32]}.json").write_text(json.dumps(kept))
    assert bench.ingest(LATER).files == 1
    assert bench.truth()["A", at("2024-05-10T10:01")] == (1, 3)
    assert [each.file for each in rejects.list_open(bench.settings).files] == ["a.csv"]


def into(bench: Bench, store: Store, sheet: Path) -> None:
    """As `replayed`, into any store."""
    rows = list(read_sheet(sheet))
    for name in ("a.csv", "b.csv"):
        stage(store, bench.settings.sources[0], [row for row in rows if row.file == name])
    bench.ingest_into(store, LATER)


@pytest.mark.parametrize("cut", range(9))
def test_a_crash_at_any_write_and_a_second_replay_end_in_the_same_bytes(tmp_path: Path, cut: int) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    sheet = edited(written(bench), repair)
    whole = Bench(tmp_path, bench.source, bench.network, "whole")
    whole.ingest()
    counting = Failing(str(tmp_path / "whole"), 10**6)
    into(whole, counting, sheet)
    writes = 10**6 - counting.left
    if cut >= writes:
        assert writes > 5
        return
    with pytest.raises(StoreError, match="cut off"):
        into(bench, Failing(str(tmp_path / "root"), cut), sheet)
    into(bench, bench.store, sheet)
    assert bench.files("ledger") == whole.files("ledger")
    assert bench.truth() == ALL
    assert bench.ingest(LATER).skipped == 2


def test_a_plain_ingest_after_a_crash_takes_the_repairs_up(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    sheet = edited(written(bench), repair)
    with pytest.raises(StoreError, match="cut off"):
        into(bench, Failing(str(tmp_path / "root"), 2), sheet)
    assert bench.truth() != ALL
    assert bench.ingest(LATER).files == 2
    assert bench.truth() == ALL
    assert bench.ingest(LATER).skipped == 2
