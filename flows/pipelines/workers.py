"""Replay the parts of a backtest side by side, each worker with its own TensorFlow.

Workers share the minutes through a file. A part that is lost with its worker is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from flows.pipelines.executors import available_cores, open_workers
from tasks.backtest.steps import Job, Maker, OnJobProgress, ReplayOptions, RunJobs, replay_part, run_in_turn
from tasks.errors import ModelError
from tasks.settings.tree import RunnerSettings, Settings
from tasks.storage.roots import one_line

if TYPE_CHECKING:
    from tasks.features.steps import PastFeatures, SharedPast

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""Seconds between two looks at the progress that workers report."""
TRIES = 3
"""How often parts are tried whose worker is killed."""


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


LaneMaker = Callable[[WorkerContext], RunJobs]


@dataclass(frozen=True)
class SharedContext:
    """The same as it is sent to a worker, small.

    Attributes:
        settings, options: of the context.
        past: its minutes, in a file.
        folder: in which workers report how many origins they have forecast: a file per part, a byte per origin.
    """

    settings: Settings
    options: ReplayOptions
    past: SharedPast
    folder: Path


def run_in_workers(context: WorkerContext, count: int) -> RunJobs:
    """A function that replays parts in `count` workers; a part that starts from another waits for it."""

    def run(jobs: Sequence[Job], on_progress: OnJobProgress) -> None:
        parts = context.options.parts
        with TemporaryDirectory(dir=parts, prefix=".minutes-") as name:
            folder = Path(name)
            past = context.past.share(folder / "values.npy")
            shared = SharedContext(context.settings, context.options, past, folder)
            progress = _Progress(folder, on_progress)
            for _ in range(TRIES):
                left = [job for job in jobs if not (parts / job.key).is_dir()]
                with open_workers(context.settings.runner, min(count, len(left))) as workers:
                    try:
                        return _dispatch(workers.executor, left, shared, progress)
                    except workers.lost as error:
                        log.warning(
                            "a worker of the backtest was killed (%s); its part is replayed again", one_line(error)
                        )
        raise ModelError("workers of the backtest were killed again and again, likely for memory: give fewer --jobs")

    return run


@contextmanager
def open_lanes(runner: RunnerSettings, past: PastFeatures, parts: Path) -> Iterator[tuple[int, LaneMaker]]:
    """Whole replays side by side, each of whose parts starts from the one before: in a cluster where one is set.

    Args:
        runner: of the settings.
        past: what all of them replay.
        parts: folder that every worker sees.

    Yields:
        How many may go on at once, and what makes the function that replays the parts of one, in their order.
    """
    if runner.kind == "threads":
        yield 1, lambda context: run_in_turn(past, context.maker, context.options)
        return
    count = runner.workers or available_cores()
    with TemporaryDirectory(dir=parts, prefix=".minutes-") as name, open_workers(runner, count) as workers:
        folder = Path(name)
        minutes = past.share(folder / "values.npy")

        def lane(context: WorkerContext) -> RunJobs:
            shared = SharedContext(context.settings, context.options, minutes, folder)

            def run(jobs: Sequence[Job], on_progress: OnJobProgress) -> None:
                for job in jobs:
                    try:
                        workers.executor.submit(_replay, shared, job).result()
                    except workers.lost as error:
                        raise ModelError(
                            f"workers of the cluster were killed again and again: {one_line(error)}"
                        ) from None

            return run

        yield count, lane


def _dispatch(executor: Executor, jobs: Sequence[Job], shared: SharedContext, progress: _Progress) -> None:
    """Submit every part as soon as the one that it starts from is there; the first failure ends all."""
    waiting, running = list(jobs), dict[Future[None], Job]()
    while waiting or running:
        unfinished = {job.key for job in (*waiting, *running.values())}
        ready = [job for job in waiting if job.after not in unfinished]
        waiting = [job for job in waiting if job.after in unfinished]
        running |= {executor.submit(_replay, shared, job): job for job in ready}
        finished, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
        for job in running.values():
            progress.look(job)
        for future in finished:
            del running[future]
            future.result()


class _Progress:
    """Passes on what workers report."""

    def __init__(self, folder: Path, on_progress: OnJobProgress) -> None:
        self._folder, self._on_progress, self._seen = folder, on_progress, dict[str, int]()

    def look(self, job: Job) -> None:
        """Pass on what was forecast of a job since the last look."""
        try:
            done = (self._folder / job.key).stat().st_size
        except FileNotFoundError:
            return
        if (more := done - self._seen.get(job.key, 0)) > 0:
            self._seen[job.key] = done
            self._on_progress(job, more)


_opened: tuple[Path, PastFeatures] | None = None


def _replay(shared: SharedContext, job: Job) -> None:
    """Replay a part in a worker, which keeps the minutes mapped for the next one."""
    global _opened
    if _opened is None or _opened[0] != shared.folder:
        _opened = shared.folder, shared.past.open()
    context = WorkerContext(shared.settings, _opened[1], shared.options)
    progress_file = shared.folder / job.key
    progress_file.write_bytes(b"")
    replay_part(job, context.past, context.maker(job), context.options, partial(_say, progress_file))


def _say(progress_file: Path, origins: int) -> None:
    with progress_file.open("ab") as file:
        file.write(b"." * origins)
