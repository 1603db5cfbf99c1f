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
ASKED = {
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
    "dates of weeks": (PLAIN + per_quarter("A,2024-W10-1 {t},{n}"), "--time"),
    "directions of travel": (
        "station,time,direction,card\n"
        + per_quarter("A,2024-03-04 {t}:07,inbound,c{i}\nA,2024-03-04 {t}:09,outbound,d{i}"),
        "--entries",
    ),
}
REJECTED = {
    "two totals": (
        PLAIN
        + per_quarter("A,2024-03-04 {t},{n}\nB,2024-03-04 {t},{n}\nTotal,2024-03-04 {t},{n}\nAll,2024-03-04 {t},1"),
        "'Total', 'All'|'All', 'Total'",
    ),
    "totals of stations": (
        PLAIN + per_quarter("A,2024-03-04 {t},{n}") + "A Total,2024-03-04 08:45,36\n",
        "'A Total' among its stations",
    ),
    "sums of days at midnight": (
        PLAIN + "".join(f"A,2024-03-{d} 00:00,36\n" + per_quarter(f"A,2024-03-{d} {{t}},{{n}}") for d in (13, 14, 15)),
        "sums of their days",
    ),
    "hours without AM and PM": (
        PLAIN + "".join(f"A,2024-03-04 {h:02d}:00,{h}\n" for _ in "ap" for h in (12, *range(1, 12))),
        "without AM and PM",
    ),
    "averages": (PLAIN + per_quarter("A,2024-03-04 {t},{n}.5"), "not_whole"),
    "minutes of the day": (
        "station,date,minute,passengers\n" + per_quarter("A,2024-03-04,{n}15,{n}"),
        "without an hour",
    ),
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


def test_a_total_among_the_stations_is_that_of_the_network(tmp_path: Path) -> None:
    text = PLAIN + per_quarter("A,2024-03-04 {t},{n}\nB,2024-03-04 {t},{n}\nTotal,2024-03-04 {t},{n}0")
    outcome = read(tmp_path, text)
    assert outcome.landed is not None
    assert outcome.found is not None
    assert {station for station, _ in outcome.landed.minutes} == {"A", "B"}
    assert (outcome.found.network["total"], outcome.landed.report.reasons) == ("Total", {"name_of_total": 8})


@pytest.mark.parametrize(
    "line",
    ["A,4. März 2024 {t},{n}", "A,13/03/2024 {t} a. m.,{n}", "A,2024-03-04 {t},{n}.0"],
)
def test_what_has_one_meaning_alone_is_read(tmp_path: Path, line: str) -> None:
    outcome = read(tmp_path, PLAIN + per_quarter(line))
    assert outcome.landed is not None
    assert sorted(counts["entries"] or 0 for counts in outcome.landed.minutes.values()) == list(range(1, 9))


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
