"""An event that has an id counts once, whichever files bring it, in whichever order, whatever is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench, Failing

from tasks.errors import StoreError

HEADER = ("trip", "started_at", "ended_at", "from", "to")
MINUTE = np.timedelta64(60, "s")


def bench_of(folder: Path, root: str = "root") -> Bench:
    bench = Bench.events(folder, id="trip")
    bench.root = root
    return bench


def trip(number: int | str, minute: int, station: str = "A") -> tuple[object, ...]:
    return number, f"2024-05-10T08:{minute:02}:10Z", f"2024-05-10T08:{minute + 2:02}:40Z", station, "Z"


def put(bench: Bench, name: str, trips: Sequence[tuple[object, ...]]) -> None:
    bench.put_rows(name, HEADER, trips)


def people(bench: Bench) -> tuple[int, int]:
    """All entries and exits."""
    rows = bench.truth().values()
    return sum(e or 0 for e, _ in rows), sum(x or 0 for _, x in rows)


def test_copies_within_a_file_count_once_and_the_last_one_stands(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    put(bench, "a.csv", [trip(1, 1), trip(2, 2), trip(1, 5, "B"), trip("", 6), trip("", 6)])
    report = bench.ingest()
    assert (report.rows, report.reasons) == (4, {"duplicate_event": 1})
    assert bench.rejects()[0][:2] == (2, "duplicate_event")
    assert people(bench) == (4, 4)
    told = {key[0]: sum(pair[0] or 0 for k, pair in bench.truth().items() if k[0] == key[0]) for key in bench.truth()}
    assert told == {"A": 3, "B": 1, "Z": 0}


def test_without_an_id_column_every_row_counts(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path)
    put(bench, "a.csv", [trip(1, 1), trip(1, 1)])
    bench.ingest()
    assert people(bench) == (2, 2)


def test_an_id_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, id="ride")
    put(bench, "a.csv", [trip(1, 1)])
    with pytest.raises(Exception, match="no column 'ride'"):
        bench.ingest()


@pytest.mark.parametrize("together", [True, False])
def test_files_that_overlap_count_their_common_events_once(tmp_path: Path, together: bool) -> None:
    bench = bench_of(tmp_path)
    put(bench, "a.csv", [trip(n, n) for n in range(10)])
    if not together:
        bench.ingest()
    put(bench, "b.csv", [trip(n, n) for n in range(5, 15)])
    report = bench.ingest()
    assert report.reasons == {"duplicate_event": 5}
    assert people(bench) == (15, 15)
    assert bench.ingest().rows == 0


def test_a_renamed_file_counts_nothing_again(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    put(bench, "a.csv", [trip(n, n) for n in range(10)])
    bench.ingest()
    (tmp_path / "feed" / "a.csv").rename(tmp_path / "feed" / "archived.csv")
    bench.ingest()
    assert people(bench) == (10, 10)


def test_an_event_that_its_file_gives_up_is_counted_by_the_one_that_was_refused_it(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    put(bench, "a.csv", [trip(1, 1), trip(2, 2), trip(3, 3)])
    put(bench, "b.csv", [trip(2, 2), trip(4, 4)])
    bench.ingest()
    put(bench, "a.csv", [trip(1, 1), trip(3, 3)])
    bench.ingest(NOW + MINUTE)
    bench.ingest(NOW + 2 * MINUTE)
    assert people(bench) == (4, 4)
    assert bench.ingest(NOW + 3 * MINUTE).rows == 0


def test_a_file_that_moves_to_another_day_gives_up_all_of_the_old_one(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    put(bench, "a.csv", [trip(1, 1)])
    put(bench, "b.csv", [trip(1, 1), trip(2, 2)])
    bench.ingest()
    put(bench, "a.csv", [(9, "2024-05-09T08:00Z", "2024-05-09T08:02Z", "A", "Z")])
    for later in (1, 2):
        bench.ingest(NOW + later * MINUTE)
    assert people(bench) == (3, 3)


def test_a_run_cut_off_anywhere_loses_and_doubles_nothing(tmp_path: Path) -> None:
    whole = bench_of(tmp_path, "whole")
    first = {"a.csv": [trip(1, 1), trip(2, 2), trip(3, 3)], "b.csv": [trip(2, 2), trip(4, 4)]}
    for name, trips in first.items():
        put(whole, name, trips)
    writes = 10**6
    counting = Failing(str(tmp_path / "counted"), writes)
    whole.ingest_into(counting)
    for cut in range(writes - counting.left):
        bench = bench_of(tmp_path, f"cut-{cut}")
        for name, trips in first.items():
            put(bench, name, trips)
        with pytest.raises(StoreError, match="cut off"):
            bench.ingest_into(Failing(str(tmp_path / f"cut-{cut}"), cut))
        bench.ingest()
        assert people(bench) == (4, 4)
        put(bench, "a.csv", [trip(1, 1), trip(3, 3)])
        with pytest.raises(StoreError, match="cut off"):
            bench.ingest_into(Failing(str(tmp_path / f"cut-{cut}"), cut % 4), NOW + MINUTE)
        for later in (2, 3):
            bench.ingest(NOW + later * MINUTE)
        assert people(bench) == (4, 4)
