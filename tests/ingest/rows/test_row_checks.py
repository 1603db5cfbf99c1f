"""Rows that are parts are not taken for corrections, nor hours for minutes; what is right is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import Bench

from tasks.errors import SourceError

HEADER = ("station_id", "minute_utc", "fare", "entries")


def _fares(folder: Path, fares: str, hours: int = 4, **source: object) -> Bench:
    bench = Bench.counts(folder, {"interval_minutes": 15, "targets": ["entries"]}, **source)
    start = np.datetime64("2024-05-09T10:00")
    rows = [("A", f"{start + 15 * i}Z", fare, 10 * i + n) for i in range(hours) for n, fare in enumerate(fares)]
    bench.put_rows("f.csv", HEADER, rows)
    return bench


@pytest.mark.parametrize("fares", ["ab", "abcd"])
def test_parts_that_nobody_called_so_are_rejected_with_the_option_that_adds_them_up(tmp_path: Path, fares: str) -> None:
    with pytest.raises(SourceError, match=r'4 of 4 intervals.*they differ in fare\): rows = "sum" adds them up'):
        _fares(tmp_path, fares).ingest()


def test_said_to_be_the_last_they_are(tmp_path: Path) -> None:
    bench = _fares(tmp_path, "ab", rows="last")
    assert bench.ingest().reasons == {"superseded_in_file": 4}
    assert list(bench.truth().values()) == [(1,), (11,), (21,), (31,)]


def test_a_few_corrections_are_a_warning(tmp_path: Path) -> None:
    bench = _fares(tmp_path, "a", 8)
    with (tmp_path / "feed/f.csv").open("a") as file:
        file.write("A,2024-05-09T10:00Z,a,7\nA,2024-05-09T10:15Z,a,8\nA,2024-05-09T10:30Z,a,8\n")
    report = bench.ingest()
    assert "3 of 8 intervals" in report.warnings[0]
    assert report.reasons == {"superseded_in_file": 3}


def _every(folder: Path, minutes: int, count: int, interval: int = 1, skip: tuple[int, ...] = ()) -> Bench:
    bench = Bench.counts(folder, {"interval_minutes": interval, "targets": ["entries"]})
    start = np.datetime64("2024-05-08T00:00")
    times = [start + minutes * i for i in range(count) if i not in skip]
    bench.put_rows("f.csv", HEADER, [(station, f"{t}Z", "", 5) for t in times for station in "AB"])
    return bench


@pytest.mark.parametrize(
    ("minutes", "count", "interval"), [(60, 7, 1), (240, 12, 15), (15, 8, 1), (5, 12, 1), (2, 30, 1)]
)
def test_rows_that_are_coarser_than_the_grid_are_rejected(
    tmp_path: Path, minutes: int, count: int, interval: int
) -> None:
    bench = _every(tmp_path, minutes, count, interval, skip=(2,))
    with pytest.raises(
        SourceError, match=f"'A' are {minutes} minutes apart, coarser than interval_minutes = {interval}"
    ):
        bench.ingest()
    assert not bench.truth()


@pytest.mark.parametrize(("minutes", "count", "skip"), [(1, 30, (3, 4)), (2, 3, ()), (60, 3, ())])
def test_gaps_are_not_a_coarser_grid(tmp_path: Path, minutes: int, count: int, skip: tuple[int, ...]) -> None:
    assert _every(tmp_path, minutes, count, skip=skip).ingest().rejected == 0


@pytest.mark.parametrize(("minutes", "count", "interval"), [(60, 6, 15), (30, 9, 15), (60, 9, 30), (15, 7, 5)])
def test_a_few_regular_rows_show_a_grid_that_is_little_coarser(
    tmp_path: Path, minutes: int, count: int, interval: int
) -> None:
    with pytest.raises(SourceError, match=f"{minutes} minutes apart, coarser than interval_minutes = {interval}"):
        _every(tmp_path, minutes, count, interval).ingest()


@pytest.mark.parametrize(("minutes", "count", "skip"), [(60, 5, ()), (30, 8, ()), (60, 9, (1, 2, 4, 5, 7))])
def test_fewer_or_irregular_rows_are_not_a_coarser_grid(
    tmp_path: Path, minutes: int, count: int, skip: tuple[int, ...]
) -> None:
    assert _every(tmp_path, minutes, count, 15, skip).ingest().rejected == 0


def test_one_station_by_the_hour_among_those_by_the_minute_is_found(tmp_path: Path) -> None:
    bench = _every(tmp_path, 1, 60)
    rows = [("A", f"2024-05-09T00:{i:02d}Z", "", 1) for i in range(60)]
    rows += [("C", f"2024-05-09T{i:02d}:00Z", "", 60) for i in range(9)]
    bench.put_rows("f.csv", HEADER, rows)
    with pytest.raises(SourceError, match="'C' are 60 minutes apart"):
        bench.ingest()


def test_gaps_that_the_source_says_are_real_are_read(tmp_path: Path) -> None:
    bench = _every(tmp_path, 60, 7)
    bench.source["gaps"] = True
    assert bench.ingest().rejected == 0
    assert len(bench.truth()) == 14


def test_a_reply_of_a_feed_may_be_coarser_than_the_grid_too(tmp_path: Path) -> None:
    files = _every(tmp_path, 60, 7)
    feed = Bench.http(tmp_path, "http://127.0.0.1:9/", files.network)
    with pytest.raises(SourceError, match="'A' are 60 minutes apart, coarser than interval_minutes = 1"):
        feed.ingest(paths=(f"{tmp_path}/feed/f.csv",))
