"""A run while its work goes on: curves that move, the machine's memory and processors, and an honest end."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np

from tasks.tracking.provenance import redact
from tasks.tracking.run import Run, mlflow_errors

log = logging.getLogger(__name__)

SECONDS_BETWEEN_SAMPLES = 5
"""Of memory and processors; trainings of small networks take less than a minute."""


class Curves:
    """Logs figures by step in a thread of its own, so that an MLflow that is slow or gone holds nothing up.

    What does not arrive is missing in the curves; `Run.fill_series` adds it at the end.

    Args:
        run: has been started.
        section: comes before the names of the metrics.
    """

    def __init__(self, run: Run, section: str) -> None:
        self._run, self._section = run, section
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="curves")
        self._known: dict[str, set[int]] = {}
        self._failed = False

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Log the figures of one step soon."""
        from mlflow.utils.time import get_current_time_millis

        now = np.datetime64(get_current_time_millis(), "ms")  # as MLflow stamps a metric that is given no time
        self._pool.submit(self._send, step, {f"{self._section}/{name}": v for name, v in figures.items()}, now)

    def close(self) -> None:
        """Wait for what is being sent, and drop the rest."""
        self._pool.shutdown(cancel_futures=self._failed)

    def _send(self, step: int, figures: dict[str, float], now: np.datetime64) -> None:
        try:
            for name in figures.keys() - self._known.keys():
                self._known[name] = self._run.known_steps(name)  # of an earlier try
            self._run.metrics({k: v for k, v in figures.items() if step not in self._known[k]}, now, step)
            self._failed = False
        except mlflow_errors() as error:
            if not self._failed:
                log.warning("the curves of this training stand still, as MLflow does not answer: %s", error)
            self._failed = True


@contextmanager
def record(run: Run, section: str) -> Iterator[Curves]:
    """Log curves and the use of the machine until the block ends; a block that raises leaves a run that says so.

    A block that ends well leaves the run running, for whoever logs the rest and ends it. One that raises leaves it
    FAILED, or KILLED where it was cancelled.

    Args:
        run: has been started.
        section: comes before the names of the metrics.
    """
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    curves = Curves(run, section)
    monitor = SystemMetricsMonitor(run.run_id, sampling_interval=SECONDS_BETWEEN_SAMPLES, resume_logging=True)
    monitor.start()
    try:
        yield curves
    except BaseException as error:
        _end(run, error)
        raise
    finally:
        curves.close()
        monitor.finish()


def _end(run: Run, error: BaseException) -> None:
    """End a run whose work did not; its description says why."""
    failed = isinstance(error, Exception)
    why = redact(str(error).strip().partition("\n")[0][:300])
    with suppress(*mlflow_errors()):
        run.tags({"mlflow.note.content": f"Failed: {why or type(error).__name__}" if failed else "Cancelled."})
        run.tracking.client.set_terminated(run.run_id, "FAILED" if failed else "KILLED")
