"""Parquet of every kind of station, count and time, as other programs write it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_bench import Bench, Truth, at

from tasks.errors import SourceError
from tasks.ingest.formats.decode import decode
from tasks.ingest.rejects import FileProblem

AFTER = np.datetime64("2024-06-01T00:00:00")
WHEN = np.array(["2024-05-10T10:00:00"], dtype="datetime64[ns]")
COUNTS = [
    *(pa.array([7], kind()) for kind in (pa.int8, pa.int16, pa.int32, pa.int64)),
    *(pa.array([7], kind()) for kind in (pa.uint8, pa.uint16, pa.uint32, pa.uint64)),
    *(pa.array([7.0], kind()) for kind in (pa.float32, pa.float64)),
    pa.array(np.array([7], dtype=np.float16)),
    pa.array([Decimal("7.00")], pa.decimal128(9, 2)),
    pa.array([Decimal("7")], pa.decimal256(50, 0)),
    *(pa.array(["7"], kind()) for kind in (pa.string, pa.large_string, pa.string_view)),
    pa.array([b"7"], pa.binary()),
    pa.array(["7"]).dictionary_encode(),
]
TIMES = [
    *(pa.array(WHEN.astype(f"datetime64[{unit}]")) for unit in ("s", "ms", "us", "ns")),
    pa.array(WHEN).cast(pa.timestamp("ms")).cast(pa.timestamp("ms", "UTC")),
    pa.array(["2024-05-10 10:00:00"], pa.large_string()),
    pa.array(["2024-05-10T19:00:00+09:00"]).dictionary_encode(),
]


def landed(folder: Path, zone: str = "UTC", int96: bool = False, **columns: pa.Array) -> Truth:
    usual = {"station_id": pa.array(["7"]), "minute": pa.array(WHEN), "entries": pa.array([7])}
    bench = Bench.counts(folder, {"targets": ["entries"]}, timezone=zone)
    bench.put("f.parquet", "")
    pq.write_table(pa.table({**usual, **columns}), folder / "feed/f.parquet", use_deprecated_int96_timestamps=int96)
    assert bench.ingest(AFTER).rejected == 0
    return bench.truth()


@pytest.mark.parametrize("count", COUNTS, ids=lambda column: str(column.type))
def test_a_count_of_any_type_is_read(tmp_path: Path, count: pa.Array) -> None:
    assert landed(tmp_path, entries=count) == {("7", at("2024-05-10T10:00")): (7,)}


@pytest.mark.parametrize("station", COUNTS, ids=lambda column: str(column.type))
def test_a_station_of_any_type_is_one_station(tmp_path: Path, station: pa.Array) -> None:
    assert landed(tmp_path, station_id=station) == {("7", at("2024-05-10T10:00")): (7,)}


@pytest.mark.parametrize("time", TIMES, ids=lambda column: str(column.type))
def test_a_time_of_any_type_is_read(tmp_path: Path, time: pa.Array) -> None:
    assert landed(tmp_path, minute=time) == {("7", at("2024-05-10T10:00")): (7,)}


def test_int96_is_a_moment_in_utc_and_other_times_are_local(tmp_path: Path) -> None:
    assert list(landed(tmp_path / "a", "Asia/Seoul", int96=True)) == [("7", at("2024-05-10T10:00"))]
    assert list(landed(tmp_path / "b", "Asia/Seoul")) == [("7", at("2024-05-10T01:00"))]


def test_a_million_columns_of_parquet_are_too_many(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put("f.parquet", pa.table({str(i): [1] for i in range(6_000)}))
    with pytest.raises(SourceError, match="has 6,000 columns"):
        bench.ingest(AFTER)


def test_what_structs_hold_are_columns_of_their_own(tmp_path: Path) -> None:
    stop = pa.array([{"id": "A", "at": {"zone": 1}}, None, {"id": "B", "at": None}])
    table = pa.table({"stop": stop, "a.b": [7, 8, 9]})
    pq.write_table(table, tmp_path / "f.parquet")
    read = decode("f", (tmp_path / "f.parquet").read_bytes())
    assert read.names == ["stop.id", "stop.at.zone", "a.b"]
    assert [read.column(name).to_pylist() for name in read.names] == [["A", None, "B"], [1, None, None], [7, 8, 9]]


def test_structs_within_structs_have_an_end(tmp_path: Path) -> None:
    kind, value = pa.int64(), 1
    for _ in range(40):
        kind, value = pa.struct([("x", kind)]), {"x": value}  # type: ignore[assignment]
    pq.write_table(pa.table({"x": pa.array([value], kind), "n": [1]}), tmp_path / "f.parquet")
    read = decode("f", (tmp_path / "f.parquet").read_bytes())
    assert read.column("n").to_pylist() == [1]
    with pytest.raises(FileProblem, match="give text, numbers or times"):
        read.column(read.names[0])
