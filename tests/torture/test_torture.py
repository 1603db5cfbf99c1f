"""A few hundred disturbed ingests; `make torture` does thousands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from torture.faults import FAULTS, NEEDS_A_MOUNT

TRIES = int(os.environ.get("TORTURE_TRIES", "80"))


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, Any]]:
    """Rows of the table by fault; made in a process of its own, which forks."""
    tests = Path(__file__).resolve().parent.parent
    path = os.pathsep.join([str(tests.parent), str(tests)])
    run = subprocess.run(
        [sys.executable, "-m", "torture", "--json", "--tries", str(TRIES)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        timeout=1200,
    )
    assert run.stdout, "the torture itself broke"
    return {row["fault"]: row for row in json.loads(run.stdout)}


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
