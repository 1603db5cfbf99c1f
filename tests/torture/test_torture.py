"""A few hundred disturbed ingests; `make torture` does thousands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.ingest_bench import at

from flows.pipelines.repair import list_open
from torture.faults import FAULTS, NEEDS_A_MOUNT
from torture.injection import TRACED
from torture.scenarios import SCENARIOS

TRIES = int(os.environ.get("TORTURE_TRIES", "80"))


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, Any]]:
    """Rows of the table by fault; made in a process of its own, which forks."""
    tests = Path(__file__).resolve().parent.parent
    path = os.pathsep.join([str(tests.parent), str(tests)])
    run = subprocess.run(
        [sys.executable, "-m", "torture", "--json", "--tries", str(TRIES), "--power", "0", "--objects", "0"],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        timeout=1200,
    )
    assert run.stdout, "the torture itself broke"
    return {row["fault"]: row for row in json.loads(run.stdout)}


def test_the_code_that_is_cut_off_at_instructions_is_where_it_is_said_to_be() -> None:
    root = Path(__file__).parents[2]
    assert [name for name in TRACED if not (root / name.lstrip(os.sep)).is_file()] == []


def test_undisturbed_repairs_leave_no_open_reject(tmp_path: Path) -> None:
    [repairs] = [scenario for scenario in SCENARIOS if scenario.name == "repairs"]
    bench, [stage] = repairs.make(tmp_path), repairs.stages
    stage.put(bench)
    bench.ingest(stage.as_of, backfill=stage.backfill)
    assert not list_open(bench.settings).files
    assert {minute for station, minute in bench.truth() if station == "C"} >= {at("2024-05-09T03:00")}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_nothing_doubled(table: dict[str, dict[str, Any]], fault: str) -> None:
    if fault not in table:
        assert fault in NEEDS_A_MOUNT
        pytest.skip("no disk can be mounted here")
    row = table[fault]
    assert (row["lost"], row["doubled"], row["failures"]) == (0, 0, [])
    assert row["tries"] >= 3


def test_the_faults_do_strike(table: dict[str, dict[str, Any]]) -> None:
    assert sum(row["struck"] for row in table.values()) > sum(row["tries"] for row in table.values()) / 2
