"""The folder in which a replay keeps its parts: one owner at a time, and nothing left of one that was killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ConfigError, StoreError
from tasks.storage.roots import one_line

LOCK = ".lock"


@contextmanager
def owned(parts: Path) -> Iterator[None]:
    """Hold the folder for one backtest or study; what a killed one left half done is removed first.

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
        for left in parts.glob(".*"):
            if left.name != LOCK:
                shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()
