"""Times as exports write them, from the file to the table; a date without its hour is never midnight."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.ingest_bench import Bench, at

from tasks.errors import ConfigError, SourceError
from tasks.ingest.rows.parse_times import read_times

LONDON = {"timezone": "Europe/London", "targets": ["entries"]}


def _bench(folder: Path, header: str, *lines: str, interval: int = 1, **source: object) -> Bench:
    bench = Bench.counts(folder, {**LONDON, "interval_minutes": interval}, **source)
    bench.put("f.csv", "\n".join((header, *lines, "")))
    return bench


def _minutes(bench: Bench) -> list[datetime]:
    bench.ingest()
    return sorted(minute for _, minute in bench.truth())


@pytest.mark.parametrize(
    ("cell", "time_format"),
    [
        ("09/05/2024 10:30", "%d/%m/%Y %H:%M"),
        ("05/09/2024 10:30", "%m/%d/%Y %H:%M"),
        ("5/9/2024 10:30:00 AM", "%m/%d/%Y %I:%M:%S %p"),
        ("20240509 1030", "%Y%m%d %H%M"),
        ("9 May 2024 10:30 +0100", "%d %b %Y %H:%M %z"),
        ("1715247000", "epoch"),
        ("1715247000000", "epoch_ms"),
    ],
)
def test_a_format_reads_the_time(tmp_path: Path, cell: str, time_format: str) -> None:
    bench = _bench(tmp_path, "station_id,minute,entries", f"A,{cell},3", time_format=time_format)
    assert _minutes(bench) == [at("2024-05-09T09:30")]


def test_formats_are_tried_in_order_so_that_a_feed_may_change(tmp_path: Path) -> None:
    lines = ("A,09/05/2024 10:30,3", "A,2024-05-09T10:31,4", "A,2024/05/09 10:32,5")
    bench = _bench(tmp_path, "station_id,minute,entries", *lines, time_format=["%d/%m/%Y %H:%M", "iso"])
    assert _minutes(bench) == [at("2024-05-09T09:30"), at("2024-05-09T09:31")]
    assert [reason for _, reason, _ in bench.rejects()] == ["bad_time"]


@pytest.mark.parametrize(
    ("date", "time", "minute"),
    [
        ("2024-05-09", "10:30", "2024-05-09T09:30"),
        ("2024-05-09T00:00:00.000", "10:30:00", "2024-05-09T09:30"),
        ("2024-05-09", "5", "2024-05-09T04:00"),
        ("2024-05-08", "24:30", "2024-05-08T23:30"),
        ("2024-05-08", "25:10:00", "2024-05-09T00:10"),
        ("20240509", "05:00:00 PM", "2024-05-09T16:00"),
    ],
)
def test_a_date_and_a_time_in_two_columns_make_a_minute(tmp_path: Path, date: str, time: str, minute: str) -> None:
    columns = {"minute": ["DAY", "CLOCK"]}
    bench = _bench(tmp_path, "station_id,DAY,CLOCK,entries", f"A,{date},{time},3", columns=columns)
    assert _minutes(bench) == [at(minute)]


def test_joined_columns_follow_a_format(tmp_path: Path) -> None:
    bench = _bench(
        *(tmp_path, "station_id,DAY,CLOCK,entries", "A,9/5/2024,10:30,3", "A,9/5/2024,,3"),
        columns={"minute": ["DAY", "CLOCK"]},
        time_format="%d/%m/%Y %H:%M",
    )
    assert _minutes(bench) == [at("2024-05-09T09:30")]
    assert [reason for _, reason, _ in bench.rejects()] == ["bad_time"]


def test_dates_and_hours_of_a_typed_file_are_joined(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, {**LONDON, "interval_minutes": 15}, columns={"minute": ["date", "hour"]})
    day = pa.array([datetime(2024, 5, 9).date()] * 2, pa.date32())
    bench.put("f.parquet", pa.table({"station_id": ["A", "A"], "date": day, "hour": [7.0, 24.0], "entries": [1, 2]}))
    assert _minutes(bench) == [at("2024-05-09T06:00"), at("2024-05-09T23:00")]


def test_columns_that_changed_their_names_are_alternatives(tmp_path: Path) -> None:
    columns = {"station_id": ["station", "stop"], "minute": [["at"], ["day", "clock"]], "entries": ["n", "count"]}
    bench = Bench.counts(tmp_path, LONDON, columns=columns)
    bench.put("old.csv", "stop,day,clock,count\nA,2024-05-09,10:30,3\n")
    bench.put("new.csv", "station,at,n\nA,2024-05-09 10:31,4\n")
    assert _minutes(bench) == [at("2024-05-09T09:30"), at("2024-05-09T09:31")]


@pytest.mark.parametrize(
    ("named", "cell"),
    [("start", "10:15:00"), ("end", "10:30:00"), ("last_minute", "10:29:00")],
)
def test_a_time_names_the_start_the_end_or_the_last_minute_of_its_interval(
    tmp_path: Path, named: str, cell: str
) -> None:
    bench = _bench(tmp_path, "station_id,minute,entries", f"A,2024-05-09 {cell},3", interval=15, time_is=named)
    assert _minutes(bench) == [at("2024-05-09T09:15")]


def test_the_end_of_an_interval_is_put_back_on_the_wall_clock(tmp_path: Path) -> None:
    lines = ("A,2024-03-31 01:00,3", "A,2024-03-31 02:15,4")  # clocks went from 01:00 to 02:00
    bench = _bench(tmp_path, "station_id,minute,entries", *lines, interval=15, time_is="end")
    assert _minutes(bench) == [at("2024-03-31T00:45"), at("2024-03-31T01:00")]


@pytest.mark.parametrize(
    ("header", "lines", "says"),
    [
        ("station_id,minute,hour,entries", ("A,2024-05-09,7,3",), "name both columns, ['minute', 'hour']"),
        ("station_id,minute,clock,entries", ("A,9/5/2024,7:14 AM,3",), "name both columns, ['minute', 'clock']"),
        ("station_id,minute,entries", ("A,9/5/2024,3",), "give the column of the hour"),
        ("station_id,minute,entries", ("A,2024-05-08T00:00,3", "A,2024-05-09T00:00,3"), "midnight"),
    ],
)
def test_dates_without_an_hour_are_rejected_by_name(
    tmp_path: Path, header: str, lines: tuple[str, ...], says: str
) -> None:
    bench = _bench(tmp_path, header, *lines)
    with pytest.raises(SourceError, match="column 'minute' has dates without an hour") as caught:
        bench.ingest()
    assert says in str(caught.value)
    assert [reason for _, reason, _ in bench.rejects()] == ["dates_without_hours"]


def test_a_column_of_dates_in_parquet_is_rejected_by_name(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, LONDON)
    bench.put("f.parquet", pa.table({"station_id": ["A"], "minute": [date(2013, 10, 7)], "entries": [1]}))
    with pytest.raises(SourceError, match=r"'minute' has dates without an hour \('2013-10-07'\)"):
        bench.ingest()
    assert not bench.truth()


def test_midnight_of_one_day_is_a_minute(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "station_id,minute,entries", "A,2024-05-09T00:00:00,3", "B,2024-05-09T00:00:00,3")
    assert _minutes(bench) == [at("2024-05-08T23:00")] * 2


def test_events_read_a_time_from_two_columns(tmp_path: Path) -> None:
    events = {"entries": {"time": ["day", "clock"], "station_id": ["from", "start"]}}
    bench = Bench.events(tmp_path, LONDON, events=events, time_format="%m/%d/%Y %H:%M:%S")
    bench.put("f.csv", "day,clock,start\n5/9/2024,10:30:59,A\n5/9/2024,10:30:01,A\n")
    bench.ingest()
    assert bench.truth() == {("A", at("2024-05-09T09:30")): (2,)}


def test_what_was_read_before_a_key_came_counts_as_read(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "station_id,minute,entries", "A,2024-05-09 10:30,3")
    assert "time_format" not in bench.settings.sources[0].model_dump()
    assert "time_is" not in bench.settings.sources[0].model_dump()
    bench.ingest()
    bench.source["time_format"] = "%Y-%m-%d %H:%M"
    assert bench.ingest().files == 1  # read again: by another configuration


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("time_format", "%d/%m/%Y", "would put everyone at midnight"),
        ("time_format", "dd/MM/yyyy HH:mm", "has no whole date"),
        ("columns", {"entries": [["a", "b"]]}, "only those of a time are grouped"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_rejected(tmp_path: Path, key: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _bench(tmp_path, "station_id,minute,entries", **{key: value}).settings  # noqa: B018


def test_periods_in_iso_8601_are_no_times_with_an_offset() -> None:
    periods = pa.array(["2023-06-13 07:00-08:00", "2023-06-13 08:00-09:00"])
    assert np.isnat(read_times(periods, "UTC").utc).all()
    offsets = pa.array(["2023-06-13 07:00-08:00", "2023-06-13 08:00-08:00"])
    assert str(read_times(offsets, "UTC").utc[0]) == "2023-06-13T15:00:00"
    assert str(read_times(periods, "Europe/London", formats=["%Y-%m-%d %H:%M-*"]).utc[0]) == "2023-06-13T06:00:00"
