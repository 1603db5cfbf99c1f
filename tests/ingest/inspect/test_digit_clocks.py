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


def test_numbers_of_an_hour_that_may_be_either_are_asked_about(tmp_path: Path) -> None:
    text = _day(_hhmm, range(600, 660, 15))
    found = look(tmp_path, a__csv=text)
    assert options(found) == ["--time-format"]
    assert "10:00 to 10:45" in found.questions[0].line()
    assert "16:40 to 17:25" in found.questions[0].line()
    told = look(tmp_path, Answers(timezone="UTC", time_format=("%Y-%m-%d %H%M",)), a__csv=text)
    assert landed(tmp_path, told)["A", at("2024-03-14T10:15")] == (7,)


def test_numbers_of_quarters_are_no_times_of_day(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column looks like the hour"):
        look(tmp_path, a__csv=_day(lambda m: m // 15 + 1, range(0, 1440, 15), "TIME"))
