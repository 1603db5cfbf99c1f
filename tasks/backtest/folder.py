"""The folder in which a replay keeps its parts: one process at a time, and no leftovers of a killed one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ConfigError, StoreError
from tasks.storage.roots import one_line

LOCK = ".lock"


@contextmanager
def lock_parts(parts: Path) -> Iterator[None]:
    """Lock the folder for one backtest or study; unfinished parts of killed processes are removed before and after.

    Raises:
        ConfigError: if another process holds it.
        StoreError: if it cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(parts / LOCK)
    try:
        parts.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"{parts.parent}: another backtest or study writes there: wait for it, or give another --out"
        ) from None
    except OSError as error:
        raise StoreError(f"{parts} cannot be written: {one_line(error)}") from None
    try:
        _sweep(parts)
        yield
    finally:
        _sweep(parts)
        lock.release()


def _sweep(parts: Path) -> None:
    for left in parts.glob(".*"):
        if left.name != LOCK:
            shutil.rmtree(left, ignore_errors=True)
