"""Whether rows add up may change after data has landed: everyone is counted once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench

HEADER = ("station_id", "minute_utc", "entries", "exits")
LATER = NOW + np.timedelta64(1, "h")


def _bench(folder: Path, rows: str | None, root: str) -> Bench:
    bench = Bench.counts(folder, {"interval_minutes": 15}, rows=rows)
    bench.root = root
    for name in ("a", "b"):
        gates = [
            (station, f"2024-05-{day:02d}T10:{15 * n:02d}Z", n + gate, gate)
            for day in (8, 9)
            for station in ("A", name)
            for n in range(3)
            for gate in (2, 5)
        ]
        bench.put_rows(f"{name}.csv", HEADER, gates)
    return bench


@pytest.mark.parametrize("backfill", [False, True])
@pytest.mark.parametrize(("first", "then"), [("last", "sum"), ("sum", "last")])
def test_a_root_on_which_rows_changed_equals_a_fresh_one(tmp_path: Path, first: str, then: str, backfill: bool) -> None:
    old, fresh = _bench(tmp_path, first, "root"), _bench(tmp_path, then, "fresh")
    old.ingest(NOW, backfill=backfill)
    before = old.truth()
    changed = _bench(tmp_path, then, "root")
    changed.ingest(LATER, backfill=backfill)
    fresh.ingest(LATER, backfill=backfill)
    assert changed.truth() == fresh.truth() != before
    written = changed.table("observations")
    changed.ingest(LATER + np.timedelta64(1, "h"), backfill=backfill)
    assert changed.table("observations") == written


def test_rows_that_change_and_change_back_count_once(tmp_path: Path) -> None:
    for hours, rows in enumerate(("last", "sum", "last", "sum")):
        bench = _bench(tmp_path, rows, "root")
        bench.ingest(NOW + np.timedelta64(hours, "h"))
    fresh = _bench(tmp_path, "sum", "fresh")
    fresh.ingest(NOW)
    assert bench.truth() == fresh.truth()
