"""Files with a column per interval or station, and columns that a source or a path says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.ingest_bench import Bench, at
from support.repair_bench import edited, replayed, written

from tasks.errors import ConfigError, SourceError

AFTER = np.datetime64("2024-06-01T00:00:00")
WIDE: dict[str, Any] = {"unpivot": {"pattern": "%H%M-*"}, "constants": {"day": "2024-05-10"}, "timezone": "UTC"}
COLUMNS = {"station_id": "Station", "minute": ["day", "interval"], "entries": "value"}


def put(folder: Path, text: str, name: str = "f.csv", **more: Any) -> Bench:
    bench = Bench.counts(folder, {"targets": ["entries"], "interval_minutes": 15}, **{"columns": COLUMNS, **more})
    bench.put(name, text)
    return bench


def truth(bench: Bench) -> dict[str, int | None]:
    bench.ingest(AFTER)
    return {f"{station} {minute:%d %H:%M}": counts[0] for (station, minute), counts in bench.truth().items()}


def test_each_column_of_an_interval_becomes_a_row_and_hours_go_on_past_midnight(tmp_path: Path) -> None:
    bench = put(tmp_path, "Station,2330-2345,2345-0000,0000-0015\nBank,1,2,3\nKings Cross,4,5,\n", **WIDE)
    found = truth(bench)
    assert {key: found[key] for key in sorted(found)[:3]} == {
        "Bank 10 23:30": 1,
        "Bank 10 23:45": 2,
        "Bank 11 00:00": 3,
    }
    assert found["Kings Cross 10 23:45"] == 5


def test_columns_in_no_order_are_rejected_since_their_day_cannot_be_told(tmp_path: Path) -> None:
    for number, header in enumerate(("0515-0530,0500-0515,0530-0545", "0500-0515,0530-0545,0515-0530,0545-0600")):
        bench = put(tmp_path / str(number), f"Station,{header}\nBank,1,2,3{',4' * number}\n", **WIDE)
        with pytest.raises(SourceError, match="times of its columns are in no order"):
            bench.ingest(AFTER)


def test_a_column_per_station_is_read(tmp_path: Path) -> None:
    more: dict[str, Any] = {"unpivot": {"pattern": "{station_id}"}, "columns": {"minute": "when", "entries": "value"}}
    bench = put(tmp_path, "when,Bank,A/B street\n2024-05-10T10:00Z,1,2\n2024-05-10T10:15Z,3,x\n", **more)
    assert truth(bench) == {"Bank 10 10:00": 1, "A/B street 10 10:00": 2, "Bank 10 10:15": 3}
    assert bench.rejects() == [(3, "not_a_number", "A/B street=x: 2024-05-10T10:15Z,3,x")]
    replayed(bench, edited(written(bench), lambda row: row.update({"A/B street": "4"})), AFTER + np.timedelta64(1, "m"))
    assert truth(bench)["A/B street 10 10:15"] == 4


@pytest.mark.parametrize("pattern", ["{station_id} {way}", "{way} {station_id}"])
def test_a_station_of_several_words_is_read_whole(tmp_path: Path, pattern: str) -> None:
    names = [pattern.format(station_id="Bridge North", way=way) for way in ("IN", "OUT")]
    columns = {"minute": "when", "entries": {"column": "value", "where": {"way": ["IN"]}}}
    more: dict[str, Any] = {"unpivot": {"pattern": pattern}, "columns": columns}
    bench = put(tmp_path, f"when,{','.join(names)}\n2024-05-10T10:00Z,1,2\n", **more)
    assert truth(bench) == {"Bridge North 10 10:00": 1}


def test_a_target_and_a_clock_of_twelve_hours_may_stand_in_the_name(tmp_path: Path) -> None:
    text = "Station,In 11:30 AM,In 12:00 PM,Out 11:30 AM\nBank,1,2,3\n"
    more: dict[str, Any] = {**WIDE, "unpivot": {"pattern": "{kind} %I:%M %p", "value": "n"}}
    columns = {**COLUMNS, "entries": {"column": "n", "where": {"kind": ["In"]}}}
    assert truth(put(tmp_path, text, **{**more, "columns": columns})) == {"Bank 10 11:30": 1, "Bank 10 12:00": 2}


def test_a_column_per_day_gives_whole_dates(tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "unpivot": {"pattern": "%Y-%m-%d"},
        "columns": {**COLUMNS, "minute": ["interval", "hour"]},
        "timezone": "UTC",
    }
    text = "Station,hour,2024-05-10,2024-05-11\nBank,07:15,1,2\n"
    assert truth(put(tmp_path, text, **more)) == {"Bank 10 07:15": 1, "Bank 11 07:15": 2}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Station,a,b\nBank,1,2\n", "has no column that fits unpivot.pattern '%H%M-"),
        ("Station,value,0500-0515\nBank,1,2\n", "has a column 'value' itself: correct unpivot"),
        ("Station,0500-0515,0500-0515\nBank,1,2\n", "two columns '0500-0515'"),
        (
            "Station," + ",".join(f"0500-{n}" for n in range(4_000)) + "\n" + f"B{',' * 4_000}\n" * 400,
            "has 1,600,000 rows",
        ),
        ("Station" + ",0500-0515" * 1_000_000 + "\n", "line longer than|has 1,000,001 columns"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(SourceError, match=line):
        put(tmp_path, text, max_bytes=32 << 20, **WIDE).ingest(AFTER)


@pytest.mark.parametrize("pattern", ["x", "%d-%m", "%Q", "{a b}", "%H%H", "{a}{a}"])
def test_patterns_that_say_nothing_or_no_year_are_rejected_on_load(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigError, match="unpivot"):
        _ = put(tmp_path, "", unpivot={"pattern": pattern}).settings


def test_folders_and_the_name_of_a_file_say_columns_that_it_lacks(tmp_path: Path) -> None:
    text = "stop,hour,n\nA,07:15,1\n"
    columns = {"station_id": "stop", "minute": ["path_date", "hour"], "entries": "n"}
    name = "line=red%20one/entries_20240510.csv"
    more: dict[str, Any] = {
        "path_pattern": "{kind}_%Y%m%d.csv",
        "where": {"kind": ["entries"], "line": ["red one"]},
        "timezone": "UTC",
    }
    bench = put(tmp_path, text, name, columns=columns, path=f"{tmp_path}/feed/**", **more)
    assert truth(bench) == {"A 10 07:15": 1}


def test_what_the_file_says_itself_counts_more_than_its_folder_but_no_constant_hides_it(tmp_path: Path) -> None:
    text = "station_id,minute_utc,n\nA,2024-05-10T10:00Z,1\n"
    columns = {"entries": "n"}
    bench = put(tmp_path, text, "station_id=B/f.csv", columns=columns, path=f"{tmp_path}/feed/**")
    assert truth(bench) == {"A 10 10:00": 1}
    bench = put(tmp_path / "other", text, columns=columns, constants={"n": "2"})
    with pytest.raises(SourceError, match="has a column 'n' itself: leave it out of constants"):
        bench.ingest(AFTER)


def test_a_path_that_does_not_fit_is_named(tmp_path: Path) -> None:
    for number, name in enumerate(("x_2024.csv", "x_20241399.csv")):
        with pytest.raises(SourceError, match="does not fit path_pattern"):
            put(tmp_path / str(number), "a\n1\n", name, path_pattern="{kind}_%Y%m%d.csv").ingest(AFTER)


def test_parquet_with_a_column_per_interval_of_other_types_is_read(tmp_path: Path) -> None:
    table = pa.table(
        {"Station": ["Bank"], "0500-0515": pa.array([1], pa.int8()), "0515-0530": [2.0], "0530-0545": ["3"]}
    )
    bench = put(tmp_path, "", "x.csv", **WIDE)
    bench.source["path"] = f"{tmp_path}/feed/*.parquet"
    bench.put("f.parquet", table)
    assert list(truth(bench).values()) == [1, 2, 3]
    assert at("2024-05-10T05:00") in {minute for _, minute in bench.truth()}
