"""Weekdays beside the date of their week, and times as numbers of Windows, .NET and spreadsheets: by key and by init."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.ingest_bench import Bench
from support.shapes_bench import Outcome, by_init

from tasks.ingest.inspect.answers import Answers
from tasks.ingest.rows.format_times import parse_times
from tasks.weekday_names import WEEKDAY_NUMBERS

LONDON = Answers(timezone="Europe/London")
ENGLISH = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GERMAN = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")
Truth = dict[tuple[str, datetime], int]


def read(folder: Path, text: str, answers: Answers = LONDON) -> Outcome:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    return by_init(folder, [path], answers)


def people(outcome: Outcome) -> Truth:
    assert outcome.landed is not None, outcome.why
    return {key: counts["entries"] or 0 for key, counts in outcome.landed.minutes.items()}


def weeks(names: tuple[str, ...], written: Callable[[date], str], first: int = 0) -> tuple[str, Truth]:
    """Rows per station, week and hour, with a column per day from `first` on; and the truth (of winter in London)."""
    random = np.random.default_rng(3)
    ordered = [*names[first:], *names[:first]]
    lines, truth = [f"station,week,hour,{','.join(ordered)}"], Truth()
    for monday in (date(2024, 1, 8), date(2024, 1, 15)):
        begin = monday + timedelta(days=first - 7 if first else 0)
        for station in ("A", "B"):
            for hour in range(24):
                counts = random.integers(0, 50, 7).tolist()
                lines.append(f"{station},{written(begin)},{hour:02}:00,{','.join(map(str, counts))}")
                for day, count in enumerate(counts):
                    moment = datetime.combine(begin + timedelta(days=day), datetime.min.time()) + timedelta(hours=hour)
                    truth[station, moment] = count
    return "\n".join(lines) + "\n", truth


@pytest.mark.parametrize("names", [ENGLISH, GERMAN])
def test_a_column_per_weekday_beside_the_first_day_of_its_week_is_read(tmp_path: Path, names: tuple[str, ...]) -> None:
    text, truth = weeks(names, lambda begin: begin.isoformat())
    outcome = read(tmp_path, text)
    assert people(outcome) == truth
    assert outcome.found is not None
    assert outcome.found.source["time_format"] == "%Y-%m-%d weekday %H:%M"


def test_a_week_may_begin_on_a_sunday_end_with_its_date_or_be_one_of_iso(tmp_path: Path) -> None:
    text, truth = weeks(ENGLISH, lambda begin: begin.isoformat(), first=6)
    assert people(read(tmp_path, text)) == truth
    text, truth = weeks(ENGLISH, lambda begin: (begin + timedelta(days=6)).strftime("%d/%m/%Y"))
    assert people(read(tmp_path, text.replace("week,", "week_ending,", 1))) == truth
    text, truth = weeks(ENGLISH, lambda begin: "{}-W{:02}".format(*begin.isocalendar()))
    assert people(read(tmp_path, text)) == truth


def test_a_date_that_may_begin_or_end_its_week_is_asked_about(tmp_path: Path) -> None:
    text, truth = weeks(ENGLISH, lambda begin: (begin + timedelta(days=6)).isoformat())
    outcome = read(tmp_path, text)
    assert outcome.kind == "asked"
    assert '"%Y-%m-%d weekday_before %H:%M"' in outcome.why
    answered = read(tmp_path, text, replace(LONDON, time_format=("%Y-%m-%d weekday_before %H:%M",)))
    assert people(answered) == truth


def test_weekdays_named_in_rows_are_read_as_those_of_columns(tmp_path: Path) -> None:
    text, truth = weeks(ENGLISH, lambda begin: begin.isoformat())
    lines = ["station,week_start,weekday,hour,riders"]
    for line in text.splitlines()[1:]:
        station, week, hour, *counts = line.split(",")
        lines += [f"{station},{week},{day},{hour},{n}" for day, n in zip(ENGLISH, counts, strict=True)]
    assert people(read(tmp_path, "\n".join(lines) + "\n")) == truth


def test_a_weekday_that_labels_the_date_of_its_row_changes_nothing(tmp_path: Path) -> None:
    days = [date(2024, 1, 8) + timedelta(days=n) for n in range(14)]
    rows = [f"A,{day},{day:%A},{hour:02}:00,{(day.day + hour) * 7 % 23}\n" for day in days for hour in range(24)]
    landed = people(read(tmp_path, "station,date,weekday,hour,riders\n" + "".join(rows)))
    assert landed["A", datetime(2024, 1, 10, 5)] == 15 * 7 % 23
    assert len(landed) == 14 * 24


def test_weekdays_without_a_week_are_rejected(tmp_path: Path) -> None:
    text, _ = weeks(ENGLISH, lambda begin: begin.isoformat())
    lines = [",".join(cell for place, cell in enumerate(line.split(",")) if place != 1) for line in text.splitlines()]
    outcome = read(tmp_path, "\n".join(lines[:49]) + "\n")
    assert outcome.kind == "rejected"
    assert "sums or averages of many days" in outcome.why


def test_names_of_weekdays_mean_one_day_each() -> None:
    names = [date(2024, 1, 8 + number).strftime("%A").lower() for number in range(7)]
    assert [WEEKDAY_NUMBERS[name] for name in names] == [*range(7)]
    texts = pa.array([f"2024-01-10 {name} 7" for name in WEEKDAY_NUMBERS], pa.string())
    for word, least, most in (("weekday", 0, 6), ("weekday_before", -6, 0)):
        days = parse_times(texts, [f"%Y-%m-%d {word} %H"]).wall.astype("datetime64[D]")
        apart = (days - np.datetime64("2024-01-10")).astype(int)
        assert ((days.astype(int) + 3) % 7).tolist() == [*WEEKDAY_NUMBERS.values()]
        assert least <= apart.min() <= apart.max() <= most


START = datetime(2024, 3, 5, 7)
UNITS: dict[str, tuple[Callable[[datetime], object], str]] = {
    "ticks": (lambda t: int((t - datetime(1, 1, 1)).total_seconds()) * 10**7, "event_ticks"),
    "filetime": (lambda t: int((t - datetime(1601, 1, 1)).total_seconds()) * 10**7, "FileTime"),
    "epoch_min": (lambda t: int((t - datetime(1970, 1, 1)).total_seconds()) // 60, "epoch_minute"),
    "epoch": (lambda t: f"{(t - datetime(1970, 1, 1)).total_seconds():.1f}", "ts"),
    "epoch_ms": (lambda t: f'"{int((t - datetime(1970, 1, 1)).total_seconds()) * 1000}"', "timestamp"),
    "epoch_us": (lambda t: int((t - datetime(1970, 1, 1)).total_seconds()) * 10**6, "time_us"),
    "epoch_ns": (lambda t: int((t - datetime(1970, 1, 1)).total_seconds()) * 10**9, "time"),
    "excel": (lambda t: f"{(t - datetime(1899, 12, 30)).total_seconds() / 86_400:.10f}", "time"),
}


@pytest.mark.parametrize("unit", sorted(UNITS))
@pytest.mark.parametrize("by", ["key", "init"])
def test_times_that_are_numbers_are_known_by_their_size(tmp_path: Path, unit: str, by: str) -> None:
    write, name = UNITS[unit]
    times = [START + timedelta(minutes=15 * n) for n in range(40)]
    text = f"station,{name},riders\n" + "".join(f"A,{write(time)},{n * 7 % 23}\n" for n, time in enumerate(times))
    expected = {("A", time): n * 7 % 23 for n, time in enumerate(times)}
    if by == "init":
        assert people(read(tmp_path, text, Answers(timezone="UTC"))) == expected
        return
    columns = {"station_id": "station", "minute": name, "entries": "riders"}
    bench = Bench.counts(tmp_path, {"interval_minutes": 15}, columns=columns, time_format=unit)
    bench.put("a.csv", text)
    bench.ingest()
    assert {key: counts[0] for key, counts in bench.truth().items()} == expected


def test_ticks_are_the_wall_clock_and_those_of_windows_are_utc(tmp_path: Path) -> None:
    times = [datetime(2024, 7, 5, 7) + timedelta(minutes=15 * n) for n in range(40)]
    for unit, hours in (("ticks", 1), ("filetime", 0)):
        write, name = UNITS[unit]
        text = f"station,{name},riders\n" + "".join(f"A,{write(time)},{n * 7 % 23}\n" for n, time in enumerate(times))
        landed = people(read(tmp_path, text))
        assert landed == {("A", time - timedelta(hours=hours)): n * 7 % 23 for n, time in enumerate(times)}


def test_the_last_tick_of_an_interval_stays_in_it() -> None:
    last = int((datetime(2024, 3, 6) - datetime(1, 1, 1)).total_seconds()) * 10**7 - 1
    texts = pa.array([str(last), str(last + 1)], pa.string())
    for values in (texts, texts.cast(pa.int64())):
        shown = parse_times(values, ["ticks"]).wall.astype(str).tolist()
        assert shown == ["2024-03-05T23:59:59", "2024-03-06T00:00:00"]


@pytest.mark.parametrize("clock", ["07:15", "fraction"])
def test_a_date_as_a_number_of_a_spreadsheet_beside_a_time_of_day_is_read(tmp_path: Path, clock: str) -> None:
    times = [START + timedelta(minutes=15 * n) for n in range(150)]
    rows = []
    for n, time in enumerate(times):
        part = (time - datetime.combine(time.date(), datetime.min.time())).total_seconds() / 86_400
        shown = f"{time:%H:%M}" if clock == "07:15" else f"{part:.7f}"
        rows.append(f"A,{(time.date() - date(1899, 12, 30)).days},{shown},{n * 7 % 23}\n")
    landed = people(read(tmp_path, "station,date,time,riders\n" + "".join(rows), Answers(timezone="UTC")))
    assert landed == {("A", time): n * 7 % 23 for n, time in enumerate(times)}
