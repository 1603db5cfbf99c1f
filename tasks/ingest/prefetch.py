"""Prefetch one item in a background thread, so that the next is read while the present one is written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
WORKERS = min(os.cpu_count() or 1, 4)
"""Threads that fold or write days at once; each holds one day in memory."""


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What a function makes of each item, in their order, some at once; no more are taken than are being worked on."""
    with ThreadPoolExecutor(WORKERS) as pool:
        pending = deque[Future[Result]]()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= WORKERS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each computed in a background thread while its predecessor is used; errors keep their place."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = pool.submit(next, items, None)
            yield item
