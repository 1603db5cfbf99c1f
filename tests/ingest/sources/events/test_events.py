"""Events become counts: at the time and place of each end, with zeros where the source was listening."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ingest_bench import NOW, Bench, at
from support.oracles import slow_events

from tasks.errors import SourceError

HEADER = ("started_at", "ended_at", "from", "to")
TAP = {"entries": {"time": "t", "station_id": "s"}}
START = at("2024-05-10T09:00")


def bench_of(folder: Path, *rows: Sequence[object], **more: Any) -> Bench:
    bench = Bench.events(folder, **more)
    bench.put_rows("f.csv", HEADER, rows)
    return bench


def people(bench: Bench) -> dict[tuple[str, datetime], tuple[int | None, ...]]:
    return {key: value for key, value in bench.truth().items() if any(value)}


def test_a_trip_counts_where_it_starts_and_where_it_ends_and_silence_between_is_zero(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ("2024-05-10 10:00:59.9+00:00", "2024-05-10 10:03:00Z", "A", "B"))
    report = bench.ingest()
    assert people(bench) == {("A", at("2024-05-10T10:00")): (1, 0), ("B", at("2024-05-10T10:03")): (0, 1)}
    assert sorted(bench.truth()) == [(s, at("2024-05-10T10:00") + timedelta(minutes=m)) for s in "AB" for m in range(4)]
    assert (report.rows, report.rejected, report.minutes) == (1, 0, 8)


moments = st.integers(0, 9000).map(lambda s: START + timedelta(seconds=s))
trips = st.lists(st.tuples(moments, moments, st.sampled_from("ABC"), st.sampled_from("ABC")), min_size=1, max_size=12)


@settings(max_examples=15)
@given(trips, st.sampled_from((1, 5, 15)), st.booleans())
def test_counts_of_a_file_are_those_of_the_slow_count(
    rows: list[tuple[datetime, datetime, str, str]], interval: int, only_entries: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.events(Path(folder), {"interval_minutes": interval})
        if only_entries:
            bench.source["events"] = {"entries": {"time": "started_at", "station_id": "from"}}
        bench.put_rows("f.csv", HEADER, [(f"{a}Z", f"{b}Z", *places) for a, b, *places in rows])
        bench.ingest()
        ends = {"entries": [(r[0], r[2]) for r in rows], "exits": [(r[1], r[3]) for r in rows]}
        if only_entries:
            del ends["exits"]
        assert bench.truth() == slow_events(ends, ("entries", "exits"), interval)


def test_files_are_shares_that_are_added_up(tmp_path: Path) -> None:
    row = ("2024-05-10T10:00Z", "2024-05-10T10:01Z", "A", "A")
    bench = bench_of(tmp_path, row, row)
    bench.put_rows("g.csv", HEADER, [row])
    bench.ingest()
    assert people(bench)["A", at("2024-05-10T10:00")] == (3, 0)
    assert {row["part"] for row in bench.table("observations")} == {"f.csv", "g.csv"}


def test_a_file_named_by_hand_is_the_same_share(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ("2024-05-10T10:00Z", "2024-05-10T10:01Z", "A", "A"))
    bench.ingest(paths=(str(tmp_path / "feed" / "f.csv"),))
    assert bench.ingest().skipped == 1
    elsewhere = tmp_path / "elsewhere" / "f.csv"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes((tmp_path / "feed" / "f.csv").read_bytes())
    assert bench.ingest(paths=(str(elsewhere),)).skipped == 1
    with pytest.raises(SourceError, match=r"would both count as 'f\.csv'"):
        bench.ingest(paths=(str(elsewhere), str(tmp_path / "feed" / "f.csv")))


def test_an_unfinished_trip_counts_where_it_started(tmp_path: Path) -> None:
    bench = bench_of(
        tmp_path,
        ("2024-05-10T10:00Z", "", "A", ""),
        ("2024-05-10T10:00Z", "", "A", "B"),
        ("2024-05-10T10:00Z", "2024-05-10T10:02Z", "A", ""),
        ("never", "2024-05-10T10:02Z", "A", "B"),
    )
    report = bench.ingest()
    assert people(bench) == {("A", at("2024-05-10T10:00")): (3, 0), ("B", at("2024-05-10T10:02")): (0, 1)}
    assert report.rows == 4
    assert [(line, reason) for line, reason, _ in bench.rejects()] == [
        (2, "unfinished"),
        (3, "bad_time"),
        (4, "missing_station"),
        (5, "bad_time"),
    ]


@pytest.mark.parametrize(("duplicates", "count"), [("keep", 2), ("drop", 1)])
def test_equal_rows_are_events_of_their_own_unless_they_are_dropped(
    tmp_path: Path, duplicates: str, count: int
) -> None:
    row = ("2024-05-10T10:00Z", "2024-05-10T10:01Z", "A", "A")
    other = ("2024-05-10T10:00Z", "2024-05-10T10:02Z", "A", "A")
    bench = bench_of(tmp_path, row, row, other, duplicates=duplicates)
    report = bench.ingest()
    assert people(bench)["A", at("2024-05-10T10:00")] == (count + 1, 0)
    assert report.rows + report.rejected == 3
    assert report.reasons == ({} if duplicates == "keep" else {"duplicate_row": 1})


def test_a_column_may_say_how_many(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path)
    bench.source["events"] = {"entries": {**TAP["entries"], "count": "n"}}
    rows = [("2024-05-10T10:00Z", "A", n) for n in (2, "3.0", -1, "", "x", 0, 10**7)]
    bench.put_rows("f.csv", ("t", "s", "n"), rows)
    assert bench.ingest().reasons == {"absurd": 1, "missing_count": 1, "negative": 1, "not_a_number": 1}
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (5, None)}


def test_a_withheld_count_is_no_reject_and_no_zero(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, missing=["<5"])
    bench.source["events"] = {"entries": {**TAP["entries"], "count": "n"}}
    rows = [("10:00", "A", 2), ("10:00", "A", "<5"), ("10:01", "A", "<5"), ("10:02", "A", 0), ("10:03", "A", 7)]
    bench.put_rows("f.csv", ("t", "s", "n"), [(f"2024-05-10T{time}Z", *more) for time, *more in rows])
    report = bench.ingest()
    assert (report.reasons, report.problem) == ({}, None)
    truth = bench.truth()
    counts = [truth.get(("A", at(f"2024-05-10T10:0{m}")), (None, None))[0] for m in range(4)]
    assert counts == [2, None, 0, 7]


def test_a_file_that_covers_days_says_zero_from_midnight_to_midnight_but_not_of_the_future(tmp_path: Path) -> None:
    london = {"timezone": "Europe/London"}
    row = ("2024-05-09T10:00Z", "2024-05-10T10:00Z", "A", "A")
    bench = bench_of(tmp_path, row, network=london, covers="day")
    bench.ingest()
    times = sorted(minute for _, minute in bench.truth())
    assert (times[0], times[-1]) == (at("2024-05-08T23:00"), at("2024-05-10T11:59"))
    assert bench.ingest(NOW + np.timedelta64(61, "s")).files == 1
    bench.ingest(NOW + np.timedelta64(1, "D"))
    times = sorted(minute for _, minute in bench.truth())
    assert (times[0], times[-1], len(times)) == (at("2024-05-08T23:00"), at("2024-05-10T22:59"), 2880)
    assert bench.ingest(NOW + np.timedelta64(2, "D")).skipped == 1


def test_a_declared_span_is_covered_and_events_outside_it_still_count(tmp_path: Path) -> None:
    chicago = {"timezone": "America/Chicago"}
    row = ("2024-05-09T10:00Z", "2024-05-09T13:00Z", "A", "A")
    more = {"covers": "declared", "start": "2024-05-09T07:58", "end": "2024-05-09T08:02"}
    bench = bench_of(tmp_path, row, network=chicago, **more)
    bench.ingest()
    assert bench.truth() == {
        ("A", at("2024-05-09T10:00")): (1, None),
        ("A", at("2024-05-09T12:58")): (0, 0),
        ("A", at("2024-05-09T12:59")): (0, 0),
        ("A", at("2024-05-09T13:00")): (0, 1),
        ("A", at("2024-05-09T13:01")): (0, 0),
    }


@pytest.mark.parametrize(("day", "minutes"), [("2024-03-31", 1380), ("2024-10-27", 1500), ("2024-06-01", 1440)])
def test_a_covered_day_has_the_minutes_that_its_clocks_had(tmp_path: Path, day: str, minutes: int) -> None:
    row = (f"{day}T12:00Z", f"{day}T12:00Z", "A", "A")
    bench = bench_of(tmp_path, row, network={"timezone": "Europe/London"}, covers="day")
    bench.ingest(np.datetime64("2025-01-01T00:00:00"))
    assert len(bench.truth()) == minutes


def test_a_stray_year_does_not_fill_the_disk(tmp_path: Path) -> None:
    rows = [("1991-05-10T10:00Z", "2024-05-10T10:00Z", f"S{n}", f"S{n}") for n in range(40)]
    with pytest.raises(SourceError, match="covers 1991-05-10T10:00 to 2024-05-10T10:01 of 40 stations, too much"):
        bench_of(tmp_path, *rows).ingest()


def test_events_in_parquet_need_only_their_own_columns(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path)
    bench.source["events"] = TAP
    times = pa.array([at("2024-05-10T10:00:30"), None, at("2024-05-10T10:01")], pa.timestamp("us", "UTC"))
    bench.put("f.parquet", pa.table({"s": pa.array([1.0, None, 2.0]), "t": times, "x": [[1], [2], [3]]}))
    report = bench.ingest()
    assert people(bench) == {("1", at("2024-05-10T10:00")): (1, None), ("2", at("2024-05-10T10:01")): (1, None)}
    assert report.reasons == {"unfinished": 1}


def test_a_missing_column_of_an_end_is_named_with_its_line(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path)
    bench.put_rows("f.csv", ("started_at", "from", "ended_at"), [("2024-05-10T10:00Z", "A", "")])
    with pytest.raises(SourceError, match=r"no column 'to' \(it has .*events\.exits\.station_id = "):
        bench.ingest()
