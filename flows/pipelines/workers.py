"""Replays in worker processes: each fits and forecasts parts of a backtest, with its own TensorFlow, started anew.

Workers are spawned, never forked, share the minutes through a file, and are kept for the next part.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.backtest.part import How, Job, Maker, replay_part
from tasks.errors import ModelError
from tasks.settings.tree import Settings

if TYPE_CHECKING:
    from tasks.features.past import Past

log = logging.getLogger(__name__)

Told = Callable[[Job, int], None]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
WAIT = 0.2
"""Seconds between looks at what workers tell."""


@dataclass(frozen=True)
class Bench:
    """All that replays parts in one process."""

    settings: Settings
    past: Past
    how: How

    def maker(self, job: Job) -> Maker:
        """What makes the model of a job."""
        from tasks.model.steps import model_maker

        return model_maker(self.settings, job.model, self.past.before, job.seed)


def side_by_side(bench: Bench, jobs: int) -> Callable[[Sequence[Job], Told], None]:
    """What replays parts in so many worker processes; a part that starts from another waits for it."""

    def run(parts: Sequence[Job], told: Told) -> None:
        with _workers(bench, min(jobs, len(parts))) as (pool, heard):
            _dispatch(pool, parts, heard, told)

    return run


@contextmanager
def _workers(bench: Bench, jobs: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """A pool of processes that share the minutes, and the queue on which they tell how far they are."""
    from joblib import cpu_count

    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory(dir=bench.how.parts, prefix=".minutes-") as shared:
        path = Path(shared) / "values.npy"
        grid = bench.past.today.grid
        np.save(path, grid.values)
        today = bench.past.today
        blank = replace(grid, values=grid.values[:, :, :0])
        given = (bench.settings, bench.how, blank, today.holidays, bench.past.known, today.channels, str(path))
        heard: Any = context.SimpleQueue()
        threads = max(cpu_count() // jobs, 1)
        pool = ProcessPoolExecutor(jobs, context, _start, (given, heard, threads))
        try:
            yield pool, heard
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()


def _dispatch(pool: ProcessPoolExecutor, parts: Sequence[Job], heard: Any, told: Told) -> None:
    """Submit every part as soon as the one that it starts from is there; the first failure ends all."""
    known, waiting = {part.key: part for part in parts}, list(parts)
    running: dict[Future[str], str] = {}
    while waiting or running:
        unready = {part.key for part in waiting} | set(running.values())
        ready = [part for part in waiting if part.after not in unready]
        waiting = [part for part in waiting if part.after in unready]
        running |= {pool.submit(_work, part): part.key for part in ready}
        over, _ = wait(running, WAIT, FIRST_COMPLETED)
        _listen(heard, known, told)
        for future in over:
            running.pop(future)
            _result(future)
    _listen(heard, known, told)


def _result(future: Future[str]) -> None:
    try:
        future.result()
    except BrokenProcessPool:
        raise ModelError("a worker of the backtest was killed, likely for memory: give fewer --jobs") from None


def _listen(heard: Any, known: dict[str, Job], told: Told) -> None:
    while not heard.empty():
        key, done = heard.get()
        told(known[key], done)


_BENCH: Bench
_HEARD: Any


def _start(given: tuple[Any, ...], heard: Any, threads: int) -> None:
    """What a worker does first: bound its threads, before anything reads them; map the minutes."""
    global _BENCH, _HEARD
    Thread(target=_end_with_parent, daemon=True).start()
    os.environ |= dict.fromkeys(THREADS, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    from tasks.features.past import Past
    from tasks.features.tensors import MinuteFeatures

    settings, how, blank, holidays, known, channels, path = given
    grid = replace(blank, values=np.load(path, mmap_mode="r"))
    today = MinuteFeatures(grid, settings.network.timezone, settings.features, holidays, channels=channels)
    _BENCH, _HEARD = Bench(settings, Past(today, known), how), heard


def _end_with_parent() -> None:
    """Leave when the process that gives the work is gone, however it ended; nobody would take what is done."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _work(job: Job) -> str:
    replay_part(job, _BENCH.past, _BENCH.maker(job), _BENCH.how, lambda done: _HEARD.put((job.key, done)))
    return job.key
