"""The first batch of a day is folded as it is written, and comes to what is read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench

from tasks.ingest import run
from tasks.ingest.land import writer
from tasks.tables.rebuild import refold_day

HEADER = ("station_id", "minute_utc", "entries", "exits")


def _rows(station: str, days: int) -> list[tuple[object, ...]]:
    times = [f"2024-05-0{day}T10:{minute:02}Z" for day in range(1, days + 1) for minute in range(20)]
    return [(station, time, number % 7, "" if number % 5 == 0 else 1) for number, time in enumerate(times)]


def _ingested(folder: Path) -> Bench:
    bench = Bench.counts(folder)
    bench.put_rows("a.csv", HEADER, _rows("A", 4))
    bench.ingest()
    return bench


def test_minutes_are_those_of_a_fold_of_what_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_back = _ingested(tmp_path / "a")
    monkeypatch.setattr(writer, "FOLDED_AT_ONCE", 1)
    at_once = _ingested(tmp_path / "b")
    assert at_once.minute_files() == read_back.minute_files() != {}
    days = at_once.store.partitions("minutes")
    assert not any(refold_day(at_once.store, day, at_once.targets, lambda day: None) for day in days)


def test_a_later_file_of_the_same_days_is_folded_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FOLDED_AT_ONCE", 1)
    bench = _ingested(tmp_path)
    bench.put_rows("b.csv", HEADER, _rows("B", 2))
    bench.ingest(NOW + np.timedelta64(60, "s"))
    assert {station for station, _ in bench.truth()} == {"A", "B"}
    assert len(bench.truth()) == 4 * 20 + 2 * 20


def test_people_whom_a_first_file_leaves_unknown_stay_so_beside_another_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FOLDED_AT_ONCE", 1)
    bench = Bench.counts(tmp_path, rows="sum")
    bench.put_rows("a.csv", HEADER, [("A", "2024-05-10T10:00Z", 5, 1), ("A", "2024-05-10T10:01Z", "x", 1)])
    bench.ingest()
    bench.put_rows("b.csv", HEADER, [("A", "2024-05-10T10:01Z", 2, 1)])
    bench.ingest(NOW + np.timedelta64(60, "s"))
    assert [(minute.minute, counts) for (_, minute), counts in bench.truth().items()] == [(0, (5, 1))]


def test_an_ingest_that_ends_before_its_ledger_is_repeated_to_the_same_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _ingested(tmp_path / "a")
    monkeypatch.setattr(writer, "FOLDED_AT_ONCE", 1)
    with monkeypatch.context() as cut:
        cut.setattr(run, "write_rejects", _cut_off)
        with pytest.raises(OSError, match="cut off"):
            _ingested(tmp_path / "b")
    assert _ingested(tmp_path / "b").minute_files() == whole.minute_files()


def _cut_off(*args: object) -> list[str]:
    raise OSError("cut off")
