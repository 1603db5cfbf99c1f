"""The quick selection: tests without TensorFlow, MLflow, Prefect, servers or processes, and a guard that holds it so.

`pytest --quick` leaves out what `SLOW` lists and every test that takes one of `SLOW_FIXTURES`. A test that is left in
and imports, spawns or binds what it may not fails with a sentence that says where to list it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
SLOW_FIXTURES = frozenset({"mlflow_settings", "prefect_harness", "tiny_champion", "with_mlflow"})
SLOW = {
    "backtest/test_backtest.py::test_the_report_equals_a_slow_computation_from_the_rows_that_were_written": "seconds",
    "backtest/test_log.py": "MLflow",
    "features/test_channel_tensors.py": "many examples",
    "features/test_kept_profile.py": "many forecasts",
    "features/test_past.py": "replays weeks",
    "features/test_steps.py::test_a_few_origins_are_served_from_the_days_that_they_see_with_the_same_bits": "many examples",
    "features/test_tensors.py::test_a_row_built_in_bulk_is_the_row_built_live_bit_for_bit": "many examples",
    "features/test_tensors.py::test_tensors_are_what_the_slow_reference_says": "many examples",
    "features/test_total.py": "replays weeks",
    "flows/cli/test_cli.py": "processes and MLflow",
    "flows/machine/test_automations.py": "Prefect",
    "flows/machine/test_deploy.py": "Prefect",
    "flows/machine/test_registry_hook.py": "a server",
    "flows/pipelines/test_day_of_faults.py": "a day of forecasts",
    "flows/test_deployments.py": "Prefect",
    "flows/machine/test_end_to_end.py": "processes",
    "flows/machine/test_fork_server.py": "processes",
    "flows/machine/test_forms.py": "Prefect and a browser",
    "flows/machine/test_job_templates.py": "Prefect",
    "flows/machine/test_machine_on_postgres.py": "PostgreSQL and processes",
    "flows/machine/test_prefect_database.py": "PostgreSQL and Prefect",
    "flows/machine/test_recover.py": "Prefect",
    "flows/machine/test_supervise.py": "processes",
    "flows/machine/test_up.py": "sockets",
    "flows/pipelines/test_backtest.py": "processes",
    "flows/pipelines/test_executors.py": "processes",
    "flows/pipelines/test_tune.py": "MLflow",
    "flows/test_channels.py": "processes",
    "flows/test_errands.py": "Prefect and MLflow",
    "flows/test_flows.py": "Prefect and MLflow",
    "flows/test_groups.py": "MLflow and processes",
    "flows/test_ingest_flow.py": "Prefect",
    "flows/test_leave.py": "processes",
    "flows/test_logs.py": "processes and Prefect",
    "flows/test_runs.py": "Prefect",
    "flows/test_secrets.py": "Prefect and MLflow",
    "flows/test_total.py": "five weeks of a city",
    "ingest/files/test_pieces.py": "many files",
    "ingest/inspect/test_mutations.py": "hundreds of files",
    "ingest/land/test_changes.py": "many examples",
    "ingest/repair/test_repair.py": "a crash at every write",
    "ingest/rows/test_differences.py": "many examples",
    "ingest/sources/events/test_events.py::test_counts_of_a_file_are_those_of_the_slow_count": "many examples",
    "ingest/sources/gbfs/test_gbfs.py": "a server",
    "ingest/sources/http/test_cursor.py": "a server",
    "ingest/sources/http/test_http.py": "a server",
    "ingest/sources/http/test_replies.py": "a server",
    "ingest/sources/simulate/test_simulate.py": "weeks of a city",
    "ingest/sources/sql/test_sql.py": "many rows",
    "ingest/sources/sql/test_sql_errors.py": "PostgreSQL",
    "ingest/sources/sql/test_sql_postgres.py": "PostgreSQL",
    "ingest/sources/sql/test_watermark.py::test_days_come_whole_and_nothing_is_lost": "many examples",
    "ingest/sources/test_conformance.py": "a server and processes",
    "ingest/test_cases.py": "shared cases",
    "ingest/test_clock_changes.py": "many examples",
    "ingest/test_event_ids.py::test_a_run_cut_off_anywhere_loses_and_doubles_nothing": "a crash at every write",
    "ingest/test_interleavings.py": "many examples",
    "ingest/test_late_data.py": "a crash at every write",
    "ingest/test_malicious_drop.py": "large files",
    "ingest/test_malicious_values.py": "many files",
    "ingest/test_real_data.py": "real data",
    "ingest/test_resume.py": "a crash at every write",
    "maintain/test_compaction.py": "many examples",
    "maintain/test_retention.py": "many files",
    "model/architectures/_next_hour/test_start.py": "many trees",
    "model/architectures/_next_hour/test_weights.py": "TensorFlow",
    "model/architectures/_recursive/test_recursion.py": "TensorFlow",
    "model/architectures/test_attention_lstm.py": "TensorFlow",
    "model/architectures/test_boosted_level.py": "many trees",
    "model/architectures/test_conformance.py": "TensorFlow",
    "model/architectures/test_gradient_boosting.py": "many trees",
    "model/architectures/test_likelihood.py": "TensorFlow",
    "model/architectures/test_next_hour_lstm.py": "TensorFlow",
    "model/architectures/test_numpy_lstm.py": "TensorFlow",
    "model/architectures/test_weekly_lag_lstm.py": "TensorFlow",
    "model/networks/test_canonical_onnx.py": "TensorFlow",
    "model/networks/test_fit.py": "TensorFlow",
    "model/networks/test_keras_runtime.py": "TensorFlow",
    "model/promotion/test_champion.py": "MLflow",
    "model/promotion/test_gate.py::test_noise_alone_is_promoted_no_more_often_than_confidence_allows": "many examples",
    "model/review/test_register.py": "MLflow",
    "model/serving/test_bundle.py": "TensorFlow",
    "model/serving/test_earlier_models.py": "MLflow",
    "model/serving/test_pyfunc.py": "MLflow",
    "model/test_channel_inputs.py": "TensorFlow",
    "model/test_ensemble.py": "many fits",
    "model/training/test_mapped_counts.py": "TensorFlow",
    "model/training/test_train.py": "TensorFlow",
    "publish/board/test_page.py": "a browser",
    "publish/test_sql.py": "PostgreSQL",
    "publish/test_webhook.py": "a server",
    "score/test_hour_by_hour.py": "many forecasts",
    "score/test_scoring.py::test_scores_change_with_the_truth_and_only_there": "many forecasts",
    "stations/test_download.py": "a server",
    "storage/test_object_faults.py": "a server",
    "storage/test_object_store.py": "a server",
    "storage/test_store.py::test_a_lock_excludes_other_processes_and_dies_with_its_holder": "a process",
    "tables/test_fold.py": "many examples",
    "tables/test_minutes.py::test_a_day_is_rebuilt_bit_for_bit_however_its_observations_were_batched": "many examples",
    "tables/test_minutes.py::test_reading_as_of_any_moment_is_the_fold_of_what_was_known_then": "many examples",
    "tables/test_rebuild.py": "many examples",
    "tables/test_schemas.py::test_name_codes_point_into_the_sorted_names_in_use_and_null_is_minus_one": "many examples",
    "test_benchmarks.py::test_what_a_process_burnt_is_counted_after_it_has_ended": "a process",
    "test_clock.py::test_local_time_is_what_zoneinfo_says": "many examples",
    "test_real_chicago.py": "real data",
    "test_stepping.py": "Prefect",
    "torture/test_mishaps.py": "processes",
    "torture/test_objects.py": "a server",
    "torture/test_power.py": "hundreds of power cuts",
    "torture/test_torture.py": "processes",
    "tracking/test_provenance.py": "processes",
    "tracking/test_retention_elsewhere.py": "PostgreSQL and MLflow",
    "tracking/test_runs.py": "MLflow",
}
"""Path below `tests/`, or path::test -> why it is slow. A path stands for all tests of the file."""
FORBIDDEN_IMPORTS = frozenset({"keras", "mlflow", "moto", "prefect", "psycopg", "tensorflow", "tf2onnx"})
FORBIDDEN_EVENTS = {
    "os.fork": "spawns a process",
    "os.posix_spawn": "spawns a process",
    "socket.bind": "starts a server",
    "subprocess.Popen": "spawns a process",
}


class NotQuickError(RuntimeError):
    """A test of the quick selection did what only slow tests may do."""


class Guard:
    """Fails what imports a forbidden package at any time, or spawns or binds while a test runs.

    Python cannot remove an audit hook, so there is one guard per process, made only for `--quick`.
    """

    def __init__(self) -> None:
        self.running: str | None = None
        sys.addaudithook(self.check)

    def check(self, event: str, args: tuple[Any, ...]) -> None:
        """Raise where an audit event is forbidden.

        Raises:
            NotQuickError: says what was done, by which test, and where to list it.
        """
        if event == "import" and args[0] in FORBIDDEN_IMPORTS:
            self._fail(f"imports {args[0]}")
        if event in FORBIDDEN_EVENTS and self.running is not None:
            self._fail(FORBIDDEN_EVENTS[event])

    def _fail(self, act: str) -> None:
        who = self.running or "collecting the tests"
        raise NotQuickError(f"{who} {act}: list it in SLOW of tests/support/quick.py")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Watch one test, its fixtures included."""
        self.running = item.nodeid
        try:
            return (yield)
        finally:
            self.running = None


def is_slow_file(path: Path) -> bool:
    """Whether all tests of a file are slow; collecting it may already import what is forbidden."""
    return path.is_relative_to(TESTS) and path.relative_to(TESTS).as_posix() in SLOW


def is_slow(item: pytest.Item) -> bool:
    """Whether a test is listed in `SLOW` or takes one of `SLOW_FIXTURES`."""
    path = item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else item.path.name
    name = item.name.split("[")[0]
    fixtures = set(item.fixturenames) if isinstance(item, pytest.Function) else set()
    return is_slow_file(item.path) or f"{path}::{name}" in SLOW or bool(fixtures & SLOW_FIXTURES)
