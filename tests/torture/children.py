"""Work in forked processes, so that a try costs no imports and may be killed. The parent must never use Arrow."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

DONE, REFUSED, BROKEN = 0, 3, 4
KILLED = -int(signal.SIGKILL)


def warm_up() -> None:
    """Import all that an ingest needs, and use nothing of it."""
    import filelock  # noqa: F401
    import fsspec  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.csv
    import pyarrow.dataset
    import pyarrow.parquet  # noqa: F401

    from tasks.ingest.sources import kinds

    kinds()


def fork(work: Callable[[], object]) -> int:
    """Start some work in a child; its exit status tells whether it was refused with one clear line, or broke."""
    from tasks.errors import NexthourError

    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = BROKEN
    try:
        work()
        status = DONE
    except NexthourError:
        status = REFUSED
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def wait(pid: int, kill_after: float | None = None, patience: float = 60.0) -> int:
    """Exit status of a child, negative for the signal that ended it; kills it after some seconds if asked to."""
    start = time.monotonic()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - start
        if passed > (patience if kill_after is None else kill_after):
            os.kill(pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if kill_after is None:
                raise TimeoutError(f"an ingest hung for {patience:.0f} s")
            return status
        time.sleep(0.0005)


def ran(work: Callable[[], object]) -> int:
    """Exit status of some work in a child of its own."""
    return wait(fork(work))


def asked(work: Callable[[], Any]) -> Any:
    """What some work in a child of its own returns."""
    return next(iter(all_asked([work])))


def all_asked(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """What pieces of work return that run at once, a child each."""
    children = []
    for work in works:
        reader, writer = os.pipe()
        children.append((fork(lambda work=work, writer=writer: _send(writer, work())), reader))  # type: ignore[misc]
        os.close(writer)
    answers, statuses = [], []
    for pid, reader in children:
        with os.fdopen(reader, "rb") as pipe:
            answers.append(pipe.read())
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if any(statuses):
        raise ChildProcessError(f"children ended with {statuses}")
    return [pickle.loads(answer) for answer in answers]


def _send(writer: int, answer: object) -> None:
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(pickle.dumps(answer))


class Barrier:
    """Lets children go on together."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def wait(self) -> None:
        """In a child: until the parent opens it."""
        os.close(self._writer)
        os.read(self._reader, 1)

    def open(self) -> None:
        """In the parent."""
        os.close(self._writer)
        os.close(self._reader)
