"""Where wide work runs: processes of this machine, or the workers of a Dask or Ray cluster, all as one `Executor`.

Work is a function of a module and small arguments; data travels as paths that every worker can read.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tasks.errors import ConfigError, StoreError
from tasks.settings.tree import RunnerSettings
from tasks.stepping import Spread
from tasks.storage.roots import one_line

if TYPE_CHECKING:
    from types import ModuleType

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
RETRIES = 2
"""How often a cluster does work again whose worker was lost."""
CONNECT_SECONDS = 20
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Workers:
    """Workers that take work.

    Attributes:
        executor: takes it.
        lost: what a result raises whose worker was killed.
        cancel: ends what has not begun; waits for what has.
    """

    executor: Executor
    lost: tuple[type[Exception], ...]
    cancel: Callable[[], None]


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def open_workers(runner: RunnerSettings, count: int) -> Iterator[Workers]:
    """Workers of the configured kind; `count` of them where they are of this machine. An error cancels what waits.

    Raises:
        ConfigError: if the cluster does not answer, its workers have another release, or its package is not installed.
    """
    openers = {"threads": _processes, "dask": _dask, "ray": _ray}
    with openers[runner.kind](runner, count) as workers:
        try:
            if runner.address:
                _check_release(workers.executor, runner.address)
            yield workers
        except BaseException:
            workers.cancel()
            raise
        workers.executor.shutdown()


@contextmanager
def open_spread(runner: RunnerSettings) -> Iterator[Spread]:
    """What applies a function to many items: `map` in this process, or the workers of a cluster where one is set.

    Raises:
        ConfigError: see `open_workers`.
    """
    if runner.kind == "threads":
        yield map
        return
    with open_workers(runner, runner.workers or available_cores()) as workers:

        def spread(work: Callable[[Any], R], items: Iterable[Any], /) -> Iterator[R]:
            try:
                yield from workers.executor.map(work, items)
            except workers.lost as error:
                raise StoreError(
                    f"workers of the cluster were killed again and again, likely for memory: {one_line(error)}"
                ) from None

        yield spread


def _check_release(executor: Executor, address: str) -> None:
    """Let a worker of a running cluster say which release it has, which must be that of this process.

    A cluster may start its workers on demand, so that the first is waited for, but not without a word.
    """
    asked = executor.submit(release)
    if not wait([asked], CONNECT_SECONDS).done:
        log.warning("[runner] address %s: no worker took work within %s s; waiting for one", address, CONNECT_SECONDS)
    try:
        theirs = asked.result()
    except Exception as error:  # whatever its library makes of a package that is not there
        said = f"cannot run Nexthour ({one_line(error)[-200:]})"
    else:
        if theirs == release():
            return
        said = f"have release {theirs} of Nexthour, and this process {release()}"
    raise ConfigError(f"[runner] address {address}: its workers {said}: install the same release there")


def release() -> str:
    """Release of Nexthour in this process."""
    return version("nexthour")


def _environment(count: int) -> dict[str, str]:
    """What a worker must find before any library reads how many threads it may have."""
    return dict.fromkeys(THREADS, str(max(available_cores() // count, 1))) | {"TF_CPP_MIN_LOG_LEVEL": "3"}


@contextmanager
def _processes(runner: RunnerSettings, count: int) -> Iterator[Workers]:
    """Spawned, never forked: TensorFlow does not survive a fork."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, spawn, _start_process, (_environment(count),))
    yield Workers(pool, (BrokenProcessPool,), partial(pool.shutdown, cancel_futures=True))


def _start_process(environment: dict[str, str]) -> None:
    os.environ |= environment
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent has ended, in whatever way: nobody would take its results."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


@contextmanager
def _dask(runner: RunnerSettings, count: int) -> Iterator[Workers]:
    """A running cluster by its address, or processes of this machine that talk over TCP."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise ConfigError('[runner] kind = "dask" needs Dask: install nexthour[dask]') from None
    if runner.address:
        try:
            client = Client(runner.address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise ConfigError(f"[runner] address {runner.address}: no Dask scheduler answers ({error})") from None
        with client:
            yield _dask_workers(client)
        return
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": _environment(count)}),
        LocalCluster(count, 1, host=LOOPBACK, dashboard_address=None, silence_logs=logging.ERROR) as cluster,
        Client(cluster) as client,
    ):
        yield _dask_workers(client)


def _dask_workers(client: Any) -> Workers:
    from distributed import KilledWorker

    executor = client.get_executor(pure=False, retries=RETRIES)
    return Workers(executor, (KilledWorker,), partial(executor.shutdown, wait=False))


@contextmanager
def _ray(runner: RunnerSettings, count: int) -> Iterator[Workers]:
    """A running cluster by its address, or one of this machine.

    Ray listens on the machine's own address, even alone; only who knows the token of this run may talk to it.
    """
    if not runner.address:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
    except ImportError:
        raise ConfigError('[runner] kind = "ray" needs Ray: install nexthour[ray]') from None
    own: dict[str, Any] = {"num_cpus": count, "include_dashboard": False}
    there = {"address": runner.address, "runtime_env": {"env_vars": _environment(count)}}
    given: dict[str, Any] = there if runner.address else own
    try:
        with _in_environment({} if runner.address else _environment(count)):  # which its workers inherit
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **given)
    except (ConnectionError, ValueError) as error:
        raise ConfigError(f"[runner] address {runner.address}: no Ray cluster answers ({error})") from None
    try:
        executor = _RayExecutor(ray)
        gone = ray.exceptions
        yield Workers(executor, (gone.WorkerCrashedError, gone.OutOfMemoryError, gone.NodeDiedError), executor.cancel)
    finally:
        ray.shutdown()


@contextmanager
def _in_environment(names: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in names}
    os.environ |= names
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _RayExecutor(Executor):
    """Ray's tasks as futures of the standard library."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray, self._waiting = ray, dict[Future[Any], Any]()
        self._task = ray.remote(max_retries=RETRIES)(_outcome)

    def submit(self, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        ours: Future[R] = Future()
        reference = self._task.remote(work, args, kwargs)
        self._waiting[ours] = reference
        reference.future().add_done_callback(lambda theirs: self._settle(ours, theirs))
        return ours

    def _settle(self, ours: Future[Any], theirs: Future[tuple[Any, BaseException | None]]) -> None:
        self._waiting.pop(ours, None)
        if ours.cancelled():
            return
        try:
            result, error = theirs.result()
        except Exception as lost:
            result, error = None, lost
        if error is None:
            ours.set_result(result)
        else:
            ours.set_exception(error)

    def cancel(self) -> None:
        """Cancel what has no result yet."""
        for reference in [*self._waiting.values()]:
            self._ray.cancel(reference, force=True)


def _outcome(work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Exception | None]:
    """Result or error of some work: an error that Ray passed on itself would come with the worker's traceback."""
    try:
        return work(*args, **kwargs), None
    except Exception as error:
        return None, error
