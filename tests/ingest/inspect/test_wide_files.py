"""Init recognises columns per interval, day and station, days in names of files, and looks at all of large sets."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_bench import at
from support.init_bench import UTC, landed, look, options

from tasks.errors import SourceError
from tasks.ingest.files.find import find_files
from tasks.ingest.inspect import pieces, samples
from tasks.ingest.inspect.answers import Answers

QUARTERS = ("07:00", "07:15", "07:30")


@pytest.mark.parametrize("names", [QUARTERS, ("0700", "0715", "0730"), ("0700-0715", "0715-0730", "0730-0745")])
def test_a_column_per_interval_becomes_rows(tmp_path: Path, names: tuple[str, ...]) -> None:
    text = f"station,date,{','.join(names)}\nA,2024-03-04,1,2,3\nB,2024-03-04,4,5,6\n"
    found = look(tmp_path, UTC, a__csv=text)
    assert options(found) == []
    assert found.network["interval_minutes"] == 15
    assert landed(tmp_path, found)["B", at("2024-03-04T07:15")] == (5,)


@pytest.mark.parametrize("form", ["in_{}", "{} in"])
def test_a_column_per_interval_and_direction_counts_both(tmp_path: Path, form: str) -> None:
    names = [form.replace("in", way).format(quarter) for quarter in QUARTERS for way in ("in", "out")]
    found = look(tmp_path, UTC, a__csv=f"station,date,{','.join(names)}\nA,2024-03-04,1,2,3,4,5,6\n")
    assert options(found) == []
    assert landed(tmp_path, found)["A", at("2024-03-04T07:15")] == (3, 4)


def test_a_column_per_day_becomes_rows(tmp_path: Path) -> None:
    rows = "".join(f"A,{quarter},{i},{10 + i},{20 + i}\n" for i, quarter in enumerate(QUARTERS, 1))
    found = look(tmp_path, UTC, a__csv="station,time,2024-03-04,2024-03-05,2024-03-06\n" + rows)
    assert options(found) == []
    assert landed(tmp_path, found)["A", at("2024-03-05T07:15")] == (12,)


def test_days_of_columns_that_can_be_months_are_asked_about(tmp_path: Path) -> None:
    rows = "".join(f"A,{quarter},{i},{10 + i},{20 + i}\n" for i, quarter in enumerate(QUARTERS, 1))
    text = "station,time,04/03/2024,05/03/2024,06/03/2024\n" + rows
    assert options(look(tmp_path, UTC, a__csv=text)) == ["--unpivot"]
    told = look(tmp_path, Answers(timezone="UTC", unpivot="%d/%m/%Y"))
    assert landed(tmp_path, told)["A", at("2024-03-05T07:15")] == (12,)


def test_a_column_per_station_is_asked_about_unless_it_says_so(tmp_path: Path) -> None:
    text = "time,north,south,west\n" + "".join(f"2024-03-04T07:{m},{m},1,2\n" for m in (15, 30, 45))
    assert options(look(tmp_path, UTC, a__csv=text)) == ["--unpivot"]
    told = look(tmp_path, Answers(timezone="UTC", unpivot="{station_id}"))
    assert landed(tmp_path, told)["south", at("2024-03-04T07:15")] == (1,)
    named = text.replace("north,south,west", "station_north,station_south,station_west")
    found = look(tmp_path, UTC, a__csv=named)
    assert options(found) == []
    assert landed(tmp_path, found)["south", at("2024-03-04T07:15")] == (1,)


def test_a_pattern_of_stations_never_takes_a_column_of_words_for_one(tmp_path: Path) -> None:
    text = "time,note,north,south\n" + "".join(f"2024-03-04T07:{m},fine,1,2\n" for m in (15, 30, 45))
    with pytest.raises(SourceError, match="'note' has no numbers"):
        look(tmp_path, Answers(timezone="UTC", unpivot="{station_id}"), a__csv=text)


def test_columns_of_stations_that_are_numbers_are_no_hours(tmp_path: Path) -> None:
    text = "time,1001,1002,1013\n" + "".join(f"2024-03-04T07:{m},{m},1,2\n" for m in (15, 30, 45))
    assert options(look(tmp_path, UTC, a__csv=text)) == ["--unpivot"]


HOURS = "station,time,riders\nA,07:00,1\nA,07:15,2\nA,07:30,3\n"


def test_days_that_the_names_of_files_say_are_read(tmp_path: Path) -> None:
    files = {f"counts_2024030{day}__csv": HOURS.replace(",1\n", f",{day}\n") for day in (4, 5)}
    found = look(tmp_path, UTC, None, **files)
    assert (options(found), found.source["path_pattern"]) == ([], "counts_%Y%m%d.csv")
    assert landed(tmp_path, found)["A", at("2024-03-05T07:00")] == (5,)


def test_the_day_of_one_file_is_asked_for_as_its_name_may_be_that_of_the_export(tmp_path: Path) -> None:
    found = look(tmp_path, UTC, counts_20240304__csv=HOURS)
    assert options(found) == ["--path-pattern"]
    assert "counts_%Y%m%d.csv" in found.questions[0].line()
    told = look(tmp_path, Answers(timezone="UTC", constants={"day": "2024-03-03"}))
    assert landed(tmp_path, told)["A", at("2024-03-03T07:00")] == (1,)


def test_a_header_within_the_rows_is_no_value(tmp_path: Path) -> None:
    head, *rows = HOURS.replace("07:", "2024-03-04 07:").splitlines(keepends=True)
    found = look(tmp_path, UTC, a__csv="".join([head, *rows, head, *(row.replace("A,", "B,") for row in rows)]))
    assert options(found) == []
    assert landed(tmp_path, found)["B", at("2024-03-04T07:15")] == (2,)


def test_a_file_of_other_columns_among_many_is_found_by_its_header(tmp_path: Path) -> None:
    files = {
        f"f{i:03d}__csv": "station,minute,riders\n"
        + "".join(f"A,2024-0{1 + i // 20}-{i % 20 + 1:02d}T07:{m},1\n" for m in (15, 30, 45))
        for i in range(60)
    }
    files["f031__csv"] = files["f031__csv"].replace("minute,riders", "minute,passengers")
    assert look(tmp_path, UTC, None, **files).source["columns"]["entries"] == ["riders", "passengers"]


@pytest.mark.parametrize("packed", [False, True])
def test_of_a_large_file_beginning_and_end_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(pieces, "WHOLE", 1000)
    monkeypatch.setattr(pieces, "PIECE", 4000)
    monkeypatch.setattr(pieces, "_CHUNK", 1000)
    lines = [f"A,0{m}/03/2024 07:{i % 60:02d},{i}\n" for m in range(1, 10) for i in range(400)]
    text = "station,minute,riders\n" + "".join(lines) + "Z,31/03/2024 07:00,7\n"
    path = tmp_path / ("large.csv.gz" if packed else "large.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    content, cut = pieces.read_pieces(find_files("init", str(path))[0])
    assert cut
    assert len(content) <= 13_000
    (table,), _ = samples.take_samples(find_files("init", str(path)), {})
    assert {"A", "Z"} == {*table.column("station").to_pylist()}
    assert set(content.decode().splitlines()) <= set(text.splitlines())


def test_of_large_parquet_some_rows_of_each_end_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "ROWS", 300)
    stations = [name for name in "ABC" for _ in range(500)]
    table = pa.table({"station": stations, "riders": range(1500)})
    pq.write_table(table, tmp_path / "large.parquet", row_group_size=500)
    content, cut = pieces.read_pieces(find_files("init", str(tmp_path / "large.parquet"))[0])
    part = pq.read_table(pa.BufferReader(content))
    assert (cut, part.num_rows, set(part["station"].to_pylist())) == (True, 300, set("ABC"))


def test_a_local_time_beside_the_same_time_in_utc_needs_no_question(tmp_path: Path) -> None:
    rows = "".join(f"A,2024-03-04 07:{m},2024-03-04 12:{m}Z,{m}\n" for m in (15, 30, 45))
    found = look(tmp_path, Answers(timezone="America/New_York"), a__csv="station,local,minute_utc,riders\n" + rows)
    assert (options(found), found.source["columns"]["minute"]) == ([], "minute_utc")
    assert options(look(tmp_path, UTC)) == ["--time"]


def test_hours_beside_a_date_with_points_are_read(tmp_path: Path) -> None:
    hours = ";".join(f"H{h:02d}" for h in range(24))
    rows = "".join(f"{s};14.03.2024;{';'.join(str(h * 5 % 7) for h in range(24))}\n" for s in "AB")
    found = look(tmp_path, a__csv=f"Haltestelle;Datum;{hours}\n{rows}")
    assert "--unpivot" not in options(found)
    assert found.notes["a row per"].startswith("column H%H")


def test_columns_called_as_places_are_asked_about_as_stations(tmp_path: Path) -> None:
    rows = "".join(f"14/03/2024,{h},{h * 5 % 7},{h + 2},{h or 'undefined'}\n" for h in range(9))
    found = look(tmp_path, a__csv="Date,Hour,State Library,Collins Place,Southbank\n" + rows)
    assert options(found) == ["--unpivot"]


def test_columns_that_are_excluded_stay_as_they_are(tmp_path: Path) -> None:
    rows = "".join(f"2024-03-04 07:{m:02d},{m},{m + 1},dry\n" for m in (0, 15, 30, 45))
    text = "time,Alpha,Beta,Weather\n" + rows
    with pytest.raises(SourceError, match="--unpivot-exclude 'Weather'"):
        look(tmp_path, Answers(timezone="UTC", unpivot="{station_id}"), a__csv=text)
    found = look(tmp_path, Answers(timezone="UTC", unpivot="{station_id}", unpivot_exclude=("Weath*",)), a__csv=text)
    assert options(found) == []
    lands = landed(tmp_path, found)
    assert {station for station, _ in lands} == {"Alpha", "Beta"}
    assert lands["Beta", at("2024-03-04T07:15")] == (16,)
