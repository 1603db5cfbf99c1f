"""Files packed with bzip2 and xz are read like those of gzip, and hold no more memory when they are made to do harm."""

from __future__ import annotations

import bz2
import io
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from support.ingest_bench import Bench, at

from tasks.errors import SourceError
from tasks.ingest.files.unpack import PIECE, unpack

TEXT = b"station_id,minute,entries\n" + b"".join(b"A,2024-05-09T10:%02dZ,3\n" % m for m in range(60))
PACK: dict[str, Callable[[bytes], bytes]] = {"bzip2": bz2.compress, "xz": lzma.compress}
NAMES = {"bzip2": "f.csv.bz2", "xz": "f.csv.xz"}


def _bench(folder: Path, packing: str, content: bytes, **source: object) -> Bench:
    bench = Bench.counts(folder, {"targets": ["entries"]}, **source)
    bench.source["path"] = f"{folder}/feed"
    bench.put(NAMES[packing], content)
    return bench


@pytest.mark.parametrize("packing", PACK)
def test_a_packed_file_of_a_folder_is_read(tmp_path: Path, packing: str) -> None:
    bench = _bench(tmp_path, packing, PACK[packing](TEXT))
    assert bench.ingest().rows == 60
    assert bench.truth()["A", at("2024-05-09T10:59")] == (3,)


@pytest.mark.parametrize("packing", PACK)
def test_packed_streams_that_follow_one_another_are_one(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(PACK[packing](TEXT[:100]) + PACK[packing](TEXT[100:]) + b"\0" * 8)
    with io.FileIO(path) as file:
        assert b"".join(unpack(file, packing)) == TEXT


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(("harm", "says"), [("cut", "ends early"), ("torn", "damaged packed file")])
def test_a_packed_file_that_is_not_whole_is_rejected_by_name(
    tmp_path: Path, packing: str, harm: str, says: str
) -> None:
    whole = PACK[packing](TEXT)
    content = whole[:-30] if harm == "cut" else whole[:20] + b"\xff" * 30 + whole[50:]
    with pytest.raises(SourceError, match=says):
        _bench(tmp_path, packing, content).ingest()


@pytest.mark.parametrize("packing", PACK)
def test_a_bomb_is_rejected_in_the_memory_of_its_limit(tmp_path: Path, packing: str) -> None:
    bomb = PACK[packing](b"A" * (80 << 20))
    assert len(bomb) < 1 << 20
    bench = _bench(tmp_path, packing, bomb, max_bytes=1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="more than 1 MiB"):
            bench.ingest()
        assert tracemalloc.get_traced_memory()[1] < 6 * PIECE
    finally:
        tracemalloc.stop()


def test_an_xz_file_that_asks_for_much_memory_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.ingest.files.unpack._MEMORY", 1 << 20)
    with pytest.raises(SourceError, match="damaged packed file: Memory usage limit"):
        _bench(tmp_path, "xz", lzma.compress(TEXT)).ingest()


@pytest.mark.parametrize("packing", PACK)
def test_what_is_packed_twice_is_to_be_unpacked_once(tmp_path: Path, packing: str) -> None:
    with pytest.raises(SourceError, match=f"{packing} within what was unpacked: unpack it once"):
        _bench(tmp_path, packing, PACK[packing](PACK[packing](TEXT))).ingest()


def test_a_column_that_is_called_as_bzip2_begins_is_text(tmp_path: Path) -> None:
    columns = {"station_id": "BZh9"}
    bench = Bench.counts(tmp_path, {"targets": ["entries"]}, columns=columns)
    bench.put("f.csv", TEXT.replace(b"station_id", b"BZh9"))
    assert bench.ingest().rows == 60
