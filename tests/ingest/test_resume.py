"""A long ingest that is cut off goes on where its ledger ends, and what it owes the minute table is paid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench, Failing

from tasks.errors import StoreError
from tasks.ingest.land import transaction

HEADER = ("station_id", "minute_utc", "entries", "exits")


@pytest.fixture(autouse=True)
def _small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "KEYS", 3)


def filled(folder: Path, files: int = 11) -> Bench:
    bench = Bench.counts(folder)
    for number in range(files):
        day = 1 + number % 4
        rows = [
            ("A", f"2024-05-0{day}T10:{number:02}Z", number, 1),
            ("B", f"2024-05-0{day}T11:{number:02}Z", 1, number),
        ]
        bench.put_rows(f"{number:02}.csv", HEADER, rows)
    return bench


def writes_of(bench: Bench) -> int:
    counting = Failing(str(bench.folder / "counted"), 10**6)
    bench.ingest_into(counting)
    return 10**6 - counting.left


def test_whatever_the_write_that_it_is_cut_off_at_the_next_run_ends_in_the_same_minutes(tmp_path: Path) -> None:
    whole = filled(tmp_path)
    whole.ingest()
    for write in range(writes_of(whole)):
        bench = Bench(tmp_path, whole.source, root=f"cut-{write}")
        with pytest.raises(StoreError, match="cut off"):
            bench.ingest_into(Failing(str(tmp_path / f"cut-{write}"), write))
        bench.ingest(NOW + np.timedelta64(60, "s"))
        assert bench.minute_files() == whole.minute_files() != {}
        assert not [name for name in bench.files() if "owed" in name]
        assert bench.ingest().skipped == 11


def test_what_the_ledger_holds_already_is_not_read_again(tmp_path: Path) -> None:
    bench = filled(tmp_path)
    with pytest.raises(StoreError):
        bench.ingest_into(Failing(str(tmp_path / "root"), writes_of(bench) - 2))
    assert [name for name in bench.files() if "owed" in name]
    report = bench.ingest()
    assert (report.skipped, report.files) == (9, 2)
    assert report.days == [f"2024-05-0{day}" for day in (1, 2, 3, 4)]


def test_days_that_another_run_owes_are_folded_by_whoever_comes_next(tmp_path: Path) -> None:
    bench = filled(tmp_path, files=3)
    failing = Failing(str(tmp_path / "root"), 5)  # three batches, a note and the ledger
    with pytest.raises(StoreError):
        bench.ingest_into(failing)
    assert bench.minute_files() == {}
    report = bench.ingest()
    assert (report.skipped, report.rows, len(bench.truth())) == (3, 0, 6)
    assert bench.ingest().days == []
