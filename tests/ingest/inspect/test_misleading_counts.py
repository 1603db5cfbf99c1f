"""Counts that look like people of their interval and are not: sums of others, overlapping periods, samples, copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import Bench, at
from support.shapes_bench import Outcome, by_init

from tasks.errors import ConfigError
from tasks.ingest.inspect.answers import Answers
from tasks.ingest.inspect.sums_of_others import find_sums

RANDOM = np.random.default_rng(12)
HEAD = "time,station,passengers\n"


def times(step: timedelta, many: int) -> list[datetime]:
    """Times from 06:00 on."""
    return [datetime(2024, 5, 13, 6) + i * step for i in range(many)]


def rows(line: Callable[[datetime, int], str], step: timedelta = timedelta(minutes=15), many: int = 40) -> str:
    """Lines of one station, each of a time and a number."""
    return "".join(line(time, int(RANDOM.integers(1, 60))) + "\n" for time in times(step, many))


def read(folder: Path, text: str | Sequence[str], answers: Answers | None = None) -> Outcome:
    """Files through init."""
    (folder / "feed").mkdir(exist_ok=True)
    for number, each in enumerate([text] if isinstance(text, str) else text):
        (folder / "feed" / f"{number}.csv").write_text(each, encoding="utf-8")
    return by_init(folder, [folder / "feed"], answers or Answers(timezone="UTC"))


def with_sums(*groups: tuple[str, ...]) -> str:
    """Counts of stations, and those of groups that are called as the first name and add up the others."""
    text = HEAD
    for time in times(timedelta(hours=1), 16):
        counts = {name: int(RANDOM.integers(1, 90)) for group in groups for name in group[1:]}
        sums = {group[0]: sum(counts[name] for name in group[1:]) for group in groups}
        text += "".join(f"{time:%Y-%m-%dT%H:%M},{name},{count}\n" for name, count in (counts | sums).items())
    return text


@pytest.mark.parametrize(
    "groups",
    [
        (("Central", "Central East", "Central West"), ("Park", "North gate", "South gate")),
        (("Stadt", "A", "B", "C"),),
    ],
)
def test_a_station_that_is_the_sum_of_others_is_asked_about(
    tmp_path: Path, groups: tuple[tuple[str, ...], ...]
) -> None:
    text, wholes = with_sums(*groups), tuple(group[0] for group in groups)
    outcome = read(tmp_path, text)
    assert outcome.kind == "asked"
    assert all(f"--exclude '{name}'" in outcome.why for name in wholes)
    left = read(tmp_path, text, Answers(timezone="UTC", exclude=wholes)).landed
    assert left is not None
    assert {station for station, _ in left.minutes} == {name for group in groups for name in group[1:]}
    kept = read(tmp_path, text, Answers(timezone="UTC", exclude=("none",))).landed
    assert kept is not None
    assert {station for station, _ in kept.minutes} >= {*wholes}


@pytest.mark.parametrize("word", ["Totalt", "Razem", "Celkem", "Összesen", "Toplam", "Итого", "المجموع", "סה״כ", "รวม"])
def test_totals_are_known_by_their_name_in_many_languages(tmp_path: Path, word: str) -> None:
    landed = read(tmp_path, with_sums((word, "A", "B", "C"))).landed
    assert landed is not None
    assert {station for station, _ in landed.minutes} == {"A", "B", "C"}


def test_sums_of_sums_are_found_with_the_parts_below_them() -> None:
    counts = RANDOM.integers(0, 90, (60, 5)).astype(float)
    east, west = counts[:, :2].sum(axis=1), counts[:, 2:].sum(axis=1)
    whole = np.column_stack([counts, east, west, east + west])
    station, cell = np.tile(np.arange(8), 60), np.repeat(np.arange(60), 8)
    found = find_sums(station, cell, [whole.reshape(-1)])
    assert {sum_: sorted(parts) for sum_, parts in found.items()} == {5: [0, 1], 6: [2, 3, 4], 7: [0, 1, 2, 3, 4]}


@pytest.mark.parametrize("seed", range(5))
def test_stations_of_their_own_are_no_sums(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.poisson(random.uniform(0.02, 5, 30), (200, 30)).astype(float)
    counts[:, 1] = counts[:, 0]  # two that are alike
    counts[100:, 2] = np.nan
    station, cell = np.tile(np.arange(30), 200), np.repeat(np.arange(200), 30)
    assert find_sums(station, cell, [counts.reshape(-1)]) == {}
    assert find_sums(station, cell, []) == {}


@pytest.mark.parametrize(("minutes", "why"), [(60, "they overlap"), (5, "interval_minutes = 5 and gaps = true")])
def test_periods_that_overlap_or_leave_gaps_are_rejected(tmp_path: Path, minutes: int, why: str) -> None:
    length = timedelta(minutes=minutes)
    text = "station,from,to,passengers\n" + rows(lambda t, n: f"A,{t},{t + length},{n}")
    outcome = read(tmp_path, text)
    assert outcome.kind == "rejected"
    assert why in outcome.why


@pytest.mark.parametrize("last", [timedelta(minutes=15), timedelta(minutes=14), timedelta(minutes=14, seconds=59)])
def test_periods_that_follow_one_another_are_read(tmp_path: Path, last: timedelta) -> None:
    text = "station,from,to,passengers\n" + rows(lambda t, n: f"A,{t},{t + last},{n}")
    landed = read(tmp_path, text).landed
    assert landed is not None
    assert len(landed.minutes) == 40


@pytest.mark.parametrize(("seconds", "fit"), [(90, "15; 30; 60"), (180, "15; 30; 60"), (120, "10; 20; 30; 60")])
def test_rows_finer_than_the_grid_are_offered_the_intervals_that_they_fill(
    tmp_path: Path, seconds: int, fit: str
) -> None:
    text = HEAD + rows(lambda t, n: f"{t},A,{n}", timedelta(seconds=seconds), 60)
    outcome = read(tmp_path, text)
    assert outcome.kind == "asked"
    assert f"--interval ({fit})" in outcome.why
    wrong = read(tmp_path, text, Answers(timezone="UTC", interval=5))
    assert wrong.kind == "rejected"
    assert "give one of" in wrong.why
    landed = read(tmp_path, text, Answers(timezone="UTC", interval=30, rows="sum")).landed
    assert landed is not None
    told = sum(int(line.rsplit(",", 1)[1]) for line in text.splitlines()[1:])
    assert sum(counts["entries"] or 0 for counts in landed.minutes.values()) == told


def test_rows_that_fill_no_interval_are_rejected(tmp_path: Path) -> None:
    outcome = read(tmp_path, HEAD + rows(lambda t, n: f"{t},A,{n}", timedelta(minutes=7), 60))
    assert outcome.kind == "rejected"
    assert "7 min apart" in outcome.why


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("time,station,passengers (x100)\n" + rows(lambda t, n: f"{t},A,{n}"), "--count"),
        ("time,station,passengers,weight\n" + rows(lambda t, n: f"{t},A,{n},{n % 3 + 0.5}"), "--count"),
        (HEAD + rows(lambda t, n: f"{t},A,{n if n > 9 else -1}"), "--missing"),
        ("time,station,kind\n" + rows(lambda t, n: f"{t},A,{'Reversal' if n < 9 else 'Sale'}"), "--entries"),
    ],
)
def test_numbers_that_are_no_people_as_they_stand_are_asked_about(tmp_path: Path, text: str, option: str) -> None:
    outcome = read(tmp_path, text)
    assert outcome.kind == "asked"
    assert option in outcome.why


def test_events_that_are_there_twice_are_asked_about(tmp_path: Path) -> None:
    seconds = RANDOM.choice(50_000, 400, replace=False)
    lines = [f"{datetime(2024, 5, 13) + timedelta(seconds=int(s))},{'AB'[i % 2]},adult" for i, s in enumerate(seconds)]
    text = "\n".join(["time,station,card", *lines, *lines[::20], ""])
    outcome = read(tmp_path, text)
    assert outcome.kind == "asked"
    assert "20 rows are the same" in outcome.why
    answers, people = Answers(timezone="UTC"), {}
    for rows_ in ("sum", "last"):
        landed = read(tmp_path, text, replace(answers, rows=rows_)).landed
        assert landed is not None
        people[rows_] = sum(counts["entries"] or 0 for counts in landed.minutes.values())
    assert people == {"sum": 420, "last": 400}


def test_people_who_come_at_one_moment_are_no_copies(tmp_path: Path) -> None:
    seconds = RANDOM.integers(0, 600, 900)
    lines = [f"{datetime(2024, 5, 13, 8) + timedelta(seconds=int(second))},A,adult" for second in np.sort(seconds)]
    landed = read(tmp_path, "\n".join(["time,station,card", *lines, ""])).landed
    assert landed is not None
    assert sum(counts["entries"] or 0 for counts in landed.minutes.values()) == 900


def test_names_in_other_capitals_are_one_station_where_they_never_meet(tmp_path: Path) -> None:
    first = HEAD + rows(lambda t, n: f"{t},Main St,{n}")
    later = HEAD + rows(lambda t, n: f"{t + timedelta(days=1)},MAIN  ST,{n}")
    outcome = read(tmp_path, [first, later])
    assert outcome.landed is not None
    assert outcome.found is not None
    assert len(outcome.landed.minutes) == 80
    assert {station for station, _ in outcome.landed.minutes} == {"Main St"}
    assert outcome.found.notes["stations written alike"] == "MAIN  ST is Main St"


def test_names_in_other_capitals_at_one_time_are_two_stations(tmp_path: Path) -> None:
    text = HEAD + rows(lambda t, n: f"{t},Main St,{n}\n{t},MAIN ST,{n + 1}")
    landed = read(tmp_path, text).landed
    assert landed is not None
    assert {station for station, _ in landed.minutes} == {"Main St", "MAIN ST"}
    assert landed.minutes["Main St", at("2024-05-13T06:00")]["entries"] is not None


def test_numbers_beside_the_counts_are_no_parts_of_them(tmp_path: Path) -> None:
    classes = ("full", "half", "none")
    text = "time,station,fare_class_category,ridership,transfers\n" + rows(
        lambda t, n: "\n".join(f"{t},A,{each},{n + i},{n % 7}" for i, each in enumerate(classes)),
        timedelta(hours=1),
        20,
    )
    outcome = read(tmp_path, text)
    assert outcome.landed is not None
    told = sum(int(line.split(",")[3]) for line in text.splitlines()[1:])
    assert sum(counts["entries"] or 0 for counts in outcome.landed.minutes.values()) == told


def test_stocks_are_rejected_by_name(tmp_path: Path) -> None:
    text = "time,station_id,num_bikes_available\n" + rows(lambda t, n: f"{t},A,{n}")
    outcome = read(tmp_path, text, Answers(timezone="UTC", rows="sum"))
    assert outcome.kind == "rejected"
    assert 'kind = "gbfs"' in outcome.why


def test_parts_of_sums_below_zero_are_asked_about_and_taken_back_or_rejected(tmp_path: Path) -> None:
    times_, lines = times(timedelta(minutes=15), 40), [HEAD.strip()]
    for place, time in enumerate(times_):
        lines += [f"{time},A,{place * 7 % 23 + 5}", f"{time},A,{-3 * (place % 4 == 3) - 40 * (place == 7)}"]
    text = "\n".join(lines) + "\n"
    asked = read(tmp_path, text, Answers(timezone="UTC", rows="sum"))
    assert asked.kind == "asked"
    assert "--negatives subtract" in asked.why
    whole = {time: place * 7 % 23 + 5 - 3 * (place % 4 == 3) for place, time in enumerate(times_) if place != 7}
    outcome = read(tmp_path, text, Answers(timezone="UTC", rows="sum", negatives="subtract"))
    assert outcome.landed is not None, outcome.why
    assert {time: counts["entries"] for (_, time), counts in outcome.landed.minutes.items()} == whole
    assert outcome.landed.report.reasons == {"negative_sum": 2}
    rejected = read(tmp_path, text, Answers(timezone="UTC", rows="sum", negatives="reject"))
    assert rejected.landed is not None, rejected.why
    kept = {time: counts["entries"] for (_, time), counts in rejected.landed.minutes.items()}
    assert kept == {time: place * 7 % 23 + 5 for place, time in enumerate(times_) if place % 4 != 3}


def test_reversals_alone_in_a_file_leave_their_interval_unknown(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum", negatives="subtract")
    head = "station_id,minute_utc,entries\n"
    bench.put("a.csv", f"{head}A,2024-05-10T10:00Z,5\nA,2024-05-10T10:01Z,6\nA,2024-05-10T10:01Z,-6\n")
    bench.put("b.csv", f"{head}A,2024-05-10T10:00Z,-2\nB,2024-05-10T10:00Z,3\n")
    report = bench.ingest()
    assert report.reasons == {"negative_sum": 1}
    truth = {key: counts[0] for key, counts in bench.truth().items() if counts[0] is not None}
    assert truth == {("A", at("2024-05-10T10:01")): 0, ("B", at("2024-05-10T10:00")): 3}


def test_taking_back_people_needs_sums(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="about rows that add up"):
        Bench.counts(tmp_path, negatives="subtract").ingest()


@pytest.mark.parametrize(("zone", "finest"), [("Asia/Kolkata", 30), ("Asia/Kathmandu", 15)])
def test_hours_of_clocks_that_are_no_whole_hours_from_utc_are_rejected_by_init_as_by_the_configuration(
    tmp_path: Path, zone: str, finest: int
) -> None:
    hourly = HEAD + rows(lambda t, n: f"{t},A,{n}", timedelta(hours=1))
    for answers in (Answers(timezone=zone), Answers(timezone=zone, interval=60)):
        outcome = read(tmp_path, hourly, answers)
        assert outcome.kind == "rejected"
        assert f"export counts of {finest} minutes or less" in outcome.why
    with pytest.raises(ConfigError, match=f"use {finest} or less"):
        Bench.counts(tmp_path, {"timezone": zone, "interval_minutes": 60}).ingest()
    finer = HEAD + rows(lambda t, n: f"{t},A,{n}", timedelta(minutes=finest))
    landed = read(tmp_path, finer, Answers(timezone=zone)).landed
    assert landed is not None
    assert sum(counts["entries"] or 0 for counts in landed.minutes.values()) == sum(
        int(line.rsplit(",", 1)[1]) for line in finer.splitlines()[1:]
    )


@pytest.mark.parametrize(
    "head", ["vehicle,time,station,route", "time,station,category,description", "trip_id,time,station"]
)
def test_rows_of_which_nothing_says_that_they_are_people_are_asked_about(tmp_path: Path, head: str) -> None:
    names = head.split(",")
    text = (
        head + "\n" + rows(lambda t, n: ",".join({"time": f"{t}:07"[:19], "station": "A"}.get(x, "x") for x in names))
    )
    outcome = read(tmp_path, text)
    assert outcome.kind == "asked"
    assert "--count (--count none" in outcome.why
    assert read(tmp_path, text, Answers(timezone="UTC", count=("none",))).landed is not None


def test_people_between_neighbouring_stations_are_no_journeys(tmp_path: Path) -> None:
    line = ("A", "B", "C", "D", "E")
    pairs = [pair for a, b in pairwise(line) for pair in ((a, b), (b, a))]
    head = "time,from_station,to_station,passengers\n"
    text = head + rows(lambda t, n: "\n".join(f"{t},{a},{b},{n}" for a, b in pairs), timedelta(hours=1), 12)
    outcome = read(tmp_path, text)
    assert outcome.kind == "rejected"
    assert "neighbouring stations" in outcome.why
    journeys = [(a, b) for a in line for b in line if a != b]
    text = head + rows(lambda t, n: "\n".join(f"{t},{a},{b},{n}" for a, b in journeys), timedelta(hours=1), 12)
    assert read(tmp_path, text).landed is not None


@pytest.mark.parametrize(
    ("name", "zone", "fixed"), [("time_cet", "Europe/Paris", -1), ("Time (EST)", "America/New_York", 5)]
)
def test_a_zone_in_the_name_of_the_time_is_asked_about(tmp_path: Path, name: str, zone: str, fixed: int) -> None:
    text = f"{name},station,passengers\n" + rows(lambda t, n: f"{t},A,{n}")
    outcome = read(tmp_path, text, Answers(timezone=zone))
    assert outcome.kind == "asked"
    assert f"--timezone Etc/GMT{fixed:+d}" in outcome.why
    firsts = []
    for answers in (Answers(timezone=f"Etc/GMT{fixed:+d}"), Answers(timezone=zone, time=((name,),))):
        landed = read(tmp_path, text, answers).landed
        assert landed is not None
        firsts.append(min(minute for _, minute in landed.minutes))
    assert firsts[0] - firsts[1] == timedelta(hours=1)


def test_people_of_vehicles_at_stops_are_counted_at_their_moment(tmp_path: Path) -> None:
    head = "trip_id,stop_id,arrival_time,departure_time,door,ons,offs\n"
    visits = [(trip, stop, datetime(2024, 5, 13, 6, 10 * (trip % 6), 50) + timedelta(hours=trip // 6, minutes=7 * stop))
              for trip in range(30) for stop in range(4)]  # fmt: skip
    counts = {(trip, stop, door): int(RANDOM.integers(0, 9)) for trip, stop, _ in visits for door in (1, 2)}
    text = head + "".join(
        f"T{trip},S{stop},{time},{time + timedelta(seconds=20)},{door},{counts[trip, stop, door]},{door}\n"
        for trip, stop, time in visits
        for door in (1, 2)
    )
    landed = read(tmp_path, text).landed
    assert landed is not None
    told: dict[tuple[str, datetime], int] = {}
    for trip, stop, time in visits:
        key = (f"S{stop}", time.replace(second=0))
        told[key] = told.get(key, 0) + counts[trip, stop, 1] + counts[trip, stop, 2]
    assert {key: each["entries"] for key, each in landed.minutes.items() if each["entries"]} == {
        key: many for key, many in told.items() if many
    }


def test_rows_that_several_files_hold_are_no_parts_of_a_sum(tmp_path: Path) -> None:
    lines = [
        f"{t},A,{gate},{RANDOM.integers(1, 60)}" for t in times(timedelta(minutes=15), 40) for gate in ("g10", "g11")
    ]
    files = ["time,station,gate,passengers\n" + "\n".join(part) + "\n" for part in (lines[:60], lines[30:])]
    outcome = read(tmp_path, files, Answers(timezone="UTC", rows="sum"))
    assert outcome.kind == "rejected"
    assert "rows are in several files" in outcome.why


def test_a_part_of_a_sum_that_is_there_twice_is_rejected(tmp_path: Path) -> None:
    lines = [
        f"{t},A,{gate},{RANDOM.integers(1, 60)}" for t in times(timedelta(minutes=15), 40) for gate in ("g10", "g11")
    ]
    head, answers = "time,station,gate,passengers\n", Answers(timezone="UTC", rows="sum")
    outcome = read(tmp_path, head + "\n".join([*lines, *lines[20:24], ""]), answers)
    assert outcome.kind == "rejected"
    assert "4 rows are the same as another one in every column" in outcome.why
    assert read(tmp_path, head + "\n".join([*lines, ""]), answers).landed is not None
    unnamed = [",".join(part for i, part in enumerate(line.split(",")) if i != 2) for line in lines]
    assert read(tmp_path, "time,station,passengers\n" + "\n".join([*unnamed, ""]), answers).landed is not None
