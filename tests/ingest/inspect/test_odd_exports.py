"""Exports as ferries, gates, vendors of counters and ticketing offices write them: read right, asked about or named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.shapes_bench import Outcome, by_init

from tasks.ingest.inspect.answers import Answers

UTC = Answers(timezone="UTC")
QUARTERS = [datetime(2024, 5, 13) + timedelta(minutes=15 * n) for n in range(192)]
Line = Callable[[int, datetime], str]


def count(place: int) -> int:
    return place * 37 % 53


def read(folder: Path, text: str, answers: Answers = UTC) -> Outcome:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    return by_init(folder, [path], answers)


def table(head: str, line: Line) -> str:
    return "\n".join([head, *(line(place, time) for place, time in enumerate(QUARTERS)), ""])


def counted(outcome: Outcome, target: str = "entries") -> dict[datetime, int | None]:
    assert outcome.landed is not None, outcome.why
    return {time: counts[target] for (_, time), counts in sorted(outcome.landed.minutes.items())}


READ: dict[str, tuple[str, Line]] = {
    "clock with a point": ("Päivä;Kello;Pysäkki;Nousijat", lambda n, t: f"{t:%d.%m.%Y};{t:%H.%M};A;{count(n)}"),
    "Hungarian date": ("Időpont;Megálló;Felszállók", lambda n, t: f"{t:%Y. %m. %d. %H:%M};A;{count(n)}"),
    "Greek": ("Ημερομηνία;Ώρα;Σταθμός;Επιβιβάσεις", lambda n, t: f"{t:%d/%m/%Y};{t:%H:%M};A;{count(n)}"),
    "port": ("Date;Time;Port;Embarked", lambda n, t: f"{t:%d.%m.%Y};{t:%H:%M};Ost;{count(n)}"),
    "net beside entries": ("time,station,entries,net_flow", lambda n, t: f"{t},A,{count(n)},{count(n) - 20}"),
}


@pytest.mark.parametrize("shape", sorted(READ))
def test_what_operators_write_is_read(tmp_path: Path, shape: str) -> None:
    head, line = READ[shape]
    expected = {time: count(place) for place, time in enumerate(QUARTERS)}
    assert counted(read(tmp_path, table(head, line))) == expected


def test_hours_of_a_day_as_columns_are_read_in_korean(tmp_path: Path) -> None:
    lines = ["사용일자,역명,구분," + ",".join(f"{hour:02}시-{hour + 1:02}시" for hour in range(24))]
    for day in (13, 14):
        lines += [
            f"2024-05-{day},A,{way}," + ",".join(str(count(day + h)) for h in range(24)) for way in ("승차", "하차")
        ]
    outcome = read(tmp_path, "\n".join(lines) + "\n")
    expected = {datetime(2024, 5, day, hour): count(day + hour) for day in (13, 14) for hour in range(24)}
    assert counted(outcome) == counted(outcome, "exits") == expected


def test_seconds_of_the_day_at_any_second_are_read(tmp_path: Path) -> None:
    stops = [(trip, stop, 18_000 + trip * 1_701 + stop * 311) for trip in range(30) for stop in range(5)]
    text = "OPD_DATE,TRIP_ID,STOP_ID,ACT_DEP_TIME,ONS,OFFS\n" + "".join(
        f"2024-05-13,{trip},S{stop},{second},{count(trip + stop)},1\n" for trip, stop, second in stops
    )
    landed = read(tmp_path, text).landed
    assert landed is not None
    for trip, stop, second in stops:
        minute = datetime(2024, 5, 13) + timedelta(minutes=second // 60)
        assert landed.minutes[f"S{stop}", minute]["entries"] == count(trip + stop)


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        ("rit_id;vertrektijd;aankomsttijd;vertrekhalte;aankomsthalte", ("A", "B")),
        ("numer;Data wynajmu;Data zwrotu;Stacja wynajmu;Stacja zwrotu", ("A", "B")),
    ],
)
def test_trips_of_further_languages_have_two_ends(tmp_path: Path, head: str, ends: tuple[str, str]) -> None:
    line: Line = lambda n, t: f"r{n};{t};{t + timedelta(minutes=7)};{ends[0]};{ends[1]}"  # noqa: E731
    landed = read(tmp_path, table(head, line)).landed
    assert landed is not None
    assert landed.minutes[ends[1], QUARTERS[3] + timedelta(minutes=7)]["exits"] == 1
    assert landed.minutes[ends[0], QUARTERS[3]] == {"entries": 1, "exits": 0}


ODD: dict[str, tuple[str, Line, str, str]] = {
    "codes of a reader": (
        "time,stop,response_code",
        lambda n, t: f"{t},A,{0 if n % 5 else 91}",
        "asked",
        "response_code",
    ),
    "net of both ways": (
        "time,station,flow",
        lambda n, t: f"{t},A,{count(n) - 20}",
        "rejected",
        "it holds differences",
    ),
    "hours among quarters": (
        "from,to,station,entries",
        lambda n, t: f"{t},{t + timedelta(minutes=15 if n % 4 else 60)},A,{count(n)}",
        "rejected",
        "48 rows count 60 minutes and the others 15",
    ),
    "kinds of school days": (
        "station,hour,day_type,boardings",
        lambda n, t: f"A,{n % 24:02}:00,{('Schooldays', 'Holidays', 'Sundays')[n // 64]},{count(n)}",
        "rejected",
        "kinds of days",
    ),
}


@pytest.mark.parametrize("case", sorted(ODD))
def test_what_would_count_people_wrong_is_asked_about_or_named(tmp_path: Path, case: str) -> None:
    head, line, kind, why = ODD[case]
    outcome = read(tmp_path, table(head, line))
    assert (outcome.kind, why in outcome.why) == (kind, True), outcome.why


def test_columns_of_two_channels_beside_a_station_are_no_stations(tmp_path: Path) -> None:
    text = table("time,station,In (A),In (B),Out (A),Out (B)", lambda n, t: f"{t},X,{n},{count(n)},{n % 7},{n % 9}")
    outcome = read(tmp_path, text, replace(UTC, numbers="people"))
    assert outcome.landed is not None, outcome.why
    assert outcome.landed.minutes["X", QUARTERS[5]] == {"in_a": 5, "in_b": count(5), "out_a": 5, "out_b": 5}


def test_days_of_a_month_as_columns_are_named(tmp_path: Path) -> None:
    text = "station,hour," + ",".join(map(str, range(1, 32))) + "\n"
    text += "".join(f"A,{h:02}:00," + ",".join(str(count(h + d)) for d in range(31)) + "\n" for h in range(24))
    outcome = read(tmp_path, text)
    assert outcome.kind == "rejected"
    assert "numbered as the days of a month" in outcome.why


@pytest.mark.parametrize("column", ["station", "gate"])
def test_a_direction_within_names_is_named(tmp_path: Path, column: str) -> None:
    head = "time,station,count" if column == "station" else "time,station,gate,count"
    names = ("A - Entry", "A - Exit") if column == "station" else ("A,G1-IN", "A,G1-OUT")
    outcome = read(tmp_path, table(head, lambda n, t: "\n".join(f"{t},{name},{count(n)}" for name in names)))
    assert outcome.kind == "rejected"
    assert f"values of column {column!r} say the direction" in outcome.why


def test_sums_among_destinations_are_asked_about_whatever_they_are_called(tmp_path: Path) -> None:
    lines = ["time,from,to,trips"]
    for place, time in enumerate(QUARTERS[::4]):
        for origin in "AB":
            counts = {name: count(place + ord(origin) * ord(name)) for name in "ABC"}
            lines += [f"{time},{origin},{name},{n}" for name, n in (counts | {"*": sum(counts.values())}).items()]
    text = "\n".join(lines) + "\n"
    asked = read(tmp_path, text)
    assert asked.kind == "asked"
    assert "--where-not 'to=*'" in asked.why
    landed = read(tmp_path, text, replace(UTC, where_not=(("to", "*"),))).landed
    assert landed is not None
    told = sum(int(line.rsplit(",", 1)[1]) for line in lines[1:] if ",*," not in line)
    assert sum(counts["entries"] or 0 for counts in landed.minutes.values()) == told


@pytest.mark.parametrize(("past_24", "kind"), [(False, "rejected"), (True, "landed")])
def test_hours_after_midnight_under_the_date_before_are_named(tmp_path: Path, past_24: bool, kind: str) -> None:
    lines = ["service_date,time,station,entries"]
    for place in range(192):
        time = datetime(2024, 5, 13, 3) + timedelta(minutes=15 * place)
        day = time - timedelta(hours=3)
        hour = time.hour + 24 * (past_24 and time.hour < 3)
        lines.append(f"{day:%Y-%m-%d},{hour:02}:{time:%M},A,{count(place)}")
    outcome = read(tmp_path, "\n".join(lines) + "\n")
    assert outcome.kind == kind, outcome.why
    assert past_24 or "from 00:00 to 02:45 stand behind the evening" in outcome.why


def test_prices_below_zero_among_people_are_asked_about(tmp_path: Path) -> None:
    text = table(
        "time,station,ticket,price",
        lambda n, t: f"{t + timedelta(seconds=n * 7 % 50)},A,K{n},{-2.5 if n % 10 == 0 else 2.5}",
    )
    asked = read(tmp_path, text)
    assert asked.kind == "asked"
    assert "--where-not 'price=-2.5'" in asked.why
    landed = counted(read(tmp_path, text, replace(UTC, where_not=(("price", "-2.5"),))))
    assert sum(n or 0 for n in landed.values()) == 192 - 20
    every = counted(read(tmp_path, text, replace(UTC, count=("none",))))
    assert sum(n or 0 for n in every.values()) == 192


def test_the_place_of_a_stop_within_its_trip_is_no_station(tmp_path: Path) -> None:
    text = "trip,stop_sequence,stop,departure,boardings,alightings\n"
    for trip in range(20):
        times = [QUARTERS[2 * trip] + timedelta(minutes=5 * stop) for stop in range(6)]
        text += "".join(f"{trip},{stop + 1},P{stop},{time},{count(trip + stop)},1\n" for stop, time in enumerate(times))
    landed = read(tmp_path, text).landed
    assert landed is not None
    assert {station for station, _ in landed.minutes} == {f"P{stop}" for stop in range(6)}


def test_times_of_the_last_second_and_halves_of_hours_are_read(tmp_path: Path) -> None:
    last = timedelta(minutes=14, seconds=59)
    expected = {time: count(place) for place, time in enumerate(QUARTERS)}
    assert counted(read(tmp_path, table("time,station,entries", lambda n, t: f"{t + last},A,{count(n)}"))) == expected
    halves = "date,halfhour,station,entries\n"
    halves += "".join(
        f"{t:%Y-%m-%d},{t.hour * 2 + t.minute // 30 + 1},A,{count(n)}\n" for n, t in enumerate(QUARTERS[::2])
    )
    assert counted(read(tmp_path, halves)) == {time: count(place) for place, time in enumerate(QUARTERS[::2])}
