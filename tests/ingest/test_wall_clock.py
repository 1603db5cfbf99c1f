"""Times without an offset stand on a wall clock, and the wall clock jumps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ingest_bench import Bench, at, naive

from tasks.ingest.rows.parse_times import read_times

CHICAGO = {"timezone": "America/Chicago"}
ZONES = ("Europe/London", "America/Chicago", "Australia/Lord_Howe", "America/Santiago", "UTC")


def bench_of(folder: Path, times: Sequence[object], header: str = "minute", **more: object) -> Bench:
    bench = Bench.counts(folder, CHICAGO, **more)
    bench.put_rows("f.csv", ("station_id", header, "entries"), [("A", t, n) for n, t in enumerate(times)])
    return bench


@pytest.mark.parametrize(
    "text",
    [
        "2013-10-07T05:00Z",
        "2013-10-07 05:00:59.999999+00:00",
        "2013-10-07T00:00:00-05:00",
        "2013-10-07 00:00:30 -0500",
        "2013-10-07t06:00+01",
        "2013-10-07 05:00:00,123456789 UTC",
        " 2013-10-07 00:00 ",
    ],
)
def test_every_usual_spelling_of_a_time_is_read(tmp_path: Path, text: str) -> None:
    bench = bench_of(tmp_path, [text])
    bench.ingest()
    assert set(bench.truth()) == {("A", at("2013-10-07T05:00"))}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([at("2013-10-07T05:00:30")], pa.timestamp("ns", "UTC")),
        pa.array([at("2013-10-07T05:00")], pa.timestamp("s", "Europe/London")),
        pa.array([at("2013-10-07T00:00")], pa.timestamp("us")),
        pa.array([at("2013-10-07T00:00")], pa.timestamp("ms")).dictionary_encode(),
        pa.array(["2013-10-07T00:00"], pa.large_string()),
    ],
    ids=lambda column: str(column.type),
)
def test_every_type_of_time_in_parquet_is_read(tmp_path: Path, column: pa.Array) -> None:
    bench = Bench.counts(tmp_path, CHICAGO)
    bench.put("f.parquet", pa.table({"station_id": ["A"], "minute": column, "exits": [1]}))
    bench.ingest()
    assert bench.truth() == {("A", at("2013-10-07T05:00")): (None, 1)}


def test_a_column_called_minute_utc_is_utc_and_preferred(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, CHICAGO)
    row = ("A", "2013-10-07T00:00", "2013-10-07T05:00", 1)
    bench.put_rows("f.csv", ("station_id", "minute", "minute_utc", "entries"), [row])
    bench.ingest()
    assert set(bench.truth()) == {("A", at("2013-10-07T05:00"))}
    local = Bench.counts(tmp_path, CHICAGO, columns={"minute": "minute"})
    local.root = "local"
    local.ingest()
    assert local.truth() == bench.truth()


def test_the_zone_of_a_source_goes_before_that_of_the_network(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ["2013-10-07T05:00"], timezone="UTC")
    bench.ingest()
    assert set(bench.truth()) == {("A", at("2013-10-07T05:00"))}


def test_a_time_that_the_clocks_skipped_is_rejected(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ["2013-03-10T01:59", "2013-03-10T02:00", "2013-03-10T02:59", "2013-03-10T03:00"])
    report = bench.ingest()
    assert report.reasons == {"nonexistent_local_time": 2}
    assert sorted(bench.truth()) == [("A", at("2013-03-10T07:59")), ("A", at("2013-03-10T08:00"))]


def test_a_time_that_happened_twice_is_the_first_and_then_the_second_in_the_order_of_the_file(tmp_path: Path) -> None:
    hours = [f"2013-11-03T{h:02}:{m:02}" for h in (0, 1, 1, 2) for m in (0, 30)]
    bench = Bench.counts(tmp_path, {**CHICAGO, "interval_minutes": 15})
    rows = [(station, t, n) for station in "AB" for n, t in enumerate(hours)]
    bench.put_rows("f.csv", ("station_id", "minute", "entries"), rows)
    report = bench.ingest()
    start = at("2013-11-03T05:00")
    wanted = {(s, start + timedelta(minutes=30 * n)): (n, None) for s in "AB" for n in range(8)}
    assert bench.truth() == wanted
    assert (report.rejected, report.days) == (0, ["2013-11-03"])
    assert "8 times without an offset fall into an hour that America/Chicago has twice" in report.warnings[0]


def test_a_repeated_hour_with_offsets_needs_no_guess(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ["2013-11-03T01:30-06:00", "2013-11-03T01:30-05:00"])
    report = bench.ingest(backfill=True)
    assert bench.truth() == {("A", at("2013-11-03T07:30")): (0, None), ("A", at("2013-11-03T06:30")): (1, None)}
    assert report.warnings == report.examples == []


def test_service_days_follow_the_wall_clock_of_the_network(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ["2013-11-03T23:59", "2013-11-04T00:00"])
    assert bench.ingest().days == ["2013-11-03", "2013-11-04"]


@given(
    st.sampled_from(ZONES),
    st.lists(
        st.one_of(
            st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 30)),
            *(
                st.datetimes(at(day), at(day) + timedelta(hours=5))
                for day in ("2024-03-31", "2024-10-27", "2024-11-03", "2024-04-07", "2024-09-08", "2024-10-06")
            ),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_local_times_become_utc_as_the_standard_library_has_it(zone: str, moments: list[datetime]) -> None:
    moments = [moment.replace(microsecond=0) for moment in moments]
    read = read_times(pa.array([moment.isoformat() for moment in moments]), zone)
    for moment, utc, skipped, repeated in zip(moments, read.utc, read.skipped, read.repeated, strict=True):
        aware = [moment.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)]
        exists = naive(aware[0].astimezone(ZoneInfo(zone))) == moment
        assert skipped == (not exists)
        assert repeated == (exists and aware[0] != aware[1])
        assert np.isnat(utc) if not exists else utc == np.datetime64(naive(aware[0]))
