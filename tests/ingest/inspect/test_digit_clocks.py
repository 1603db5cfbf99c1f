"""Times of day that are one number, beside a date, as `init` recognises them: by their values, or it asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.ingest_bench import at
from support.init_bench import landed, look, options

from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Answers

NINE = at("2024-03-14T09:15")


def _day(clock: Callable[[int], object], minutes: range, name: str = "TIME") -> str:
    rows = (f"{s},2024-03-14,{clock(m)},{m // 15 % 7 + 1}\n" for m in minutes for s in "AB")
    return f"station,DATE,{name},boardings\n" + "".join(rows)


def _hhmm(minute: int) -> int:
    return minute // 60 * 100 + minute % 60


@pytest.mark.parametrize(
    ("clock", "name", "word"),
    [
        (_hhmm, "HHMM", "%H%M"),
        (lambda m: f"{_hhmm(m):04d}", "TIME", "%H%M"),
        (lambda m: _hhmm(m) * 100, "TIME", "%H%M%S"),
        (lambda m: m, "MINUTE", "minute_of_day"),
        (lambda m: m * 60, "SEC", "second_of_day"),
    ],
)
def test_numbers_of_a_whole_day_say_themselves_what_they_are(
    tmp_path: Path, clock: Callable[[int], object], name: str, word: str
) -> None:
    found = look(tmp_path, a__csv=_day(clock, range(0, 1440, 15), name))
    assert options(found) == []
    assert found.source["time_format"] == f"%Y-%m-%d {word}"
    assert landed(tmp_path, found)["A", NINE] == (555 // 15 % 7 + 1,)


@pytest.mark.parametrize(
    ("clock", "name", "word"),
    [
        (_hhmm, "HHMM", "%H%M"),
        (lambda m: m, "MINUTE", "minute_of_day"),
        (lambda m: m * 60, "SEC", "second_of_day"),
    ],
)
def test_numbers_of_a_service_day_go_on_past_midnight(
    tmp_path: Path, clock: Callable[[int], object], name: str, word: str
) -> None:
    found = look(tmp_path, a__csv=_day(clock, range(300, 1560, 15), name))
    assert options(found) == []
    assert found.source["time_format"] == f"%Y-%m-%d {word}"
    assert landed(tmp_path, found)["A", at("2024-03-15T01:15")] == (1515 // 15 % 7 + 1,)


def test_numbers_of_an_hour_that_may_be_either_are_asked_about(tmp_path: Path) -> None:
    text = _day(_hhmm, range(600, 660, 15))
    found = look(tmp_path, a__csv=text)
    assert options(found) == ["--time-format"]
    assert "10:00 to 10:45" in found.questions[0].line()
    assert "16:40 to 17:25" in found.questions[0].line()
    told = look(tmp_path, Answers(timezone="UTC", time_format=("%Y-%m-%d %H%M",)), a__csv=text)
    assert landed(tmp_path, told)["A", at("2024-03-14T10:15")] == (7,)


@pytest.mark.parametrize(
    ("minutes", "first", "word"),
    [
        (15, 1, "slot_15min_from_1"),
        (15, 0, "slot_15min_from_0"),
        (10, 1, "slot_10min_from_1"),
        (60, 1, "slot_60min_from_1"),
    ],
)
def test_slots_of_a_whole_day_are_recognised_by_their_number(
    tmp_path: Path, minutes: int, first: int, word: str
) -> None:
    text = _day(lambda m: m // minutes + first, range(0, 1440, minutes), "PERIOD")
    found = look(tmp_path, a__csv=text)
    assert options(found) == []
    assert found.source["time_format"] == f"%Y-%m-%d {word}"
    assert found.network["interval_minutes"] == minutes
    assert landed(tmp_path, found)["A", at("2024-03-14T09:00")] == (540 // 15 % 7 + 1,)


def test_slots_of_a_part_of_the_day_are_asked_about(tmp_path: Path) -> None:
    text = _day(lambda m: m // 15 + 1, range(300, 1410, 15), "slot")
    asked = look(tmp_path, a__csv=text)
    assert options(asked) == ["--time-format"]
    assert '"%Y-%m-%d slot_15min_from_1": 05:00 to 23:15' in asked.questions[0].line()
    assert '"%Y-%m-%d slot_15min_from_0": 05:15 to 23:30' in asked.questions[0].line()
    found = look(tmp_path, Answers(timezone="UTC", time_format=("%Y-%m-%d slot_15min_from_1",)), a__csv=text)
    assert landed(tmp_path, found)["A", NINE] == (555 // 15 % 7 + 1,)


def test_numbers_that_go_on_past_the_day_are_no_times_of_day(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column looks like the hour"):
        look(tmp_path, a__csv=_day(lambda m: m // 15 + 1, range(0, 1500, 15), "interval"))


@pytest.mark.parametrize(("first", "prefix"), [(1, "T"), (0, ""), (1, "Q")])
def test_columns_that_are_numbered_as_slots_become_rows(tmp_path: Path, first: int, prefix: str) -> None:
    names = ",".join([*(f"{prefix}{number + first}" for number in range(48)), "Total"])
    counts = ",".join([*(str(number % 9 + 1) for number in range(48)), "237"])
    found = look(tmp_path, a__csv=f"station,date,{names}\nA,2024-03-14,{counts}\nB,2024-03-14,{counts}\n")
    assert options(found) == []
    assert landed(tmp_path, found)["A", at("2024-03-14T09:30")] == (19 % 9 + 1,)


@pytest.mark.parametrize(("name", "part"), [("minute", lambda q: 15 * q), ("quarter", lambda q: q + 1)])
def test_an_hour_and_its_part_in_two_columns_are_a_time(tmp_path: Path, name: str, part: Callable[[int], int]) -> None:
    rows = (f"A,2024-03-14,{h},{part(q)},{(h * 4 + q) % 7 + 1}\n" for h in range(5, 20) for q in range(4))
    found = look(tmp_path, a__csv=f"station,date,hour,{name},boardings\n" + "".join(rows))
    assert options(found) == []
    assert landed(tmp_path, found)["A", NINE] == (37 % 7 + 1,)


def test_a_quarter_of_the_year_is_no_part_of_an_hour(tmp_path: Path) -> None:
    days = ("2024-01-09", "2024-04-09", "2024-05-14", "2024-02-13")
    rows = (f"A,{day},{h},{(int(day[5:7]) + 2) // 3},{h % 7 + 1}\n" for day in days for h in range(24))
    found = look(tmp_path, a__csv="station,date,hour,quarter,boardings\n" + "".join(rows))
    assert options(found) == []
    assert landed(tmp_path, found)["A", at("2024-04-09T09:00")] == (3,)


def test_slots_that_count_the_time_that_passed_are_rejected_where_the_clocks_change(tmp_path: Path) -> None:
    rows = "".join(f"A,2024-03-{d},{n},{n % 7 + 1}\n" for d, last in ((30, 96), (31, 92)) for n in range(1, last + 1))
    with pytest.raises(SourceError, match="its slots go on without a gap"):
        look(tmp_path, Answers(timezone="Europe/Berlin"), a__csv="station,date,interval,boardings\n" + rows)


@pytest.mark.parametrize(("hours", "asked"), [(range(5, 24), []), (range(24), []), (range(1, 25), ["--time-is"])])
def test_hours_that_are_called_so_are_no_slots(tmp_path: Path, hours: range, asked: list[str]) -> None:
    found = look(tmp_path, a__csv=_day(lambda m: m // 60, range(60 * hours[0], 60 * hours[-1] + 1, 60), "HOUR"))
    assert options(found) == asked
    if not asked:
        assert landed(tmp_path, found)["A", at("2024-03-14T09:00")] == (540 // 15 % 7 + 1,)
