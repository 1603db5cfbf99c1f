"""Times of day that are one number: 915, 0915 and 15 as hours and minutes, 555 and 33300 as counts since midnight."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from support.ingest_bench import Bench, at

from tasks.errors import ConfigError
from tasks.ingest.rejects import PiecesProblem
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.format_times import parse_times
from tasks.time_formats import check_format

NETWORK = {"timezone": "UTC", "interval_minutes": 15, "targets": ["entries"]}
DAY, CLOCK = "2024-05-09", {"minute": ["DAY", "CLOCK"]}


def _bench(folder: Path, clocks: list[str], **source: object) -> Bench:
    bench = Bench.counts(folder, NETWORK, columns=CLOCK, **source)
    bench.put("f.csv", "".join(["station_id,DAY,CLOCK,entries\n", *(f"A,{DAY},{clock},3\n" for clock in clocks)]))
    return bench


@pytest.mark.parametrize(
    ("time_format", "clocks"),
    [
        ("%Y-%m-%d %H%M", ["15", "915", "1015", "0945", "0", "1330.0"]),
        ("%Y-%m-%d %H%M%S", ["1500", "91500", "101500", "094500", "0", "133000"]),
        ("%Y-%m-%d minute_of_day", ["15", "555", "615", "0585", "0", "810"]),
        ("%Y-%m-%d second_of_day", ["900", "33300", "36900", "035100", "0", "48600"]),
        ("%Y-%m-%d slot_15min_from_1", ["2", "38", "42", "040", "1", "55.0"]),
        ("%Y-%m-%d slot_5min_from_0", ["3", "111", "123", "117", "0", "162"]),
        ("%Y-%m-%d %H slot_15min_from_1", ["0 2", "9 2", "10 2", "9 4", "00 1", "13 3"]),
        (
            "%Y-%m-%d %p %I:%M",
            [
                "\u4e0a\u5348 12:15",
                "\u5348\u524d 9:15",
                "am 10:15",
                "\uc624\uc804 9:45",
                "\u0635 12:00",
                "\u4e0b\u5348 1:30",
            ],
        ),
        (
            "%Y-%m-%d %I:%M %p",
            ["12:15 \u03c0.\u03bc.", "9:15 FM", "10:15 a. m.", "9:45 \xd6\xd6", "12:00 de.", "1:30 \u03bc.\u03bc."],
        ),
        (
            "iso",
            [
                "\u0660\u0660:\u0661\u0665",
                "\u06f0\u06f9:\u06f1\u06f5",
                "\uff11\uff10\uff1a\uff11\uff15",
                "09:45",
                "\u200f00:00",
                "13:30",
            ],
        ),
    ],
)
def test_a_format_reads_times_of_day_that_are_one_number(tmp_path: Path, time_format: str, clocks: list[str]) -> None:
    bench = _bench(tmp_path, clocks, time_format=time_format)
    bench.ingest()
    times = ("00:15", "09:15", "10:15", "09:45", "00:00", "13:30")
    assert {minute for _, minute in bench.truth()} == {at(f"{DAY}T{time}") for time in times}
    assert not bench.rejects()


def test_whole_numbers_of_a_typed_file_are_read_alike(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, NETWORK, columns=CLOCK, time_format="%Y-%m-%d %H%M")
    clocks = pa.array([15, 915, 1015], pa.int32())
    bench.put("f.parquet", pa.table({"station_id": ["A"] * 3, "DAY": [DAY] * 3, "CLOCK": clocks, "entries": [1] * 3}))
    bench.ingest()
    assert {minute for _, minute in bench.truth()} == {at(f"{DAY}T{t}") for t in ("00:15", "09:15", "10:15")}


def test_days_of_iso_weeks_are_those_of_the_calendar_and_a_week_that_a_year_lacks_is_none() -> None:
    days = [date(1998, 1, 1) + timedelta(37 * i) for i in range(300)]
    texts = [f"{year}-W{week:02}-{day} 07:00" for year, week, day in (each.isocalendar() for each in days)]
    read = parse_times(pa.array([*texts, "2023-W53-1 07:00", "2020-W00-1 07:00"]), ["%G-W%V-%u %H:%M"]).wall
    assert [str(each) for each in read] == [*(f"{each}T07:00:00" for each in days), "NaT", "NaT"]


@pytest.mark.parametrize(
    ("time_format", "times"),
    [
        ("%d/%m/buddhist_year %H:%M", ["29/02/2567 09:15"]),
        ("roc_year%m%d %H%M", ["1130229 0915"]),
        ("roc_year/%m/%d %H:%M", ["113/2/29 09:15"]),
        ("Rreiwa_year.%m.%d %H:%M", ["R6.2.29 09:15"]),
        (
            "\u4ee4\u548creiwa_year\u5e74%m\u6708%d\u65e5 %H:%M",
            [
                "\u4ee4\u548c6\u5e742\u670829\u65e5 09:15",
                "\u4ee4\u548c\uff16\u5e74\uff12\u6708\uff12\uff19\u65e5 09:15",
            ],
        ),
    ],
)
def test_years_of_other_eras_are_read_by_the_format_that_names_them(
    tmp_path: Path, time_format: str, times: list[str]
) -> None:
    bench = Bench.counts(tmp_path, NETWORK, columns={"minute": "at"}, time_format=time_format)
    bench.put("f.csv", "".join(["station_id,at,entries\n", *(f"{at_},{at_},3\n" for at_ in times)]))
    bench.ingest()
    assert {minute for _, minute in bench.truth()} == {at("2024-02-29T09:15")}
    assert not bench.rejects()


def test_counts_are_read_in_the_digits_of_other_scripts_and_footnotes_are_none(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, NETWORK, thousands=",")
    counts = ("\u0661\u0662\u066c\u0663\u0664\u0665", "\u06f7", "\uff14\uff12", "12\xb2", "\xbd")
    rows = (
        f'A,2024-05-09T09:{15 * (i % 4):02}Z,"{n}"\n' if i < 4 else f'A,2024-05-09T10:00Z,"{n}"\n'
        for i, n in enumerate(counts)
    )
    bench.put("f.csv", "station_id,minute_utc,entries\n" + "".join(rows))
    bench.ingest()
    assert [count for (count,) in bench.truth().values() if count] == [12345, 7, 42]
    assert [reason for _, reason, _ in bench.rejects()] == ["not_a_number"] * 2


@pytest.mark.parametrize("time_format", ["%Y-%m-%d slot_7min_from_1", "%Y-%m-%d %H slot_45min_from_1"])
def test_slots_divide_the_day_or_the_hour(time_format: str) -> None:
    with pytest.raises(ConfigError, match="do not divide the day"):
        check_format(time_format)


@pytest.mark.parametrize("clock", ["975", "2860", "12345", "4815"])
def test_a_number_that_no_clock_shows_is_rejected(tmp_path: Path, clock: str) -> None:
    bench = _bench(tmp_path, ["915", "930", clock], time_format="%Y-%m-%d %H%M")
    bench.ingest()
    assert [reason for _, reason, _ in bench.rejects()] == ["bad_time"]


@pytest.mark.parametrize(
    "clocks",
    [
        ["15", "30", "45", "1000", "1015", "1030"],  # 15 may be an hour, or a quarter past midnight
        ["1000", "1015", "1030", "1045", "1060"],  # no clock shows 10:60, so that 10:15 is none either
        ["1", "15", "47", "96"],  # numbers of quarters
    ],
)
def test_digits_that_may_be_two_times_of_day_are_not_read_unasked(tmp_path: Path, clocks: list[str]) -> None:
    bench = _bench(tmp_path, clocks)
    report = bench.ingest()
    assert not bench.truth()
    assert report.reasons == {"bad_time": len(clocks)}
    assert "minute_of_day" in (report.problem or "")


def test_hours_are_read_by_a_format_for_hours_before_they_are_taken_for_minutes(tmp_path: Path) -> None:
    bench = _bench(tmp_path, ["9", "0915"], time_format=["%Y-%m-%d %H%M", "%Y-%m-%d %H"])
    bench.ingest()
    assert {minute for _, minute in bench.truth()} == {at(f"{DAY}T09:00"), at(f"{DAY}T09:15")}


def test_pieces_of_a_file_whose_digits_differ_are_read_whole() -> None:
    earlier = EarlierRows(whole=False)
    assert earlier.add_clocks(frozenset({2})) == {2}
    with pytest.raises(PiecesProblem, match="different numbers of digits"):
        earlier.add_clocks(frozenset({4}))


@pytest.mark.parametrize("time_format", ["minute_of_day", "%H:%M second_of_day", "%Y-%m-%d %1"])
def test_a_count_since_midnight_needs_its_date(time_format: str) -> None:
    with pytest.raises(ConfigError, match=r"whole date|twice|no directive"):
        check_format(time_format)


def test_minutes_behind_a_point_have_two_digits(tmp_path: Path) -> None:
    bench = _bench(tmp_path, ["7.15", "7.30", "7.3"], time_format="%Y-%m-%d %H.%M")
    bench.ingest()
    assert {minute for _, minute in bench.truth()} == {at(f"{DAY}T07:15"), at(f"{DAY}T07:30")}
    assert [reason for _, reason, _ in bench.rejects()] == ["bad_time"]
