"""Clocks that are set back, one poisoned file among a hundred, and object storage, where nothing is locked."""

from __future__ import annotations

import gzip
import io
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_bench import NOW, Bench, Failing
from support.object_store import object_store

from tasks.errors import StoreError

HEADER = ("station_id", "minute_utc", "entries", "exits")
HOUR = np.timedelta64(3600, "s")


def rows(station: str, seed: int, count: int = 12) -> list[tuple[object, ...]]:
    start = np.datetime64("2024-05-09T20:00", "m")
    return [(station, f"{start + np.timedelta64(i, 'm')}Z", (7 * i + seed) % 23, i % 5) for i in range(count)]


@pytest.mark.parametrize("back", [1, 7])
def test_what_a_file_says_after_the_clock_was_set_back_counts(tmp_path: Path, back: int) -> None:
    bench = Bench.counts(tmp_path)
    receipts = []
    for number, as_of in enumerate((NOW, NOW - back * HOUR, NOW - 2 * HOUR, NOW + HOUR)):
        bench.put_rows("f.csv", HEADER, rows("A", number))
        bench.ingest(as_of)
        assert [e for e, _ in bench.truth().values()] == [e for _, _, e, _ in rows("A", number)]
        receipts.append(max(row["received_at"] for row in bench.table("observations")))
    assert receipts == sorted(set(receipts))


def poisons() -> dict[str, tuple[str, bytes, str]]:
    """Name, bytes and reason of files that cannot be used."""
    text = "\n".join([",".join(HEADER), *(",".join(map(str, row)) for row in rows("P", 1))]).encode()
    parquet = io.BytesIO()
    pq.write_table(pa.table({"station_id": ["P"], "minute_utc": ["2024-05-09T20:00Z"], "entries": [1]}), parquet)
    broken = bytearray(parquet.getvalue())
    broken[-20:-8] = b"\xff" * 12
    return {
        "garbage": ("p050.csv", bytes(range(256)) * 40, "not_utf8"),
        "truncated gzip": ("p050.csv.gz", gzip.compress(text, mtime=0)[:-9], "unreadable_file"),
        "broken footer": ("p050.parquet", bytes(broken), "unreadable_file"),
        "no such column": ("p050.csv", text.replace(b"station_id", b"station"), "missing_column"),
        "open quote": ("p050.csv", text.replace(b"P", b'"P', 1) + b"\n\n", "unreadable_file"),
    }


def hundred_files(folder: Path) -> Bench:
    """A hundred files but the one in their midst."""
    bench = Bench.counts(folder)
    for number in (*range(50), *range(51, 101)):
        bench.put_rows(f"p{number:03}.csv", HEADER, rows(f"S{number}", number, 4))
    return bench


@pytest.fixture(scope="module")
def wanted_minutes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the hundred files come to alone."""
    good = hundred_files(tmp_path_factory.mktemp("good"))
    good.ingest()
    return good.minute_files()


@pytest.mark.parametrize("poison", poisons())
def test_of_a_hundred_files_and_a_poisoned_one_the_hundred_land(
    tmp_path: Path, poison: str, wanted_minutes: dict[str, bytes]
) -> None:
    name, data, reason = poisons()[poison]
    bench = hundred_files(tmp_path)
    (tmp_path / "feed" / name).write_bytes(data)
    report = bench.ingest()
    assert bench.minute_files() == wanted_minutes != {}
    assert (report.files, len(report.failures), report.reasons) == (100, 1, {reason: 1})
    assert [(line, why) for line, why, _ in bench.rejects()] == [(0, reason)]
    bench.ingest()
    assert len(bench.rejects()) == 1


INGEST = """
import os, signal, sys
import numpy as np
from support.ingest_bench import Bench, Failing
from pathlib import Path

class Dying(Failing):
    def write_bytes(self, path, data):
        if self.left <= 0:
            out = self.fs.open_output_stream(self.at(path), compression=None)
            out.write(data[: len(data) // 2])
            out.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        super().write_bytes(path, data)

bench = Bench.counts(Path(sys.argv[1]))
bench.root = sys.argv[2]
bench.ingest_into(Dying(bench.data_root, int(sys.argv[3])), np.datetime64(sys.argv[4]))
"""


def started(bench: Bench, writes: int = 10**6) -> subprocess.Popen[bytes]:
    """An ingest in a process of its own, which dies in the midst of a write."""
    return subprocess.Popen([sys.executable, "-c", INGEST, str(bench.folder), bench.root, str(writes), str(NOW)])


@pytest.mark.usefixtures("python_path")
def test_on_object_storage_a_rerun_after_any_kill_and_two_at_once_end_in_the_same_bytes(tmp_path: Path) -> None:
    here = Bench.counts(tmp_path)
    for name in ("a.csv", "b.csv.gz"):
        here.put_rows(name, HEADER, [*rows(name, 1, 24), (name, "never", 1, 1)])
    here.ingest()
    with object_store() as server:
        for killed in (1, 4):
            there = Bench(tmp_path, here.source, root=server.root())
            assert started(there, killed).wait(timeout=60) == -signal.SIGKILL
            there.ingest()
            assert there.files("ledger") == here.files("ledger"), killed
        for writes in (0, 3, 6):
            there = Bench(tmp_path, here.source, root=server.root())
            with pytest.raises(StoreError, match="cut off"):
                there.ingest_into(Failing(there.data_root, writes))
            there.ingest()
            assert there.files("ledger") == here.files("ledger"), writes
        there = Bench(tmp_path, here.source, root=server.root())
        assert [process.wait(timeout=60) for process in [started(there) for _ in range(2)]] == [0, 0]
        assert there.files("ledger") == here.files("ledger")


@pytest.fixture
def python_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children import what the tests import."""
    tests = Path(__file__).resolve().parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{tests.parent}:{tests}")
