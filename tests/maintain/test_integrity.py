"""Files that changed or went are named, with what to do; minutes are mended from observations that are whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.batch_days import DAY, TARGETS, Said, land, no_mark, path_of, remote_store, rows_of
from support.ingest_bench import Bench

from flows.pipelines import loop
from tasks.maintain.compaction import compact_day
from tasks.maintain.file_checks import Files, check_files
from tasks.maintain.fold_checks import mend, remedies, sample
from tasks.maintain.manifest import manifest_path
from tasks.maintain.steps import MaintainReport, compact_days
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.observations import batches
from tasks.tables.rebuild import rebuild_day
from tasks.tables.staleness import due

A, B, C = "a" * 24, "b" * 24, "c" * 24
TODAY = "2024-06-01"
FOLDER = f"observations/service_date={DAY}"
NOW = np.datetime64("2024-05-12T12:00", "us")


@pytest.fixture(params=["folder", "url"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made = Store(str(tmp_path)) if request.param == "folder" else remote_store()
    land(made, A, [Said("a", 1)])
    land(made, B, [Said("b", 1)])
    rebuild_day(made, DAY, TARGETS)
    made.write_table(f"forecasts/service_date={DAY}/20240510T120000Z-0123abcd.parquet", rows_of([Said("a", 1)]))
    made.write_table(f"rejects/received_date={DAY}/{C}.parquet", rows_of([Said("a", 1)]))
    made.write_bytes("bundles/1/bundle.json", b"{}")
    made.write_bytes("bundles/1/network/network.onnx", b"weights")
    made.write_bytes("bundles/champion.json", b"{}")
    made.write_bytes(f"{FOLDER}/.temporary.1-2", b"")
    return made


def turned(data: bytes) -> bytes:
    """The same with one bit turned."""
    return data[:5] + bytes([data[5] ^ 1]) + data[6:]


def later(days: int) -> str:
    return str(np.datetime64(TODAY) + days)


def test_files_are_new_once_and_then_read_again_in_their_turn(store: Store) -> None:
    assert check_files(store, TODAY, 5) == Files(files=7, new=7)
    seen = [check_files(store, later(day), 5) for day in range(1, 11)]
    assert {found.new for found in seen} == ({0} if store.local else {1})  # minutes, without a time of writing
    assert all(sum(found.checked for found in seen[first : first + 5]) >= 6 for first in (0, 5))
    assert max(found.checked for found in seen) < 7
    assert not any(found.damaged or found.unexpected for found in seen)
    assert check_files(store, later(10), 5).checked == 0  # the same night again
    assert check_files(store, later(10), 5, full=True).checked >= 6
    assert check_files(store, later(30), 5).checked >= 6  # nights were missed


APPENDED = [
    path_of(A),
    f"forecasts/service_date={DAY}/20240510T120000Z-0123abcd.parquet",
    f"rejects/received_date={DAY}/{C}.parquet",
    "bundles/1/network/network.onnx",
]


@pytest.mark.parametrize("path", APPENDED)
def test_a_file_that_changed_is_named_every_night_until_it_is_what_it_was(store: Store, path: str) -> None:
    check_files(store, TODAY, 5)
    good = store.read_bytes(path)
    assert good is not None
    store.write_bytes(path, turned(good))
    assert check_files(store, TODAY, 5, full=True).changed == (path,)
    assert [check_files(store, later(day), 5).changed for day in range(1, 4)] == [(path,)] * 3
    store.write_bytes(path, good)
    assert check_files(store, later(4), 5).damaged == ()


@pytest.mark.parametrize("path", APPENDED)
def test_a_file_that_is_gone_is_named_until_its_manifest_is_deleted(store: Store, path: str) -> None:
    check_files(store, TODAY, 5)
    store.delete(path)
    for day in range(2):
        assert check_files(store, later(day), 5).lost == (path,)
    store.delete(manifest_path("/".join(path.split("/")[:2])))
    assert check_files(store, later(2), 5).lost == ()


def test_a_day_that_vanished_is_not_forgotten(store: Store) -> None:
    check_files(store, TODAY, 5)
    for path in (path_of(A), path_of(B)):
        store.delete(path)
    if store.local:
        shutil.rmtree(store.local / FOLDER)
    assert check_files(store, TODAY, 5).lost == (path_of(A), path_of(B))


def test_what_compaction_absorbed_is_not_lost_even_where_the_manifest_missed_it(store: Store) -> None:
    check_files(store, TODAY, 5)
    manifest = store.read_bytes(manifest_path(FOLDER))
    compact_day(store, DAY, TARGETS, no_mark)
    assert check_files(store, TODAY, 5, full=True).damaged == ()
    assert manifest is not None
    store.write_bytes(manifest_path(FOLDER), manifest)  # written late by a run beside it
    assert check_files(store, TODAY, 5).lost == ()


def test_a_new_file_that_is_not_whole_is_named_and_so_is_one_that_is_not_ours(store: Store) -> None:
    store.write_bytes(path_of(C), (store.read_bytes(path_of(A)) or b"")[:-1])
    wrong = path_of("all-" + C)
    store.write_table(wrong, rows_of([Said("a", 1)]))  # its name is not what it holds
    store.write_bytes(f"{FOLDER}/{A} (copy).parquet", b"")
    for day in range(2):
        found = check_files(store, later(day), 5)
        assert found.unreadable == (wrong, path_of(C))
        assert found.unexpected == (f"{FOLDER}/{A} (copy).parquet",)


def test_a_file_that_is_written_anew_is_news_and_one_that_turned_bad_is_not(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    land(store, A, [Said("a", 1)])
    rebuild_day(store, DAY, TARGETS)
    path = tmp_path / schemas.minutes_file(DAY)
    check_files(store, TODAY, 5)
    land(store, B, [Said("b", 1)])
    rebuild_day(store, DAY, TARGETS)
    assert check_files(store, TODAY, 5) == Files(files=3, new=2)
    times, data = path.stat(), path.read_bytes()
    path.write_bytes(turned(data))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert check_files(store, TODAY, 5, full=True).changed == (schemas.minutes_file(DAY),)


def test_a_damaged_manifest_is_made_anew(store: Store) -> None:
    check_files(store, TODAY, 5)
    for text in (b"{", b"[]", b'{"files": {"x": {"y": 1}}}', b'{"files": []}'):
        store.write_bytes(manifest_path(FOLDER), text)
        assert check_files(store, TODAY, 5).new >= 2
        assert not check_files(store, TODAY, 5).lost


def test_every_day_is_in_the_sample_within_as_many_nights_as_that_takes() -> None:
    days = [str(day) for day in np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")]
    nights = [sample(days, 7, 7, later(n)) for n in range(8)]
    assert set().union(*nights) == set(days)
    assert all(night[-7:] == days[-7:] and len(night) <= 15 and night == sorted(night) for night in nights)
    assert sample(days, 0, 0, TODAY) == []
    assert sample(days, 70, 7, TODAY) == days
    assert sample([], 7, 7, TODAY) == []


def test_a_day_whose_observations_are_all_gone_keeps_its_minutes(store: Store) -> None:
    right = store.read_bytes(schemas.minutes_file(DAY))
    for path in batches(store, DAY):
        store.delete(path)
    store.write_bytes(f"{FOLDER}/note.txt", b"")
    assert mend(store, [DAY], TARGETS, no_mark) == ([], [])
    assert store.read_bytes(schemas.minutes_file(DAY)) == right


# ----------------------------------------------------------------------------------------------- one whole run
HEADER = ("station_id", "minute", "entries", "exits")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two days of counts from two files, ingested; the first day is over."""
    made = Bench.counts(tmp_path)
    for day in ("10", "11"):
        rows = [("A", f"2024-05-{day}T10:{m:02d}", m, 1) for m in range(60)]
        made.put_rows(f"{day}.csv", HEADER, rows)
        made.ingest(NOW + np.timedelta64(int(day), "m"), backfill=True)
    made.put_rows("late.csv", HEADER, [("B", "2024-05-10T10:00", 5, 1)])
    made.ingest(NOW + np.timedelta64(20, "m"), backfill=True)
    return made


def told(store: Store, spans: dict[str, tuple[str | None, str | None]]) -> None:
    """A ledger that knows of these inputs, and the first and last minute that each stated."""
    first, last = zip(*spans.values(), strict=True)
    columns = {"origin": list(spans), "first_minute": list(first), "last_minute": list(last)}
    store.write_table("ledger/gates/entries.parquet", pa.table(columns))


def upkeep(bench: Bench, day: int = 0, full: bool = False) -> MaintainReport:
    return loop.maintain(bench.settings, NOW + np.timedelta64(day, "D") + np.timedelta64(1, "h"), 7, full)


def test_upkeep_compacts_days_and_what_was_ingested_is_not_ingested_again(bench: Bench) -> None:
    before, truth = bench.minute_files(), bench.truth(NOW)
    report = upkeep(bench)
    assert [(day.day, day.files_before, day.files_after) for day in report.compacted] == [("2024-05-10", 2, 1)]
    assert (report.checked, report.mended, report.needs_a_person) == (["2024-05-10", "2024-05-11"], [], [])
    for path in bench.store.files("ledger"):
        bench.store.delete(path)
    observed = bench.store.files("observations")
    bench.ingest(NOW + np.timedelta64(2, "h"), backfill=True)
    assert bench.store.files("observations") == observed
    assert bench.minute_files() == before
    assert bench.truth(NOW) == truth
    assert upkeep(bench, 1).compacted == ()


def test_a_run_compacts_the_newest_days_first_and_a_few_at_once(bench: Bench) -> None:
    for day in ("07", "08", "09"):
        for name in (A, B):
            path = f"observations/service_date=2024-05-{day}/{name}.parquet"
            bench.store.write_table(path, rows_of([Said(name, int(day) * 1440 - 10 * 1440)]))
    first, second, third = (compact_days(bench.settings, NOW, 2)[0] for _ in range(3))
    assert [[day.day[-2:] for day in run] for run in (first, second, third)] == [["09", "10"], ["07", "08"], []]


def test_the_running_day_is_compacted_where_it_has_many_files(bench: Bench) -> None:
    few = bench.settings
    many = few.model_copy(update={"maintain": few.maintain.model_copy(update={"running_files": 2})})
    running = np.datetime64("2024-05-10T13:00", "us")
    land(bench.store, C, [Said("new", 3)])
    assert compact_days(few, running)[0] == ()
    assert [day.day for day in compact_days(many, running)[0]] == ["2024-05-10"]


def test_minutes_that_are_not_the_fold_are_mended_though_their_note_agrees(bench: Bench) -> None:
    right = bench.minute_files()
    path = schemas.minutes_file("2024-05-11")
    store = bench.store
    batch = batches(store, "2024-05-11")[0]
    kept = store.read_bytes(batch)
    store.write_table(batch, rows_of([Said("Z", 1)]))
    store.delete(path)
    rebuild_day(store, "2024-05-11", bench.targets)
    assert kept is not None
    store.write_bytes(batch, kept)
    assert bench.minute_files() != right
    store.write_bytes(f"{schemas.day_folder('forecasts', '2024-05-11')}/f.parquet", b"")
    assert upkeep(bench, 30).mended == ["2024-05-11"]
    assert bench.minute_files() == right
    assert [mark.day for mark in due(store, "scores")] == ["2024-05-11"]  # what was scored against it is scored again


@pytest.mark.parametrize("damage", ["changed", "lost", "not Parquet"])
def test_damaged_observations_leave_the_minutes_as_they_are_and_say_where_they_came_from(
    bench: Bench, damage: str
) -> None:
    if damage != "not Parquet":
        upkeep(bench)
    spans = {"late": "2024-05-10", "10": "2024-05-10", "11": "2024-05-11"}
    told(bench.store, {f"feed/{name}.csv": (f"{day}T10:00", f"{day}T10:59") for name, day in spans.items()})
    store, right = bench.store, bench.minute_files()
    path = batches(store, "2024-05-10")[0]
    kept = store.read_bytes(path)
    if damage == "lost":
        store.delete(path)
    else:
        store.write_bytes(path, b"nothing" if damage == "not Parquet" else b"PAR1" + (kept or b"")[4:-1])
    report = upkeep(bench, 1, full=True)
    assert bench.minute_files() == right
    assert report.files.damaged == (path,)
    assert "2024-05-10" not in report.checked
    [line, *_] = report.remedies
    assert line.startswith(path)
    assert "delete ledger/gates and run nexthour backfill --source gates" in line
    assert "feed/10.csv" in line
    assert "feed/late.csv" in line
    assert "feed/11.csv" not in line


def test_what_the_remedy_says_brings_the_day_back(bench: Bench) -> None:
    upkeep(bench)
    store, right = bench.store, bench.minute_files()
    [path] = batches(store, "2024-05-10")
    store.write_bytes(path, b"nothing")
    assert upkeep(bench, 1, full=True).needs_a_person
    store.delete(path)
    for entry in store.files("ledger/gates"):
        store.delete(entry)
    bench.ingest(NOW + np.timedelta64(2, "h"), backfill=True)
    store.delete(manifest_path(FOLDER))
    assert upkeep(bench, 2, full=True).needs_a_person == []
    assert bench.minute_files() == right


def test_a_remedy_names_a_few_files_and_the_command_of_each_table(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    told(store, {f"{n}.csv": ("2024-05-10T10:00", "2024-05-10T11:00") for n in range(5)} | {"none.csv": (None, None)})
    store.write_bytes("ledger/trips/entries.parquet", b"damaged")
    damaged = [path_of(A), f"scores/service_date={DAY}/part.parquet", "bundles/1/x.onnx", path_of(A, "2024-05-09")]
    lines = {line.split(": ")[0]: line for line in remedies(store, damaged, "UTC")}
    assert "0.csv, 1.csv, 2.csv and 2 more" in lines[damaged[0]]
    assert f"nexthour score --start {DAY}" in lines[damaged[1]]
    assert "delete integrity/bundles/1.json" in lines[damaged[2]]
    assert "no source file in the ledger" in lines[damaged[3]]
