"""How the suite is shared out among workers: what takes longest comes first, what shares a server stays together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

TESTS = Path(__file__).parents[1]
TOGETHER = {
    "flows/test_flows.py": "Prefect",
    "flows/test_ingest_flow.py": "Prefect",
    "flows/test_errands.py": "Prefect",
    "flows/test_secrets.py": "Prefect",
    "flows/machine/test_automations.py": "Prefect",
    "flows/machine/test_deploy.py": "Prefect",
    "flows/machine/test_forms.py": "Prefect",
    "flows/machine/test_recover.py": "Prefect",
    "test_stepping.py": "Prefect",
    "model/architectures/_next_hour/test_weights.py": "the tiny champion",
    "model/architectures/test_next_hour_lstm.py": "the tiny champion",
    "model/serving/test_bundle.py": "the tiny champion",
    "model/serving/test_pyfunc.py": "the tiny champion",
    "model/training/test_train.py": "the tiny champion",
    "ingest/sources/sql/test_sql_errors.py": "PostgreSQL",
    "ingest/sources/sql/test_sql_postgres.py": "PostgreSQL",
}
"""Path below `tests/` -> what its tests share, which one worker starts for all of them."""
LONGEST = (
    "torture/test_torture.py",
    "model/architectures/test_conformance.py",
    *TOGETHER,
    "flows/machine/test_end_to_end.py",
    "flows/pipelines/test_intervals.py",
    "ingest/inspect/test_mutations.py",
    "model/architectures/_recursive/test_recursion.py",
    "ingest/sources/test_conformance.py",
    "torture/test_power.py",
    "torture/test_mishaps.py",
    "model/test_channel_inputs.py",
    "ingest/test_malicious_drop.py",
)
"""Begun first, so that no worker is left alone with one of them at the end."""


class ByShare(LoadFileScheduling):  # type: ignore[misc]
    """One worker for a file, and for all files that share something."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return TOGETHER.get(file.removeprefix("tests/"), file)


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of the longest files, then the slow ones, then all others; each file whole, in its own order."""
    turns = {path: turn for turn, path in enumerate(LONGEST)}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    return sorted(
        items,
        key=lambda item: (turns.get(_below_tests(item.path), len(turns)), item.path not in slow),
    )


def _below_tests(path: Path) -> str:
    return path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else path.name
