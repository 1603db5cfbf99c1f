"""Replay the parts of a backtest in worker processes, each with its own TensorFlow.

Workers are spawned, never forked, share the minutes through a file, and are kept for the next part.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

from tasks.backtest.steps import Job, Maker, OnJobProgress, ReplayOptions, RunJobs, replay_part
from tasks.errors import ModelError
from tasks.settings.tree import Settings

if TYPE_CHECKING:
    from tasks.features.steps import PastFeatures, SharedPast

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
POLL_SECONDS = 0.2
"""Seconds between two readings of the progress that workers report."""


@dataclass(frozen=True)
class WorkerContext:
    """All that one process needs to replay parts."""

    settings: Settings
    past: PastFeatures
    options: ReplayOptions

    def maker(self, job: Job) -> Maker:
        """The function that makes the model of a job."""
        from tasks.model.steps import model_maker

        return model_maker(self.settings, job.model, self.past.before, job.seed)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def run_in_workers(context: WorkerContext, count: int) -> RunJobs:
    """A function that replays parts in `count` worker processes; a part that starts from another waits for it."""

    def run(jobs: Sequence[Job], on_progress: OnJobProgress) -> None:
        with _worker_pool(context, min(count, len(jobs))) as (pool, queue):
            _dispatch(pool, jobs, queue, on_progress)

    return run


@contextmanager
def _worker_pool(context: WorkerContext, count: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """A pool of processes that share the minutes, and the queue on which they report progress."""
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory(dir=context.options.parts, prefix=".minutes-") as folder:
        shared = context.past.share(Path(folder) / "values.npy")
        queue: Any = spawn.SimpleQueue()
        threads = max(available_cores() // count, 1)
        pool = ProcessPoolExecutor(
            count, spawn, _start_worker, (context.settings, context.options, shared, queue, threads)
        )
        try:
            yield pool, queue
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()


def _dispatch(pool: ProcessPoolExecutor, jobs: Sequence[Job], queue: Any, on_progress: OnJobProgress) -> None:
    """Submit every part as soon as the one that it starts from is there; the first failure ends all."""
    by_key, waiting = {job.key: job for job in jobs}, list(jobs)
    running: dict[Future[str], str] = {}
    while waiting or running:
        unfinished = {job.key for job in waiting} | set(running.values())
        ready = [job for job in waiting if job.after not in unfinished]
        waiting = [job for job in waiting if job.after in unfinished]
        running |= {pool.submit(_replay_in_worker, job): job.key for job in ready}
        finished, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
        _pass_on_progress(queue, by_key, on_progress)
        for future in finished:
            running.pop(future)
            _check_result(future)
    _pass_on_progress(queue, by_key, on_progress)


def _check_result(future: Future[str]) -> None:
    try:
        future.result()
    except BrokenProcessPool:
        raise ModelError("a worker of the backtest was killed, likely for memory: give fewer --jobs") from None


def _pass_on_progress(queue: Any, by_key: dict[str, Job], on_progress: OnJobProgress) -> None:
    while not queue.empty():
        key, origins = queue.get()
        on_progress(by_key[key], origins)


_CONTEXT: WorkerContext
_QUEUE: Any


def _start_worker(settings: Settings, options: ReplayOptions, shared: SharedPast, queue: Any, threads: int) -> None:
    """Initialise a worker: limit its threads before any library reads the limit, and map the minutes."""
    global _CONTEXT, _QUEUE
    Thread(target=_end_with_parent, daemon=True).start()
    os.environ |= dict.fromkeys(THREADS, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    _CONTEXT, _QUEUE = WorkerContext(settings, shared.open(), options), queue


def _end_with_parent() -> None:
    """End this worker when its parent has ended, in whatever way: nobody would take its results."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _replay_in_worker(job: Job) -> str:
    replay_part(job, _CONTEXT.past, _CONTEXT.maker(job), _CONTEXT.options, lambda done: _QUEUE.put((job.key, done)))
    return job.key
