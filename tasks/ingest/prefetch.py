"""Prefetch one item in a background thread, so that the next is read while the present one is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
WORKERS = min(os.cpu_count() or 1, 4)
"""Threads that fold or write days at once; each holds one day in memory."""


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each computed in a background thread while its predecessor is used; errors keep their place."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = pool.submit(next, items, None)
            yield item
