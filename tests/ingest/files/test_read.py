"""Where files are looked for, what they are called, and what is read of them."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import numpy as np
import pytest
from support.ingest_bench import NOW, Bench, at

from tasks.errors import SourceError
from tasks.ingest.files.find import find_files
from tasks.ingest.files.read import read_content

TEXT = "station_id,minute_utc,entries\n{},2024-05-10T10:00Z,1\n"


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv", "notes.md", ".a.csv", "deep/c.csv.gz", "deep/er/d.parquet", "odd [1].csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT.format(name))
    return tmp_path


def keys(path: Path | str, *paths: Path | str) -> list[str]:
    return [file.key for file in find_files("gates", str(path), [str(p) for p in paths])]


def test_a_path_is_a_file_a_folder_or_a_glob(feed: Path) -> None:
    assert keys(feed / "a.csv") == ["a.csv"]
    assert keys(feed) == ["a.csv", "b.csv", "deep/c.csv.gz", "deep/er/d.parquet", "odd [1].csv"]
    assert keys(feed / "*.csv") == ["a.csv", "b.csv", "odd [1].csv"]
    assert keys(feed / "[ab].csv") == ["a.csv", "b.csv"]
    assert keys(feed / "*/*") == ["deep/c.csv.gz"]
    assert keys(feed / "**" / "*.csv*") == ["a.csv", "b.csv", "deep/c.csv.gz", "odd [1].csv"]
    assert keys(feed / "deep" / "**") == ["c.csv.gz", "er/d.parquet"]
    assert keys(feed / "odd [1].csv") == ["odd [1].csv"]


def test_a_file_has_one_key_however_it_is_named(feed: Path) -> None:
    assert keys(feed / "*" / "*", feed / "deep" / "c.csv.gz") == ["deep/c.csv.gz"]
    assert keys(feed, feed / "deep" / "c.csv.gz", feed / "deep" / "*.gz") == ["deep/c.csv.gz"]
    assert keys("/nowhere/*.csv", feed / "a.csv") == ["a.csv"]


def test_a_pattern_that_matches_nothing_is_an_error_that_shows_where_it_looked(feed: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches nothing/\*\.csv \(looked in /.*/nothing/\*\.csv\)"):
        find_files("gates", "nothing/*.csv")
    with pytest.raises(SourceError, match="no file matches"):
        keys(feed, feed / "a.csv", feed / "c.csv")


def test_files_at_a_url_are_read_like_local_ones(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("x.csv", "y/z.csv", "skip.txt"):
        memory.pipe(f"/feed-of-a-test/{name}", TEXT.format(name).encode())
    bench = Bench.counts(tmp_path, path="memory://feed-of-a-test/**/*.csv")
    assert bench.ingest().files == 2
    assert {station for station, _ in bench.truth()} == {"x.csv", "y/z.csv"}
    assert bench.ingest(NOW + np.timedelta64(1, "s")).skipped == 2
    memory.pipe("/feed-of-a-test/x.csv", TEXT.format("again").encode())
    assert bench.ingest(NOW + np.timedelta64(2, "s")).files == 1
    with pytest.raises(SourceError, match="cannot be opened"):
        find_files("gates", "nosuch://bucket/*.csv")


def test_the_data_root_may_be_a_url_too(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put("f.csv", TEXT.format("A"))
    store = type(bench.store)("memory://root-of-a-test")
    assert bench.ingest_into(store).minutes == 1
    assert bench.ingest_into(store).skipped == 1


def test_a_file_that_vanishes_is_one_line(feed: Path) -> None:
    file = find_files("gates", str(feed / "a.csv"))[0]
    (feed / "a.csv").unlink()
    with pytest.raises(SourceError, match=r"a\.csv cannot be read: "):
        read_content(file)


def test_a_touched_file_is_read_once_more_and_then_known(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    path = bench.put("f.csv", TEXT.format("A"))
    bench.ingest()
    path.touch()
    before = bench.files("ledger")
    assert (bench.ingest().skipped, bench.files("ledger")) == (1, before)
    ledger = bench.files()
    bench.ingest()
    assert bench.files() == ledger


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_usual_delimiters_are_told_by_the_header(tmp_path: Path, delimiter: str) -> None:
    bench = Bench.counts(tmp_path)
    bench.put("f.csv", TEXT.format("A").replace(",", delimiter))
    bench.ingest()
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (1, None)}


def test_progress_is_told_of_files_and_days(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    for name in "abc":
        bench.put(f"{name}.csv", TEXT.format(name))
    bench.ingest(paths=(str(tmp_path / "feed" / "a.csv"),))
    bench.put("b.csv", "")
    told: list[tuple[str, int, int]] = []
    bench.ingest(progress=lambda what, done, total: told.append((what, done, total)))
    assert told == [*(("gates: reading", n, 3) for n in (1, 2, 3)), ("gates: folding", 1, 1)]


def test_a_file_that_changes_within_a_tick_of_its_clock_is_read_again(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    seconds = int(NOW.astype("int64"))
    for number, entries in enumerate((5, 7)):
        path = bench.put_rows(
            "f.csv", ("station_id", "minute_utc", "entries", "exits"), [("A", "2024-05-10T10:00Z", entries, 1)]
        )
        os.utime(path, (seconds, seconds))
        assert bench.ingest(NOW + np.timedelta64(number, "s")).rows == 1
        assert set(bench.truth().values()) == {(entries, 1)}
    assert bench.ingest(NOW + np.timedelta64(60, "s")).skipped == 1


def test_the_last_line_of_a_file_in_the_making_waits_until_it_ends_or_the_file_rests(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    now = int(NOW.astype("int64"))
    begun = "entries,exits,minute_utc,station_id\n3,1,2024-05-10T10:00Z,North\n4,1,2024-05-10T10:00Z,South"

    def put(text: str, changed: int) -> None:
        os.utime(bench.put("f.csv", text), (changed, changed))

    put(begun, now)
    report = bench.ingest(NOW)
    assert report.rows == 1
    assert [w for w in report.warnings if "its last line has no line break" in w and "12:05:01Z" in w], report.warnings
    put(f"{begun} Bridge\n", now + 20)
    bench.ingest(NOW + np.timedelta64(30, "s"))
    assert {station for station, _ in bench.truth()} == {"North", "South Bridge"}
    put(f"{begun} Bridge\n5,1,2024-05-10T10:00Z,East", now + 40)
    bench.ingest(NOW + np.timedelta64(60, "s"))
    assert bench.ingest(NOW + np.timedelta64(339, "s")).skipped == 1
    assert {station for station, _ in bench.truth()} == {"North", "South Bridge"}
    bench.ingest(NOW + np.timedelta64(341, "s"))
    assert {station for station, _ in bench.truth()} == {"North", "South Bridge", "East"}
    assert bench.ingest(NOW + np.timedelta64(400, "s")).skipped == 1


@pytest.mark.parametrize("way", ["backfill", "paths"])
def test_the_last_line_of_a_file_that_a_person_says_is_complete_is_read_at_once(tmp_path: Path, way: str) -> None:
    bench = Bench.counts(tmp_path)
    path = bench.put("f.csv", "entries,exits,minute_utc,station_id\n3,1,2024-05-10T09:00Z,A\n4,1,2024-05-10T09:00Z,B")
    os.utime(path, (int(NOW.astype("int64")) - 3,) * 2)
    report = bench.ingest(NOW, backfill=True) if way == "backfill" else bench.ingest(NOW, paths=(str(path),))
    assert (report.rows, report.warnings) == (2, [])
