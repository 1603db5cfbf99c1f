"""Rows that are filed twice: a file under two names is rejected, and files that are alike in part are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench, at

from tasks.quality.steps import check_quality

DAY = at("2024-05-10T06:00")
LATER = [NOW + np.timedelta64(n, "m") for n in range(1, 6)]
COUNTS = "station_id,minute_utc,entries,exits\n"
TRIPS = "id,started_at,from,ended_at,to\n"


def counts(first: int, last: int, least: int = 1) -> str:
    """Rows of minutes after six."""
    return COUNTS + "".join(
        f"A,2024-05-10T{6 + n // 60:02}:{n % 60:02}Z,{n * 7 % 23 + least},2\n" for n in range(first, last)
    )


def trips(first: int, last: int) -> str:
    times = [f"2024-05-10T{6 + n // 60:02}:{n % 60:02}Z" for n in range(first, last)]
    return TRIPS + "".join(f"{n},{time},A,{time},B\n" for n, time in enumerate(times) for _ in range(n * 7 % 5 + 1))


def people(bench: Bench) -> int:
    return sum(each[0] or 0 for each in bench.truth().values())


KINDS: dict[str, Any] = {"sums": (Bench.counts, {"rows": "sum"}, counts), "events": (Bench.events, {}, trips)}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("together", [True, False])
def test_a_file_under_two_names_is_rejected_until_one_of_them_changes(
    tmp_path: Path, kind: str, together: bool
) -> None:
    make, keys, rows = KINDS[kind]
    bench: Bench = make(tmp_path, **keys)
    bench.put("a.csv", rows(0, 30))
    if not together:
        bench.ingest()
    bench.put("b.csv", rows(0, 30))
    report = bench.ingest(LATER[0])
    once = people(bench)
    assert len(report.failures) == 1
    assert "b.csv is the same as" in report.failures[0]
    assert "a.csv, byte by byte" in report.failures[0]
    bench.put("a.csv", rows(30, 60))
    assert bench.ingest(LATER[1]).failures == []
    both = people(bench)
    bench.put("b.csv", rows(60, 60 + 12))
    assert bench.ingest(LATER[2]).failures == []
    assert once < both
    assert people(bench) < both


@pytest.mark.parametrize(
    ("keys", "names", "rows"),
    [
        ({"rows": "last"}, ("a.csv", "b.csv"), 30),
        ({"rows": "sum"}, ("a.csv", "b.csv"), 3),
        ({"rows": "sum", "path_pattern": "{gate}.csv"}, ("a.csv", "b.csv"), 30),
        ({"rows": "sum"}, ("gate=1/a.csv", "gate=2/a.csv"), 30),
    ],
)
def test_files_that_may_be_alike_are_read(
    tmp_path: Path, keys: dict[str, Any], names: tuple[str, str], rows: int
) -> None:
    bench = Bench.counts(tmp_path, **keys, path=f"{tmp_path}/feed")
    for name in names:
        bench.put(name, counts(0, rows))
    assert bench.ingest().failures == []


def findings(bench: Bench, report: Any) -> list[str]:
    results = check_quality(bench.settings, [report], LATER[0], last_minutes=dict, backfill=True)
    return [each.sentence for each in results if each.check == "duplicates" and each.status == "warning"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_files_of_which_a_part_is_the_same_are_a_finding(tmp_path: Path, kind: str) -> None:
    make, keys, rows = KINDS[kind]
    bench: Bench = make(tmp_path, **keys)
    bench.put("monday.csv", rows(0, 60))
    bench.put("tuesday.csv", rows(30, 90))
    (sentence,) = findings(bench, bench.ingest())
    assert (
        f"monday.csv and tuesday.csv count the same people in {30 if kind == 'sums' else 60} intervals of 2024-05-10"
        in sentence
    )


def test_files_of_other_counts_of_the_same_intervals_are_none(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum")
    bench.put("east.csv", counts(0, 60))
    bench.put("west.csv", counts(0, 60, 5))
    assert findings(bench, bench.ingest()) == []


def test_sparse_files_that_meet_by_chance_are_no_finding(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum")
    random = np.random.default_rng(7)
    for name in ("east", "west"):
        rows = [
            f"A,2024-05-10T{6 + n // 60:02}:{n % 60:02}Z,{1 + (n % 50 == 0) + 2 * (n % 60 == 0)},0\n"
            for n in range(600)
            if random.random() < 0.3
        ]
        bench.put(f"{name}.csv", COUNTS + "".join(rows))
    assert findings(bench, bench.ingest(np.datetime64("2024-05-11T00:00", "s"))) == []
