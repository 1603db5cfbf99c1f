"""Workers of a cluster, one of which is killed amid its work: as it puts a certain file in its place."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from flows.pipelines import executors
from flows.pipelines.executors import Workers
from tasks.settings.tree import RunnerSettings

CLUSTERS = [
    "dask",
    # looked for and not imported, as Ray reads at its import whether its clusters ask for a token
    pytest.param("ray", marks=pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")),
]


@contextmanager
def one_is_killed(kind: str, pattern: str, marker: Path) -> Iterator[None]:
    """Kill one worker of each cluster of a kind that is opened in the block, by SIGKILL and once.

    Args:
        kind: of `[runner]`.
        pattern: it dies before a file or folder whose path has this is renamed to it.
        marker: file that the dying worker leaves.
    """
    opener = getattr(executors, f"_{kind}")

    @contextmanager
    def mortal(runner: RunnerSettings, count: int) -> Iterator[Workers]:
        with opener(runner, count) as workers:
            yield replace(workers, executor=_Mortal(workers.executor, pattern, marker))

    here = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # workers of Ray do not look where this process does
    with patch.object(executors, f"_{kind}", mortal), patch.dict(os.environ, here):
        yield
    assert marker.exists(), f"no worker renamed anything to {pattern}"
    assert marker.read_text() != str(os.getpid())


class _Mortal(Executor):
    """Another executor, whose work may be the death of a worker."""

    def __init__(self, executor: Executor, pattern: str, marker: Path) -> None:
        self._executor, self._pattern, self._marker = executor, pattern, marker

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._executor.submit(_work_and_die, self._pattern, self._marker, work, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait)


_armed: tuple[str, Path] | None = None
_hooked = False


def _work_and_die(
    pattern: str, marker: Path, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Do some work in a worker, which is killed unless one was before."""
    global _armed, _hooked
    _armed = pattern, marker
    if not _hooked:
        sys.addaudithook(_on_event)
        _hooked = True
    try:
        return work(*args, **kwargs)
    finally:
        _armed = None


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if event != "os.rename" or _armed is None or not re.search(_armed[0], os.fspath(args[1])):
        return
    with suppress(FileExistsError), _armed[1].open("x") as marker:
        marker.write(str(os.getpid()))
        marker.flush()
        os.kill(os.getpid(), signal.SIGKILL)
