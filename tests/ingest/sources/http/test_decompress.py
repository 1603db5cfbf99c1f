"""Packed bytes however they are cut, and fields however they are nested."""

from __future__ import annotations

import gzip
import zlib

import pyarrow as pa
import pytest

from tasks.ingest.formats.json_records import MISSING, Records, at
from tasks.ingest.sources.http.concat import JoinedColumns
from tasks.ingest.sources.http.decompress import Unpacker

TEXT = b"station_id,minute_utc,entries\n" * 20
_RAW = zlib.compressobj(wbits=-15)
PACKED = {
    "gzip": gzip.compress(TEXT[:300]) + gzip.compress(TEXT[300:]) + bytes(64),
    "deflate": zlib.compress(TEXT),
    "raw": _RAW.compress(TEXT) + _RAW.flush(),
    "identity": TEXT,
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_packed_bytes_are_unpacked_however_they_are_cut(packing: str, size: int) -> None:
    unpacker = Unpacker("x", "deflate" if packing == "raw" else packing, 1000)
    for start in range(0, len(PACKED[packing]), size):
        unpacker.add(PACKED[packing][start : start + size])
    assert unpacker.content() == TEXT


def test_a_field_is_found_at_a_dotted_path_or_by_a_name_with_dots() -> None:
    record = {"a": {"b": {"c": 1}}, "a.b": 2, "n": None}
    assert [at(record, path) for path in ("a.b.c", "a.b", "n", "")] == [1, 2, None, record]
    assert [at(record, path) for path in ("a.c", "n.x", "a.b.c.d")] == [MISSING] * 3


def test_a_column_that_one_document_lacks_is_null_there() -> None:
    first, second = (Records.of(rows, "", b"", "", ["a", "b"]) for rows in ([{"a": 1, "b": 2}], [{"a": 3}]))
    both = JoinedColumns([first, second], [1, 1])
    assert (both.rows, list(both.names)) == (2, ["a", "b"])
    assert both.column("b") == pa.array(["2", None], pa.string())
