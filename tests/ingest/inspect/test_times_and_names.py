"""Ways of writing times, names and files that init knows by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.ingest_bench import at
from support.shapes_bench import Outcome, by_init

from tasks.ingest.inspect.answers import Answers
from tasks.ingest.inspect.words import words_of

TIMES = [datetime(2024, 5, 13, 6) + i * timedelta(minutes=15) for i in range(96)]
PEOPLE = [i * 7 % 23 for i in range(96)]


def read(folder: Path, text: str | bytes, zone: str | None = "UTC", name: str = "a.csv", **answers: str) -> Outcome:
    """One file through init."""
    (folder / "feed").mkdir(exist_ok=True)
    (folder / "feed" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return by_init(folder, [folder / "feed"], Answers(timezone=zone, **answers))  # type: ignore[arg-type]


def rows(line: Callable[[datetime, int], str], head: str = "time,station,entries") -> str:
    return "\n".join([head, *map(line, TIMES, PEOPLE), ""])


def counted(outcome: Outcome) -> list[int | None]:
    """Entries of all minutes, in their order."""
    assert outcome.landed is not None, outcome.why
    return [counts["entries"] for _, counts in sorted(outcome.landed.minutes.items())]


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d-%H.%M.%S.000000",
        "%d-%b-%Y %I.%M.%S.000000000 %p",
        "%d%b%Y:%H:%M:%S",
        "%a %b %d %H:%M:%S %Y",
        "%H:%M %d/%m/%Y",
        "%d.%m.%Y, %H:%M Uhr",
        "%Y-%m-%dT%H:%M:00+00:00[Etc/UTC]",
    ],
)
def test_times_are_read_as_databases_and_tools_write_them(tmp_path: Path, form: str) -> None:
    outcome = read(tmp_path, rows(lambda t, n: f'"{t.strftime(form)}",A,{n}'))
    assert counted(outcome) == PEOPLE
    assert outcome.landed is not None
    assert ("A", at("2024-05-13T06:00")) in outcome.landed.minutes


def test_short_names_of_zones_are_read_on_the_clocks_of_the_city(tmp_path: Path) -> None:
    zone = ZoneInfo("America/New_York")
    local = [(t.replace(month=11, day=3, tzinfo=ZoneInfo("UTC"))).astimezone(zone) for t in TIMES[:24]]
    text = "time,station,entries\n" + "".join(
        f"{t:%Y-%m-%d %H:%M:%S %Z},A,{n}\n" for t, n in zip(local, PEOPLE, strict=False)
    )
    assert read(tmp_path, text, None).kind == "asked"
    assert counted(read(tmp_path, text, zone.key)) == PEOPLE[:24]
    assert read(tmp_path, text, "UTC").kind == "rejected"


def test_fractions_of_hours_are_asked_about_where_they_may_be_minutes(tmp_path: Path) -> None:
    quarters = rows(lambda t, n: f"{t:%Y-%m-%d},{t.hour + t.minute / 60:g},A,{n}", "date,hour,station,entries")
    assert counted(read(tmp_path, quarters)) == PEOPLE
    parts = rows(lambda t, n: f"{t:%Y-%m-%d},{(t.hour * 60 + t.minute) / 1440:.10f},A,{n}", "date,time,station,entries")
    assert counted(read(tmp_path, parts)) == PEOPLE
    either = rows(lambda t, n: f"{t:%Y-%m-%d},{t.hour}.{'03'[t.minute > 20]},A,{n}", "date,hour,station,entries")
    outcome = read(tmp_path, either)
    assert outcome.kind == "asked"
    assert '"%Y-%m-%d decimal_hour"' in outcome.why


def test_a_column_per_date_and_direction_is_turned(tmp_path: Path) -> None:
    days = ("2024-05-13", "2024-05-14", "2024-05-15")
    head = "station,time," + ",".join(f"{day} {way}" for day in days for way in ("Entries", "Exits"))
    text = (
        head
        + "\n"
        + "".join(f"A,{h:02d}:00," + ",".join(f"{PEOPLE[h]}{i}" for i in range(6)) + "\n" for h in range(24))
    )
    outcome = read(tmp_path, text)
    assert outcome.landed is not None, outcome.why
    assert outcome.landed.minutes["A", at("2024-05-14T07:00")] == {
        "entries": 10 * PEOPLE[7] + 2,
        "exits": 10 * PEOPLE[7] + 3,
    }


def test_a_column_per_month_is_no_time_of_day(tmp_path: Path) -> None:
    head = "station,date," + ",".join(f"2023-{month:02d}" for month in range(1, 13))
    text = head + "\n" + "".join(f"A,2024-05-{day},{','.join('7' * 12)}\n" for day in range(10, 28))
    assert read(tmp_path, text).kind != "landed"


def test_labels_that_are_written_once_per_block_are_rejected_by_name(tmp_path: Path) -> None:
    text = rows(lambda t, n: f"{'' if t.hour or t.minute else 'A'},{t},{n}", "station,time,entries")
    outcome = read(tmp_path, text)
    assert outcome.kind == "rejected"
    assert "column 'station' is blank in 99% of the rows" in outcome.why


@pytest.mark.parametrize(
    ("head", "encoding", "zone"),
    [
        ("日期,时间,站点名称,进站人数", "gb18030", "Asia/Shanghai"),
        ("日期,時間,站名,進站人次", "big5", "Asia/Taipei"),
        ("日付,時刻,駅名,入場人数", "shift_jis", "Asia/Tokyo"),
        ("Дата,Время,Станция,Вход", "cp1251", "Europe/Moscow"),
        ("תאריך,שעה,תחנה,כניסות", "utf-8", "Asia/Jerusalem"),
        ("التاريخ,الوقت,المحطة,الدخول", "utf-8", "Asia/Dubai"),
    ],
)
def test_headers_tell_the_encoding_by_the_words_that_they_have(
    tmp_path: Path, head: str, encoding: str, zone: str
) -> None:
    text = rows(lambda t, n: f"{t:%Y-%m-%d},{t:%H:%M},{head[0]},{n}", head)
    outcome = read(tmp_path, text.encode(encoding), zone)
    assert counted(outcome) == PEOPLE
    assert outcome.landed is not None
    assert {station for station, _ in outcome.landed.minutes} == {head[0]}


@pytest.mark.parametrize(
    "head",
    [
        "PULocationID,DOLocationID,tpep_pickup_datetime,tpep_dropoff_datetime",
        "PUlocationID,DOlocationID,pickup_datetime,dropOff_datetime",
        "in_station,out_station,in_time,out_time",
        "Station Ausleihe,Station Rückgabe,Ausleihe,Rückgabe",
        "대여 대여소번호,반납대여소번호,대여일시,반납일시",
    ],
)
def test_both_ends_of_trips_are_found_by_their_names(tmp_path: Path, head: str) -> None:
    ride = timedelta(minutes=7)
    outcome = read(tmp_path, rows(lambda t, n: f"S{n % 3},S{n % 5},{t}:01,{t + ride}:02".replace(":00:0", ":0"), head))
    assert outcome.landed is not None, outcome.why
    people = [sum(each[way] or 0 for each in outcome.landed.minutes.values()) for way in ("entries", "exits")]
    assert people == [96, 96]
    assert outcome.landed.minutes["S2", at("2024-05-13T06:22")]["exits"] == 1


def test_an_array_far_longer_than_the_others_is_that_of_the_rows(tmp_path: Path) -> None:
    records = [
        {"time": f"{t:%Y-%m-%dT%H:%M}", "station": "A", "entries": n} for t, n in zip(TIMES, PEOPLE, strict=True)
    ]
    document = {"fields": [{"id": "time"}, {"id": "station"}], "result": {"records": records}}
    assert counted(read(tmp_path, json.dumps(document), name="a.json")) == PEOPLE
    twin = {"first": records, "second": records}
    assert read(tmp_path, json.dumps(twin), name="a.json").kind == "rejected"


def test_a_database_is_called_by_its_name(tmp_path: Path) -> None:
    outcome = read(tmp_path, b"SQLite format 3\x00" + bytes(200) + "ü".encode("latin-1") * 9)
    assert outcome.kind == "rejected"
    assert "SQLite" in outcome.why


def test_names_that_are_parted_by_signs_are_one_word() -> None:
    assert words_of("dropOff_datetime") == words_of("drop_off datetime") == ("dropoff", "datetime")
    assert words_of("PULocationID") == ("pickup", "location", "id")


def test_groups_of_two_digits_are_those_of_india(tmp_path: Path) -> None:
    many = {n: f'"{n % 9 + 1},{n % 10}{n // 10},003"' for n in range(10, 23)}
    outcome = read(tmp_path, rows(lambda t, n: f"{t},A,{many.get(n, n)}"))
    told = [int(many[n].strip('"').replace(",", "")) if n in many else n for n in PEOPLE]
    assert counted(outcome) == told
