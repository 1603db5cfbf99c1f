"""How the suite is shared out among workers: what takes longest comes first, what shares a server stays together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

TESTS = Path(__file__).parents[1]
TENSORFLOW = (
    "model/architectures/test_conformance.py",
    "model/architectures/_next_hour/test_weights.py",
    "model/architectures/_recursive/test_recursion.py",
    "model/architectures/test_attention_lstm.py",
    "model/architectures/test_likelihood.py",
    "model/architectures/test_next_hour_lstm.py",
    "model/architectures/test_numpy_lstm.py",
    "model/architectures/test_weekly_lag_lstm.py",
    "model/networks/test_canonical_onnx.py",
    "model/networks/test_fit.py",
    "model/networks/test_keras_runtime.py",
    "model/serving/test_bundle.py",
    "model/serving/test_pyfunc.py",
    "model/test_channel_inputs.py",
    "model/training/test_train.py",
    "flows/pipelines/test_intervals.py",
)
"""Files that import TensorFlow, which takes many seconds, and share the tiny champion."""
PREFECT = (
    "flows/test_flows.py",
    "flows/test_ingest_flow.py",
    "flows/test_errands.py",
    "flows/test_secrets.py",
    "flows/machine/test_automations.py",
    "flows/machine/test_deploy.py",
    "flows/machine/test_forms.py",
    "flows/machine/test_recover.py",
    "test_stepping.py",
)
"""Files that share a Prefect server."""
MLFLOW = (
    "backtest/test_log.py",
    "flows/cli/test_cli.py",
    "flows/pipelines/test_tune.py",
    "flows/test_deployments.py",
    "model/promotion/test_champion.py",
    "model/review/test_register.py",
    "model/review/test_training_run.py",
    "model/serving/test_earlier_models.py",
    "tracking/test_retention.py",
    "tracking/test_runs.py",
)
"""Files that import MLflow, Prefect or both, which takes seconds."""
TOGETHER = {
    **dict.fromkeys(TENSORFLOW, "TensorFlow"),
    **dict.fromkeys((*PREFECT, *MLFLOW), "Prefect and MLflow"),
    "ingest/sources/sql/test_sql_errors.py": "PostgreSQL",
    "ingest/sources/sql/test_sql_postgres.py": "PostgreSQL",
}
"""Path below `tests/` -> what its tests share, which one worker imports or starts for all of them."""
LONGEST = (
    *TOGETHER,
    "flows/machine/test_end_to_end.py",
    "flows/machine/test_machine_on_postgres.py",
    "torture/test_torture.py",
    "torture/test_power.py",
    "torture/test_objects.py",
    "ingest/inspect/test_mutations.py",
    "ingest/test_late_data.py",
    "ingest/test_malicious_drop.py",
    "ingest/sources/test_conformance.py",
    "torture/test_mishaps.py",
    "flows/pipelines/test_backtest.py",
    "flows/pipelines/test_day_of_faults.py",
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


def needs_prefect(item: pytest.Item) -> bool:
    """Whether a test is in one of the files that share a Prefect server."""
    return _below_tests(item.path) in PREFECT


def _below_tests(path: Path) -> str:
    return path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else path.name
