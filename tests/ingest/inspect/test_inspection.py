"""Files without a configuration are understood, or asked about, and land as was promised."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook
from support.ingest_bench import at
from support.init_bench import UTC, landed, look, options

from tasks.errors import ConfigError, SourceError
from tasks.ingest.inspect.answers import Answers
from tasks.ingest.inspect.toml_text import toml_text
from tasks.settings.toml_file import load_settings

COUNTS = "gate,when,boardings,alightings\n" + "".join(
    f"{gate},2024-03-04T07:{minute:02d}Z,{minute + 1},{gate}\n" for minute in (0, 15, 30, 45) for gate in (1, 2)
)


def test_counts_with_an_offset_need_no_question(tmp_path: Path) -> None:
    found = look(tmp_path, Answers(), a__csv=COUNTS)
    assert options(found) == []
    assert found.network["interval_minutes"] == 15
    assert landed(tmp_path, found)["2", at("2024-03-04T07:30")] == (31, 2)


def test_times_without_an_offset_ask_for_the_time_zone(tmp_path: Path) -> None:
    local = COUNTS.replace("Z,", ",")
    assert options(look(tmp_path, Answers(), a__csv=local)) == ["--timezone"]
    found = look(tmp_path, Answers(timezone="Europe/Paris"), a__csv=local)
    assert landed(tmp_path, found)["1", at("2024-03-04T06:00")] == (1, 1)


TRIPS = "ride,Start Date,StartStation Id,End Date,EndStation Id\n"


def test_trips_count_at_both_ends_where_the_days_are_certain(tmp_path: Path) -> None:
    rows = "7,13/03/2024 07:01,A,13/03/2024 07:03,B\n8,14/03/2024 07:01,B,14/03/2024 07:02,A\n"
    found = look(tmp_path, UTC, a__csv=TRIPS + rows)
    assert options(found) == []
    assert landed(tmp_path, found) == {
        ("A", at("2024-03-13T07:01")): (1, 0),
        ("B", at("2024-03-13T07:03")): (0, 1),
        ("B", at("2024-03-14T07:01")): (1, 0),
        ("A", at("2024-03-14T07:02")): (0, 1),
    }


def test_days_and_months_that_can_change_places_are_asked_about(tmp_path: Path) -> None:
    rows = "7,04/03/2024 07:01,A,04/03/2024 07:03,B\n8,05/03/2024 07:01,B,05/03/2024 07:02,A\n"
    found = look(tmp_path, UTC, a__csv=TRIPS + rows)
    assert options(found) == ["--time-format"]
    assert "%d/%m/%Y %H:%M" in found.questions[0].line()
    assert "%m/%d/%Y %H:%M" in found.questions[0].line()
    told = look(tmp_path, Answers(timezone="UTC", time_format=("%d/%m/%Y %H:%M",)))
    assert landed(tmp_path, told)["A", at("2024-03-04T07:01")] == (1, 0)


def test_a_day_that_only_another_file_tells_decides_the_order_of_all(tmp_path: Path) -> None:
    files = {f"f{d}__csv": f"{TRIPS}{d},{d:02d}/03/2024 07:01,A,{d:02d}/03/2024 07:03,B\n" for d in (4, 5, 25)}
    assert options(look(tmp_path, UTC, None, **files)) == []


def test_a_date_and_a_clock_make_a_time(tmp_path: Path) -> None:
    text = "station,day,clock,riders\nA,2024-03-04,07:00,3\nA,2024-03-04,07:15,4\nB,2024-03-04,07:00,5\n"
    found = look(tmp_path, UTC, a__csv=text)
    assert found.source["columns"]["minute"] == ["day", "clock"]
    assert landed(tmp_path, found)["B", at("2024-03-04T07:00")] == (5,)


def test_dates_alone_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="dates without an hour"):
        look(tmp_path, UTC, a__csv="station,day,riders\nA,2024-03-04,3\nA,2024-03-05,4\n")


TAPS = "time,stationID,userID,status\n" + "".join(
    f"2024-03-04 07:0{i % 7}:1{i % 3},{i % 2},X{i},{int(i % 3 > 0)}\n" for i in range(30)
)


def test_a_column_of_0_and_1_is_asked_about_and_read_as_answered(tmp_path: Path) -> None:
    found = look(tmp_path, UTC, a__csv=TAPS)
    assert options(found) == ["--entries"]
    assert "status=1: 20 rows" in found.questions[0].line()
    told = look(tmp_path, Answers(timezone="UTC", entries="status=1", exits="status=0"))
    assert sum(value[0] or 0 for value in landed(tmp_path, told).values()) == 20


def test_words_of_a_direction_need_no_question(tmp_path: Path) -> None:
    text = TAPS.replace(",1\n", ",Tap-In\n").replace(",0\n", ",Tap-Out\n")
    found = look(tmp_path, UTC, a__csv=text)
    assert options(found) == []
    assert found.source["events"]["exits"]["where"] == {"status": ["Tap-Out"]}
    assert sum(value[1] or 0 for value in landed(tmp_path, found).values()) == 10


READINGS = "station,minute,riders\n" + "".join(
    f"A,2024-03-04T07:{s // 60:02d}:{s % 60:02d},2\n" for s in range(0, 600, 20)
)


def test_readings_finer_than_a_minute_ask_whether_they_add_up(tmp_path: Path) -> None:
    assert options(look(tmp_path, UTC, a__csv=READINGS)) == ["--rows"]
    found = look(tmp_path, Answers(timezone="UTC", rows="sum"))
    assert landed(tmp_path, found)["A", at("2024-03-04T07:03")] == (6,)


def test_rows_per_fare_class_add_up_unless_one_of_them_is_their_total(tmp_path: Path) -> None:
    rows = [f"A,2024-03-04T07:{m:02d},{fare},2\n" for m in (0, 15, 30) for fare in ("full", "child")]
    head = "station,minute,fare_class,riders\n"
    found = look(tmp_path, UTC, a__csv=head + "".join(rows))
    assert (options(found), found.source["rows"]) == ([], "sum")
    assert landed(tmp_path, found)["A", at("2024-03-04T07:15")] == (4,)
    totals = [f"A,2024-03-04T07:{m:02d},Total,4\n" for m in (0, 15, 30)]
    assert options(look(tmp_path, UTC, a__csv=head + "".join(rows + totals))) == ["--rows"]


FARES = "station;minute;fare_class;riders\n"


def fares(*numbers: str) -> str:
    """A row per fare class and quarter hour."""
    rows = [
        f"A;2024-03-04T07:{15 * i:02d};{fare};{n}\n" for i in range(3) for fare, n in zip("xyz", numbers, strict=True)
    ]
    return FARES + "".join(rows)


def test_thousands_and_words_of_small_counts_are_recognised(tmp_path: Path) -> None:
    found = look(tmp_path, UTC, a__csv=fares("2", "1 204", "Moins de 5"))
    assert (options(found), found.source["thousands"], found.source["missing"]) == ([], " ", ["Moins de 5"])
    assert landed(tmp_path, found)["A", at("2024-03-04T07:15")] == (1206,)


def test_a_mark_that_may_part_thousands_or_fractions_is_asked_about(tmp_path: Path) -> None:
    found = look(tmp_path, UTC, a__csv=fares("2,500", "1,204", "3,000"))
    assert options(found) == ["--thousands"]
    told = look(tmp_path, Answers(timezone="UTC", thousands=(",",)))
    assert landed(tmp_path, told)["A", at("2024-03-04T07:15")] == (6704,)


def test_words_of_which_nobody_knows_the_meaning_are_asked_about(tmp_path: Path) -> None:
    found = look(tmp_path, UTC, a__csv=fares("2", "7", "kaputt"))
    assert options(found) == ["--missing"]
    told = look(tmp_path, Answers(timezone="UTC", missing=("kaputt",)))
    assert landed(tmp_path, told)["A", at("2024-03-04T07:15")] == (9,)


def test_sums_of_averages_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"12\.5"):
        look(tmp_path, UTC, a__csv=fares("2", "7", "12.5"))


def test_revisions_of_a_row_are_never_summed_unasked(tmp_path: Path) -> None:
    rows = [f"A,2024-03-04T07:{m:02d},{state},2\n" for m in (0, 15, 30) for state in ("provisional", "final")]
    assert options(look(tmp_path, UTC, a__csv="station,minute,state,riders\n" + "".join(rows))) == ["--rows"]


def test_readings_hours_apart_are_rejected_and_never_spread(tmp_path: Path) -> None:
    rows = "".join(f"A,2024-03-04T{h:02d}:00,{h}\n" for h in range(0, 24, 4))
    with pytest.raises(SourceError, match="240 minutes apart"):
        look(tmp_path, UTC, a__csv="station,minute,riders\n" + rows)


def test_times_that_may_name_the_end_are_asked_about_and_last_minutes_are_known(tmp_path: Path) -> None:
    ending = "station,period ending,riders\n" + "".join(f"A,2024-03-04T07:{m},1\n" for m in (15, 30, 45))
    assert options(look(tmp_path, UTC, a__csv=ending)) == ["--time-is"]
    told = look(tmp_path, Answers(timezone="UTC", time_is="end"))
    assert ("A", at("2024-03-04T07:00")) in landed(tmp_path, told)
    last = look(tmp_path, UTC, a__csv=ending.replace("15,", "14,").replace("30,", "29,").replace("45,", "44,"))
    assert (options(last), last.source["time_is"]) == ([], "last_minute")


def test_a_file_without_a_header_asks_for_its_names(tmp_path: Path) -> None:
    rows = "".join(f"2024-03-04,{h},{a},{b},{h + 1}\n" for h in (7, 8) for a in ("X", "Y") for b in ("X", "Y"))
    assert options(look(tmp_path, UTC, a__csv=rows)) == ["--header"]
    header = {"header": ["date", "hour", "origin", "destination", "count"]}
    told = look(tmp_path, UTC, header)
    assert landed(tmp_path, told)["X", at("2024-03-04T08:00")] == (18, 18)


def test_semicolons_lines_above_and_latin_1_are_recognised(tmp_path: Path) -> None:
    rows = "".join(f"CHÂTELET;04/03/2024 07:{m:02d};5\nGARE;25/03/2024 07:{m:02d};6\n" for m in (0, 15))
    text = "Export, du réseau, 2024\n\nARRET;HEURE;NB_VALD\n" + rows
    found = look(tmp_path, UTC, a__csv=text.encode("cp1252"))
    assert options(found) == []
    assert (found.source["encoding"], found.source["skip_rows"]) == ("cp1252", 2)
    assert landed(tmp_path, found)["CHÂTELET", at("2024-03-04T07:15")] == (5,)


def test_text_that_may_be_of_several_encodings_is_asked_about(tmp_path: Path) -> None:
    found = look(tmp_path, UTC, a__csv=COUNTS.replace("1,2024", "Łódź,2024").encode("cp1250"))
    assert options(found) == ["--encoding"]


def test_columns_that_changed_their_names_become_alternatives(tmp_path: Path) -> None:
    old = "id,starttime,from_station_id,stoptime,to_station_id\n1,2019-03-13 07:01:00,A,2019-03-13 07:03:00,B\n"
    new = "ride,started_at,start_station_id,ended_at,end_station_id\n2,2024-03-13 07:01,A,2024-03-13 07:03,B\n"
    found = look(tmp_path, UTC, old__csv=old, new__csv=new)
    assert set(found.source["events"]["exits"]["station_id"]) == {"to_station_id", "end_station_id"}
    assert landed(tmp_path, found)["B", at("2019-03-13T07:03")] == (0, 1)


def test_an_archive_of_several_files_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    with zipfile.ZipFile(tmp_path / "feed/trips.zip", "w") as archive:
        for day in (13, 14):
            archive.writestr(f"m/{day}.csv", f"{TRIPS}{day},{day}/03/2024 07:01,A,{day}/03/2024 07:03,B\n")
        archive.writestr("__MACOSX/m/._13.csv", b"\x00\x05")
    found = look(tmp_path)
    assert options(found) == []
    assert landed(tmp_path, found)["B", at("2024-03-14T07:03")] == (0, 1)


def test_files_of_different_kinds_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="different kinds"):
        look(tmp_path, UTC, a__csv=COUNTS, b__csv=f"{TRIPS}7,2024-03-13 07:01,A,2024-03-13 07:03,B\n")


def test_numbers_without_a_known_name_are_asked_about_and_row_numbers_are_not(tmp_path: Path) -> None:
    rows = "".join(f"{i},2024-03-04 07:{i}:07,A\n" for i in range(10, 40))
    assert options(look(tmp_path, UTC, a__csv="ticket,time,station\n" + rows)) == []
    other = rows.replace(",A\n", ",A,3\n").replace("15:07,A,3", "15:07,A,4")
    assert options(look(tmp_path, UTC, a__csv="trip,time,station,wert\n" + other)) == ["--count"]


@pytest.mark.parametrize("name", ["number_of_passengers", "Station Entries", "riders", "Fahrgäste", "人次"])
def test_a_count_is_recognised_whatever_else_its_name_says(tmp_path: Path, name: str) -> None:
    rows = "".join(f"A,2024-03-04T07:{m},{m % 7}\n" for m in range(15, 60, 15))
    found = look(tmp_path, UTC, a__csv=f"station,minute,{name}\n" + rows)
    assert (options(found), found.source["columns"]["entries"]) == ([], name)


@pytest.mark.parametrize("name", ["bike", "wert", "capacity"])
def test_rows_that_may_be_counts_are_never_taken_for_people_unasked(tmp_path: Path, name: str) -> None:
    rows = "".join(f"A,2024-03-04T07:{m},{m % 7}\n" for m in range(15, 60, 15))
    assert options(look(tmp_path, UTC, a__csv=f"station,minute,{name}\n" + rows)) == ["--count"]


def test_trips_that_happen_to_start_on_the_hour_are_kept_by_the_minute(tmp_path: Path) -> None:
    found = look(tmp_path, UTC, a__csv=f"{TRIPS}7,13/03/2024 07:00,A,13/03/2024 08:00,B\n")
    assert found.network["interval_minutes"] == 1


def test_a_total_beside_a_direction_is_asked_about(tmp_path: Path) -> None:
    rows = "".join(f"A,2024-03-04T07:{m},{m % 7},{m % 7 + 2}\n" for m in range(15, 60, 15))
    assert options(look(tmp_path, UTC, a__csv="station,minute,boardings,total\n" + rows)) == ["--count"]


def test_an_hour_that_came_twice_in_no_order_is_rejected(tmp_path: Path) -> None:
    minutes = [f"{h:02d}:{m:02d}" for h in (1, 2, 2, 3) for m in (0, 15, 30, 45)]
    rows = [f"A,2023-10-29T{minute},{i}\n" for i, minute in enumerate(minutes)]
    head, zurich = "station,minute,riders\n", Answers(timezone="Europe/Zurich")
    assert options(look(tmp_path, zurich, a__csv=head + "".join(rows))) == []
    mixed = [rows[i] for i in np.random.default_rng(7).permutation(len(rows))]
    with pytest.raises(SourceError, match="nothing tells which hour"):
        look(tmp_path, zurich, a__csv=head + "".join(mixed))


@pytest.mark.parametrize(
    "answers",
    [
        Answers(timezone="UTC", station=("gat",)),
        Answers(timezone="UTC", count=("boarding",)),
        Answers(timezone="UTC", time=(("wen",),)),
        Answers(timezone="UTC", time_format=("%d/%m/%Y %H:%M",)),
    ],
)
def test_an_answer_that_does_not_fit_is_rejected(tmp_path: Path, answers: Answers) -> None:
    with pytest.raises(ConfigError):
        look(tmp_path, answers, a__csv=COUNTS)


def test_what_a_file_says_cannot_leave_its_comment(tmp_path: Path) -> None:
    rows = '"x\n[gate]\nconfidence = 2",2024-03-04T07:15Z,1,1\n'
    found = look(tmp_path, Answers(), a__csv=COUNTS + rows)
    out = tmp_path / "network.toml"
    out.write_text(toml_text(found, [str(tmp_path / "feed")], out))
    assert load_settings(out).gate.confidence == 0.8


def test_readings_of_counters_become_their_differences(tmp_path: Path) -> None:
    quarters = [np.datetime64("2024-03-04T00:00", "m") + 15 * n for n in range(40)]
    values = {"A": (700_000, 5), "B": (31_000, 2), "C": (9_000, 1)}
    lines = (
        f"M,{gate},{at},{first + n * step}\n" for n, at in enumerate(quarters) for gate, (first, step) in values.items()
    )
    found = look(tmp_path, Answers(timezone="UTC"), f__csv="station,gate,when,entries\n" + "".join(lines))
    assert (found.source["cumulative"], found.source["device"]) == (True, ["gate"])
    assert found.network["interval_minutes"] == 15
    assert landed(tmp_path, found) == {("M", at(str(q))): (8,) for q in quarters[:-1]}


def test_periods_days_of_a_spreadsheet_and_milliseconds_are_times(tmp_path: Path) -> None:
    starts = [np.datetime64("2024-03-04T07:00", "m") + 15 * n for n in range(8)]
    period = "".join(f"2024-03-04,{str(s)[11:]} - {str(s + 15)[11:]},A,{n}\n" for n, s in enumerate(starts))
    days = [(s - np.datetime64("1899-12-30", "m")).astype(int) / 1440 for s in starts]
    serial = "".join(f"{day:.8f},A,{n}\n" for n, day in enumerate(days))
    since = "".join(f"{s.astype('datetime64[ms]').astype(int)},A,{n}\n" for n, s in enumerate(starts))
    for name, text in (
        ("period", f"Day,Period,Station,Boardings\n{period}"),
        ("serial", f"timestamp,Station,Boardings\n{serial}"),
        ("since", f"TIMEMS,Station,Boardings\n{since}"),
    ):
        (tmp_path / name).mkdir()
        found = look(tmp_path / name, a__csv=text)
        assert (options(found), found.network["interval_minutes"]) == ([], 15), name
        assert landed(tmp_path / name, found) == {("A", at(str(s))): (n,) for n, s in enumerate(starts) if n}


def test_trips_that_come_again_count_once_by_their_id(tmp_path: Path) -> None:
    rows = [f"R{n},2024-03-04 07:{n:02d}:07,A,2024-03-04 07:{n + 9:02d}:01,B\n" for n in range(30)]
    head = "ride_id,started_at,start_station_id,ended_at,end_station_id\n"
    found = look(tmp_path, a__csv=head + "".join(rows + rows[:9]), b__csv=head + "".join(rows[20:]))
    assert (options(found), found.source["id"]) == ([], "ride_id")
    assert len(landed(tmp_path, found)) == 60
    shared = [row.replace(f"R{n}", f"R{n // 2}") for n, row in enumerate(rows)]
    assert "id" not in look(tmp_path, a__csv=head + "".join(shared), b__csv=head).source


def test_year_month_day_and_hour_in_columns_of_their_own_are_a_time(tmp_path: Path) -> None:
    hours = [np.datetime64("2024-02-28T20", "h") + n for n in range(60)]
    rows = "".join(f"{str(h)[:4]},{int(str(h)[5:7])},{int(str(h)[8:10])},{int(str(h)[11:])},A,{n * 7 % 11}\n" for n, h in enumerate(hours))  # fmt: skip
    found = look(tmp_path, a__csv=f"Year,Month,Day,Hour,Station,Boardings\n{rows}")
    assert (options(found), found.source["time_format"]) == ([], "%Y %m %d %H")
    assert landed(tmp_path, found) == {("A", at(f"{h}:00")): (n * 7 % 11,) for n, h in enumerate(hours) if n % 11}


def test_a_header_that_comes_again_is_neither_station_nor_count(tmp_path: Path) -> None:
    head, *rows = COUNTS.splitlines(keepends=True)
    found = look(tmp_path, a__csv=head + "".join(rows[:4]) + head + "".join(rows[4:]))
    assert (options(found), found.promise.rejected if found.promise else None) == ([], 1)
    assert {station for station, _ in landed(tmp_path, found)} == {"1", "2"}


def test_the_array_of_records_within_a_json_object_is_found(tmp_path: Path) -> None:
    rows = [dict(zip(COUNTS.split("\n")[0].split(","), line.split(","), strict=True)) for line in COUNTS.split()[1:]]
    found = look(tmp_path, Answers(), a__json=json.dumps({"meta": {"n": len(rows)}, "result": {"items": rows}}))
    assert (options(found), found.source["records"]) == ([], "result.items")
    assert landed(tmp_path, found)["2", at("2024-03-04T07:30")] == (31, 2)


def test_lines_of_a_title_that_have_the_empty_fields_of_a_table_are_above_it(tmp_path: Path) -> None:
    found = look(tmp_path, Answers(), a__csv=f"Eco report,,,\nMarch 2024,,,\n{COUNTS}")
    assert (options(found), found.source["skip_rows"]) == ([], 2)
    assert landed(tmp_path, found)["2", at("2024-03-04T07:30")] == (31, 2)


def test_numbers_below_zero_are_asked_about_and_never_a_person_each(tmp_path: Path) -> None:
    rows = "".join(f"2024-03-04 {7 + n // 4:02d}:{n % 4 * 15:02d},A,{n % 7 - 3}\n" for n in range(60))
    assert options(look(tmp_path, a__csv=f"time,station,net\n{rows}")) == ["--count"]


def test_milliseconds_and_a_rule_of_dashes_need_no_question(tmp_path: Path) -> None:
    rows = "".join(f"2024-03-04 {7 + n // 4:02d}:{n % 4 * 15:02d}:00 A   {n % 7:>6}\n" for n in range(60))
    found = look(tmp_path, a__txt=f"TIME                STOP  BOARD\n------------------- --- ------\n{rows}")
    assert (options(found), found.source["delimiter"]) == ([], "blanks")
    assert landed(tmp_path, found)["A", at("2024-03-04T07:15")] == (1,)


def _workbook(**sheets: list[tuple[Any, ...]]) -> bytes:
    book, out = Workbook(), io.BytesIO()
    book.remove(book.active)
    for title, rows in sheets.items():
        for row in (sheet := book.create_sheet(title), rows)[1]:
            sheet.append(row)
    book.save(out)
    return out.getvalue()


def test_the_sheet_with_the_table_is_found_and_several_are_asked_about(tmp_path: Path) -> None:
    table = [tuple(line.split(",")) for line in COUNTS.split()]
    data = [("Entries of March",), (), *table]
    found = look(tmp_path, Answers(), a__xlsx=_workbook(Notes=[("by the operator",)], Data=data))
    assert (options(found), found.source["sheet"], found.source["skip_rows"]) == ([], "Data", 2)
    assert landed(tmp_path, found)["2", at("2024-03-04T07:30")] == (31, 2)
    two = _workbook(January=table, February=table)
    assert options(look(tmp_path, Answers(), a__xlsx=two)) == ["--sheet"]
    assert look(tmp_path, Answers(), {"sheet": "February"}, a__xlsx=two).source["sheet"] == "February"


def test_rows_that_were_denied_are_asked_about_and_left_out(tmp_path: Path) -> None:
    rows = [f"2024-03-04T07:{n:02d}:{n:02d}Z,A,{'tap in' if n % 2 else 'tap out'},{'denied' if n % 5 == 0 else 'ok'}\n" for n in range(60)]  # fmt: skip
    text = f"ts,station,action,result\n{''.join(rows)}"
    assert options(look(tmp_path, a__csv=text)) == ["--where"]
    found = look(tmp_path, Answers(timezone="UTC", where=(("result", "ok"),)), a__csv=text)
    assert found.source["where"] == {"result": ["ok"]}
    assert len(landed(tmp_path, found)) == 48
    assert "where" not in look(tmp_path, Answers(timezone="UTC", where=(("result", "all"),)), a__csv=text).source
    with pytest.raises(ConfigError, match="no such value but denied, ok"):
        look(tmp_path, Answers(where=(("result", "fine"),)), a__csv=text)


def test_rows_that_are_the_sum_of_others_are_left_out_by_the_answer_that_the_question_names(tmp_path: Path) -> None:
    kinds = (("adult", 3), ("child", 1), ("every rider", 4))
    rows = (
        f"A,2024-03-04T0{h}:{m:02}Z,{kind},{n * (h + m)}\n" for h in (7, 8) for m in (0, 15, 30) for kind, n in kinds
    )
    text = "gate,when,category,people\n" + "".join(rows)
    asked = look(tmp_path, a__csv=text)
    assert options(asked) == ["--rows"]
    assert "--where-not 'category=every rider': it is the sum of the others" in asked.questions[0].line()
    found = look(tmp_path, Answers(timezone="UTC", where_not=(("category", "every rider"),)), a__csv=text)
    assert found.source["where_not"] == {"category": ["every rider"]}
    assert landed(tmp_path, found)["A", at("2024-03-04T08:15")] == (4 * 23,)


def test_a_value_to_leave_out_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="column 'gate' has no such value but 1, 2"):
        look(tmp_path, Answers(timezone="UTC", where_not=(("gate", "3"),)), a__csv=COUNTS)
    with pytest.raises(ConfigError, match="leave no row: gate is not 1 or 2"):
        look(tmp_path, Answers(timezone="UTC", where_not=(("gate", "1"), ("gate", "2"))), a__csv=COUNTS)


@pytest.mark.parametrize(
    ("day", "word"),
    [
        ("2024-W11-4", "%G-W%V-%u"),
        ("14/03/2567", "%d/%m/buddhist_year"),
        ("2567-03-14", "buddhist_year-%m-%d"),
        ("113/03/14", "roc_year/%m/%d"),
        ("\u4ee4\u548c6\u5e743\u670814\u65e5", "\u4ee4\u548creiwa_year\u5e74%m\u6708%d\u65e5"),
        ("R6.3.14", "Rreiwa_year.%m.%d"),
        ("\u0662\u0660\u0662\u0664-\u0660\u0663-\u0661\u0664", "%Y-%m-%d"),
        ("\uff12\uff10\uff12\uff14\u5e74\uff13\u6708\uff11\uff14\u65e5", "%Y\u5e74%m\u6708%d\u65e5"),
    ],
)
def test_days_of_other_eras_and_scripts_are_read_where_their_year_says_so(tmp_path: Path, day: str, word: str) -> None:
    rows = (f"{gate},{day},{h}:{m:02},{h + m}\n" for h in (7, 8) for m in (0, 15, 30, 45) for gate in "AB")
    found = look(tmp_path, a__csv="station,day,time,passengers\n" + "".join(rows))
    assert options(found) == []
    assert found.source.get("time_format", "%Y-%m-%d %H:%M").startswith(word)
    assert landed(tmp_path, found)["B", at("2024-03-14T08:15")] == (23,)


def test_columns_that_are_called_the_same_are_named_apart_by_the_option_that_is_shown(tmp_path: Path) -> None:
    text = COUNTS.replace("boardings,alightings", "count,count")
    with pytest.raises(
        SourceError, match=r"2 columns are called 'count'.*--header 'gate,when,NAME3,NAME4' --skip-rows 1"
    ):
        look(tmp_path, a__csv=text)
    keys = {"header": ["gate", "when", "in", "out"], "skip_rows": 1}
    assert landed(tmp_path, look(tmp_path, UTC, keys, a__csv=text))["2", at("2024-03-04T07:30")] == (31, 2)


def test_a_total_below_the_dates_is_one_rejected_row(tmp_path: Path) -> None:
    rows = "".join(f"03/1{d}/2024,{h}:00,A,{h + d}\n" for d in (3, 4) for h in range(6, 12))
    found = look(tmp_path, a__csv="Date,Hour,Station,Entries\n" + rows + "Total,,,150\n")
    assert options(found) == []
    assert landed(tmp_path, found)["A", at("2024-03-14T09:00")] == (13,)


def test_days_of_a_spreadsheet_may_have_a_decimal_comma(tmp_path: Path) -> None:
    rows = (f"A;{f'{45364 + m / 1440:.6f}'.replace('.', ',')};{m % 7 + 1}\n" for m in range(0, 1440, 15))
    found = look(tmp_path, a__csv="station;time;people\n" + "".join(rows))
    assert options(found) == []
    assert landed(tmp_path, found)["A", at("2024-03-13T09:15")] == (555 % 7 + 1,)


def test_sheets_of_the_same_columns_are_offered_as_one(tmp_path: Path) -> None:
    book = Workbook()
    for place, title in enumerate(("Central", "North")):
        sheet = book.active if not place else book.create_sheet()
        sheet.title = title
        sheet.append(["time", "entries", "exits"])
        for minute in (0, 15, 30, 45):
            sheet.append([f"2024-03-04 07:{minute:02}", minute + place, 2])
    out = io.BytesIO()
    book.save(out)
    asked = look(tmp_path, a__xlsx=out.getvalue())
    assert options(asked) == ["--sheet"]
    assert "'*': all of them" in asked.questions[0].line()
    found = look(tmp_path, Answers(timezone="UTC", station=("sheet",)), {"sheet": "*"}, a__xlsx=out.getvalue())
    assert landed(tmp_path, found)["North", at("2024-03-04T07:15")] == (16, 2)


def test_names_of_a_workbook_may_be_blank_below_merged_cells(tmp_path: Path) -> None:
    book = Workbook()
    for row in (
        ["Gates"],
        [],
        ["Date", "Time", "Central", None, "North", None],
        [None, None, *("Entries", "Exits") * 2],
    ):
        book.active.append(row)
    for minute in (0, 15, 30, 45):
        book.active.append(["2024-03-04", f"07:{minute:02}", minute, 2, minute + 1, 4])
    book.active.append(["Subtotal", None, 90, 8, 94, 16])
    book.active.append(["Source: the gates"])
    out = io.BytesIO()
    book.save(out)
    found = look(tmp_path, a__xlsx=out.getvalue())
    assert options(found) == []
    assert landed(tmp_path, found)["North", at("2024-03-04T07:15")] == (16, 4)


def test_days_that_are_not_recognised_are_read_by_the_columns_and_the_format_of_an_answer(tmp_path: Path) -> None:
    rows = "".join(f"2024{day:03},{h:02}00,A,{(h * 5 + day) % 7 + 1}\n" for day in (74, 75) for h in range(5, 23))
    with pytest.raises(SourceError, match="--time DAY,HOUR --time-format FORMAT"):
        look(tmp_path, a__csv="day,hhmm,station,people\n" + rows)
    answers = Answers(timezone="UTC", time=(("day", "hhmm"),), time_format=("%Y%j %H%M",))
    found = look(tmp_path, answers, a__csv="day,hhmm,station,people\n" + rows)
    assert landed(tmp_path, found)["A", at("2024-03-15T09:00")] == ((45 + 75) % 7 + 1,)
