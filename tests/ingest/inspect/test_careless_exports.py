"""Exports made without care are read right, asked about or rejected by init: what would be wrong is never taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.ingest_bench import Bench, at
from support.shapes_bench import LATER, Outcome, by_init

from tasks.ingest.inspect.answers import Answers

QUARTERS = [f"{7 + i // 4:02d}:{15 * (i % 4):02d}" for i in range(8)]


def per_quarter(line: str) -> str:
    """Lines of two hours, with the time, the number of the quarter, and that plus one."""
    return "".join(line.format(t=quarter, i=i, n=i + 1) + "\n" for i, quarter in enumerate(QUARTERS))


def read(folder: Path, text: str, zone: str = "UTC", **more: str) -> Outcome:
    """One file through init, or several."""
    (folder / "feed").mkdir()
    for name, content in {"a.csv": text, **{f"{name}.csv": each for name, each in more.items()}}.items():
        (folder / "feed" / name).write_text(content, encoding="utf-8")
    return by_init(folder, [folder / "feed"], Answers(timezone=zone))


PLAIN = "station,time,passengers\n"
NINES = "A,2024-03-04 09:00,9999\nA,2024-03-04 09:15,9999\n"
FARES = "station,time,fare_class,passengers\n"
PARTS = "".join(
    f"A,2024-03-04 {quarter},adult,{i}\nA,2024-03-04 {quarter},child,5\nA,2024-03-04 {quarter},#,{i + 5}\n"
    for i, quarter in enumerate(QUARTERS)
)
ASKED = {
    "numbers with marks of footnotes": (PLAIN + per_quarter("A,2024-03-04 {t},{n}²"), "--count"),
    "a row of units": (PLAIN + "[-],[local],[people]\n" + per_quarter("A,2024-03-04 {t},{n}"), "--time"),
    "a second header": (PLAIN + "name,,persons\n" + per_quarter("A,2024-03-04 {t},{n}"), "--missing"),
    "per cent": (PLAIN + per_quarter("A,2024-03-04 {t},{n}%"), "--count"),
    "an average that is whole": ("station,time,avg passengers\n" + per_quarter("A,2024-03-04 {t},{n}"), "--count"),
    "people who are there": ("station,time,people present\n" + per_quarter("A,2024-03-04 {t},{n}"), "--count"),
    "a correction below zero": (
        PLAIN + per_quarter("A,2024-03-04 {t},{n}") + "A,2024-03-04 07:15,-1\n",
        "--rows",
    ),
    "24:00 and never 0:00": (
        PLAIN + "".join(f"A,2024-03-04 {h:02d}:00,{h}\n" for h in range(1, 25)),
        "--time-is",
    ),
    "weekdays without a date": ("station,weekday,time,passengers\n" + per_quarter("A,Mon,{t},{n}"), "--constant"),
    "a day that ends the intervals": (
        PLAIN
        + "".join(f"A,2024-03-13 {i // 4:02d}:{i % 4 * 15:02d},{i % 7}\n" for i in range(1, 96))
        + "A,2024-03-14 00:00,5\n",
        "--time-is",
    ),
    "a year of two digits": (PLAIN + per_quarter("A,24-03-14 {t},{n}"), "--time-format"),
    "nines where nothing was counted": (PLAIN + per_quarter("A,2024-03-04 {t},{n}") + NINES, "--missing"),
    "thousands of people": ("station,time,passengers (thousands)\n" + per_quarter("A,2024-03-04 {t},{n}"), "--count"),
    "people per hour": ("station,time,passengers per hour\n" + per_quarter("A,2024-03-04 {t},{n}"), "--count"),
    "a forecast among counts": (
        "station,time,type,passengers\n" + per_quarter("A,2024-03-04 {t},actual,{n}\nB,2024-03-04 {t},forecast,{n}"),
        "--entries all",
    ),
    "a total called otherwise": (FARES + PARTS.replace("#", "any fare"), "--rows"),
    "a total without a name": (FARES + PARTS.replace("#", ""), "--rows"),
    "cars beside pedestrians": (
        "site,time,class,count\n" + per_quarter("A,2024-03-04 {t},pedestrian,{i}\nA,2024-03-04 {t},car,5{n}"),
        "--rows",
    ),
    "a direction that some rows lack": (
        "station,time,direction\n" + per_quarter("A,2024-03-04 {t}:07,IN\nA,2024-03-04 {t}:09,"),
        "--entries",
    ),
    "counts that only grow a little": (PLAIN + per_quarter("A,2024-03-04 {t},2{i}"), "--numbers"),
    "directions of travel": (
        "station,time,direction,card\n"
        + per_quarter("A,2024-03-04 {t}:07,inbound,c{i}\nA,2024-03-04 {t}:09,outbound,d{i}"),
        "--entries",
    ),
    "minutes of the day, or hours and minutes": (
        "station,date,minute,passengers\n" + per_quarter("A,2024-03-04,{n}15,{n}"),
        "--time-format",
    ),
}
REJECTED = {
    "kinds of days": (
        "station,month,day type,time,passengers\n"
        + per_quarter("A,2024-03,WEEKDAY,{t},{n}\nA,2024-03,WEEKENDS/HOLIDAY,{t},{i}"),
        "kinds of days",
    ),
    "days of the week": (
        "station,weekday,time,passengers\n" + per_quarter("A,Monday,{t},{n}\nA,Tuesday,{t},{i}"),
        "kinds of days",
    ),
    "weeks of the year": (
        "station,day,time,passengers\n" + per_quarter("A,2024-W10,{t},{n}\nA,2024-W11,{t},{i}"),
        "not recognised",
    ),
    "days of another calendar": (
        "station,day,time,passengers\n" + per_quarter("A,1402/12/14,{t},{n}\nA,1402/12/15,{t},{i}"),
        "Persian or Islamic calendar",
    ),
    "sums of days at midnight": (
        PLAIN + "".join(f"A,2024-03-{d} 00:00,36\n" + per_quarter(f"A,2024-03-{d} {{t}},{{n}}") for d in (13, 14, 15)),
        "sums of their days",
    ),
    "hours without AM and PM": (
        PLAIN + "".join(f"A,2024-03-04 {h:02d}:00,{h}\n" for _ in "ap" for h in (12, *range(1, 12))),
        "without AM and PM",
    ),
    "sums of the day so far": (
        PLAIN
        + "".join(f"A,2024-03-{d} {6 + i // 4:02d}:{i % 4 * 15:02d},{7 * i}\n" for d in (13, 14) for i in range(40)),
        "sums of the day so far",
    ),
    "months by their first day": (
        PLAIN + "".join(per_quarter(f"A,2024-0{month}-01 {{t}},{{i}}") for month in (1, 2, 3)),
        "they name months",
    ),
    "times of several zones": (
        "station,time,tz,passengers\n" + per_quarter("A,2024-03-04 {t},CET,{n}\nB,2024-03-04 {t},EET,{n}"),
        "several time zones",
    ),
    "averages": (PLAIN + per_quarter("A,2024-03-04 {t},{n}.5"), "not_whole"),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_can_be_meant_in_several_ways_is_asked_about(tmp_path: Path, name: str) -> None:
    text, option = ASKED[name]
    outcome = read(tmp_path, text)
    assert outcome.kind == "asked"
    assert option in outcome.why


@pytest.mark.parametrize("name", REJECTED)
def test_what_would_be_counted_wrong_is_rejected_by_name(tmp_path: Path, name: str) -> None:
    text, why = REJECTED[name]
    outcome = read(tmp_path, text)
    assert outcome.kind == "rejected"
    assert any(words in outcome.why for words in why.split("|"))


TWO = "A,2024-03-04 {t},{n}\nB,2024-03-04 {t},{n}\n"


@pytest.mark.parametrize(
    ("rows", "excluded"),
    [
        ("Total,2024-03-04 {t},{n}0", ["Total"]),
        ("Total,2024-03-04 {t},{n}0\nAll,2024-03-04 {t},1\nA Total,2024-03-04 {t},5", ["Total", "All", "A Total"]),
    ],
)
def test_totals_among_the_stations_are_left_out(tmp_path: Path, rows: str, excluded: list[str]) -> None:
    outcome = read(tmp_path, PLAIN + per_quarter(TWO + rows))
    assert outcome.landed is not None
    assert outcome.found is not None
    report = outcome.landed.report
    assert {station for station, _ in outcome.landed.minutes} == {"A", "B"}
    assert (outcome.found.stations["exclude"], report.reasons) == (excluded, {})
    assert (report.left_out, report.problem) == (8 * len(excluded), None)


def test_a_station_that_may_be_a_total_is_asked_about(tmp_path: Path) -> None:
    outcome = read(tmp_path, PLAIN + per_quarter(TWO + "TOTAL LINE 1,2024-03-04 {t},{n}0"))
    assert outcome.kind == "asked"
    assert "--exclude 'TOTAL*'" in outcome.why
    for answer, stations in (("TOTAL*", {"A", "B"}), ("none", {"A", "B", "TOTAL LINE 1"})):
        found = by_init(tmp_path, [tmp_path / "feed"], Answers(timezone="UTC", exclude=(answer,)))
        assert found.landed is not None
        assert {station for station, _ in found.landed.minutes} == stations


@pytest.mark.parametrize(
    "line",
    ["A,4. März 2024 {t},{n}", "A,13/03/2024 {t} a. m.,{n}", "A,2024-03-04 {t},{n}.0"],
)
def test_what_has_one_meaning_alone_is_read(tmp_path: Path, line: str) -> None:
    outcome = read(tmp_path, PLAIN + per_quarter(line))
    assert outcome.landed is not None
    assert sorted(counts["entries"] or 0 for counts in outcome.landed.minutes.values()) == list(range(1, 9))


def test_an_hour_that_the_clocks_went_over_tells_that_they_are_others(tmp_path: Path) -> None:
    hours = "".join(f"A,2024-03-31 {h:02d}:{m:02d},{(7 * h + m) % 13}\n" for h in range(24) for m in (0, 15, 30, 45))
    outcome = read(tmp_path, PLAIN + hours, "Europe/Paris")
    assert outcome.kind == "rejected"
    assert "went over on 2024-03-31" in outcome.why


def test_digits_of_a_date_and_an_hour_are_no_seconds(tmp_path: Path) -> None:
    outcome = read(tmp_path, PLAIN + "".join(f"A,20240313{h:02d},{h * 5 % 7}\n" for h in range(5, 20)))
    assert outcome.landed is not None
    assert outcome.landed.minutes["A", at("2024-03-13T06:00")] == {"entries": 2}


@pytest.mark.parametrize("name", ["time_utc", "Timestamp (UTC)", "minute_utc"])
def test_times_whose_name_says_utc_are_those_of_utc(tmp_path: Path, name: str) -> None:
    outcome = read(tmp_path, f"station,{name},passengers\n" + per_quarter("A,2024-03-04 {t},{n}"), "Europe/Paris")
    assert outcome.landed is not None
    assert outcome.landed.minutes["A", at("2024-03-04T07:15")] == {"entries": 2}


def test_an_offset_in_a_column_of_its_own_belongs_to_the_time(tmp_path: Path) -> None:
    text = "station,time,utc_offset,passengers\n" + per_quarter("A,2024-03-04 {t},-05:00,{n}")
    outcome = read(tmp_path, text + "A,2024-03-04 00:00,+01:00,77\n", "Europe/Paris")
    assert outcome.landed is not None
    assert outcome.landed.minutes["A", at("2024-03-04T12:15")] == {"entries": 2}
    assert outcome.landed.minutes["A", at("2024-03-03T23:00")] == {"entries": 77}


def test_rows_of_one_direction_alone_count_it(tmp_path: Path) -> None:
    outcome = read(tmp_path, "station,time,direction\n" + per_quarter("A,2024-03-04 {t}:07,OUT"))
    assert outcome.landed is not None
    assert outcome.landed.minutes["A", at("2024-03-04T07:15")] == {"exits": 1}


def test_names_of_files_that_say_the_direction_are_asked_about(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    for way, number in (("in", "{i}"), ("out", "{i}{i}")):
        (tmp_path / f"feed/{way}_2024.csv").write_text(PLAIN + per_quarter("A,2024-03-04 {t}," + number))
    asked = by_init(tmp_path, [tmp_path / "feed"], Answers(timezone="UTC"))
    assert (asked.kind, "{direction}_2024.csv" in asked.why) == ("asked", True)
    told = by_init(tmp_path, [tmp_path / "feed"], Answers(timezone="UTC", path_pattern="{direction}_2024.csv"))
    assert told.landed is not None
    assert told.landed.minutes["A", at("2024-03-04T07:15")] == {"entries": 1, "exits": 11}


def test_taps_that_are_in_two_files_are_rejected_by_name(tmp_path: Path) -> None:
    taps = "station,time,card\n" + "".join(f"A,2024-03-04 07:{m}:13,c{m}\n" for m in range(10, 30))
    outcome = read(tmp_path, taps, b=taps.replace("07:29", "07:31"))
    assert outcome.kind == "rejected"
    assert "a.csv and" in outcome.why


def counted(make: Callable[..., Bench], folder: Path, *cells: tuple[str, str]) -> Bench:
    """Rows of time and count, ingested by their configuration."""
    bench = make(folder, {"interval_minutes": 15, "targets": ["entries"]})
    bench.put_rows("a.csv", ["station_id", "minute_utc", "entries"], [("A", *each) for each in cells])
    bench.ingest(LATER)
    return bench


def test_a_date_among_times_is_no_midnight(tmp_path: Path) -> None:
    bench = counted(Bench.counts, tmp_path, ("2024-03-04T07:00", "1"), ("2024-03-04T07:15", "2"), ("2024-03-04", "3"))
    assert set(bench.truth()) == {("A", at("2024-03-04T07:00")), ("A", at("2024-03-04T07:15"))}
    assert [reason for _, reason, _ in bench.rejects()] == ["bad_time"]


def test_a_thousand_that_may_be_one_is_no_number(tmp_path: Path) -> None:
    cells = [(f"2024-03-04T07:{m}", n) for m, n in (("00", "12"), ("15", "999"), ("30", "1.000"), ("45", "850"))]
    bench = counted(Bench.counts, tmp_path, *cells)
    assert ("A", at("2024-03-04T07:30")) not in bench.truth()
    assert [reason for _, reason, _ in bench.rejects()] == ["not_a_number"]


def test_zeros_behind_every_number_are_a_fraction(tmp_path: Path) -> None:
    cells = [(f"2024-03-04T07:{m}", n) for m, n in (("00", "12.000"), ("15", "999.000"), ("30", "1.000"))]
    assert counted(Bench.counts, tmp_path, *cells).truth()["A", at("2024-03-04T07:30")] == (1,)
