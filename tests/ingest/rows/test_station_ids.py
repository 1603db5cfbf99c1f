"""Ids of stations that tools took for numbers name the same stations as text does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.ingest_bench import NOW, Bench

from tasks.errors import SourceError
from tasks.ingest.rows.parse_values import AMBIGUOUS, BLANK, read_station_ids

HOUR = "2024-05-10T10:{:02d}Z"


def ids(column: pa.Array, aliases: dict[str, str] | None = None) -> list[str | int]:
    codes, names = read_station_ids(column, aliases or {})
    return [names[code] if code >= 0 else int(code) for code in codes]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["72", "5379.1", None]),
        pa.array(["72.0", " 5379.10", ""]),
        pa.array(["72.00", "5379.100", " "]).dictionary_encode(),
        pa.array([72.0, 5379.1, None]),
        pa.array([72.0, 5379.1, np.nan]),
        pa.array([72.0, 5379.1, np.inf], pa.float64()),
        pa.array([72.0, 5379.1, None], pa.float32()),
        pa.array([Decimal("72.00"), Decimal("5379.10"), None], pa.decimal128(10, 2)),
    ],
)
def test_a_number_is_the_same_id_however_it_is_written(column: pa.Array) -> None:
    assert ids(column) == ["72", "5379.1", BLANK]


def test_whole_numbers_of_every_width_are_ids() -> None:
    for kind in (pa.int8(), pa.uint16(), pa.int32(), pa.int64(), pa.uint64()):
        assert ids(pa.array([72, None], kind)) == ["72", BLANK]


@pytest.mark.parametrize("name", ["007", "007.0", "1.2.0", "v1.0", "1,0", "1e3", "72.", ".50", "A.10"])
def test_what_is_no_plain_number_stays_as_it_is_written(name: str) -> None:
    assert ids(pa.array([name])) == [name]


def test_two_texts_of_one_column_that_are_one_number_may_be_two_stations() -> None:
    column = pa.array(["1.1", "1.10", "1.2", "72", "72.0"])
    assert ids(column) == [AMBIGUOUS, AMBIGUOUS, "1.2", "72", "72"]
    assert ids(column, {"1.10": "1.1"}) == ["1.1", "1.1", "1.2", "72", "72"]
    assert ids(column, {"1.10": "1.10"}) == ["1.1", "1.10", "1.2", "72", "72"]


def test_aliases_name_an_id_as_it_is_written_or_as_it_is_read() -> None:
    assert ids(pa.array([5379.1, 72.0]), {"5379.10": "5379.1", "72.0": "HB101"}) == ["5379.1", "HB101"]
    assert ids(pa.array(["5379.10", "5379.1"]), {"5379.1": "5379.10", "5379.10": "5379.10"}) == ["5379.10"] * 2
    assert ids(pa.array(["5379.100"]), {"5379.1": "5379.10"}) == ["5379.10"]


def test_months_with_ids_of_different_types_are_counted_at_one_station(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, network={"targets": ["entries"]})
    bench.source["events"] = {"entries": {"time": "at", "station_id": "from"}}
    bench.put("1.csv", f"at,from\n{HOUR.format(1)},72\n{HOUR.format(1)},5379.10\n")
    bench.put("2.csv", f"at,from\n{HOUR.format(1)},72.0\n")
    times = pa.array([np.datetime64("2024-05-10T10:01", "us")] * 2)
    bench.put("3.parquet", pa.table({"at": times, "from": pa.array([5379.1, 72.0])}))
    assert bench.ingest().rejected == 0
    assert {station: count for (station, _), (count,) in bench.truth().items()} == {"72": 3, "5379.1": 2}


def test_aliases_are_applied_and_another_one_reads_the_files_again(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put("a.csv", f"station_id,minute_utc,entries\n72.0,{HOUR.format(1)},3\nHB,{HOUR.format(2)},4\n")
    bench.stations = {"aliases": {"HB": "72"}}
    bench.ingest()
    assert {station for station, _ in bench.truth()} == {"72"}
    bench.stations = {"aliases": {"HB": "73"}}
    assert bench.ingest(np.datetime64("2024-05-10T12:10:00", "s")).rows == 2
    assert {station for station, _ in bench.truth()} == {"72", "73"}


@pytest.mark.parametrize("rows", ["last", "sum"])
def test_an_alias_that_is_added_later_makes_two_stations_one_and_counts_nobody_twice(tmp_path: Path, rows: str) -> None:
    header = ("station_id", "minute_utc", "entries")
    bench = Bench.counts(tmp_path, rows=rows)
    bench.put_rows("a.csv", header, [("Main st", HOUR.format(0), 3), ("Main St", HOUR.format(1), 4)])
    bench.put_rows("gone.csv", header, [("Main st", HOUR.format(2), 5)])
    bench.ingest()
    (tmp_path / "feed" / "gone.csv").unlink()  # of a file that is read no more its people stay where they were
    bench.stations = {"aliases": {"Main st": "Main St"}}
    for minutes in (1, 2):
        bench.ingest(NOW + np.timedelta64(minutes, "m"))
        found = {(station, minute.minute): pair[0] for (station, minute), pair in bench.truth().items() if pair[0]}
        assert found == {("Main St", 0): 3, ("Main St", 1): 4, ("Main st", 2): 5}


def test_an_id_that_may_be_two_stations_is_rejected_by_name(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    rows = "".join(f"{name},{HOUR.format(1)},3\n" for name in ("1.1", "1.10", "2"))
    bench.put("a.csv", f"station_id,minute_utc,entries\n{rows}")
    assert bench.ingest().reasons == {"ambiguous_station": 2}
    assert {station for station, _ in bench.truth()} == {"2"}


def test_a_data_root_that_holds_an_id_as_it_was_written_gets_no_second_station(tmp_path: Path) -> None:
    header = ("station_id", "minute_utc", "entries")
    earlier = replace(Bench.counts(tmp_path), stations={"aliases": {"72.0": "72.0"}})  # as releases before wrote it
    earlier.put_rows("a.csv", header, [("72.0", HOUR.format(0), 5)])
    earlier.ingest()
    now = Bench.counts(tmp_path)
    now.put_rows("b.csv", header, [("72", HOUR.format(1), 6)])
    with pytest.raises(SourceError, match=r"'72.0' of .* is read as '72' now.*aliases = { \"72\" = \"72.0\" }"):
        now.ingest()
    assert {station for station, _ in now.truth()} == {"72.0"}
    mended = replace(Bench.counts(tmp_path), stations={"aliases": {"72": "72.0"}})
    mended.ingest()
    assert {(station, minute.minute): pair[0] for (station, minute), pair in mended.truth().items()} == {
        ("72.0", 0): 5,
        ("72.0", 1): 6,
    }
