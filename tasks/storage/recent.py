"""Names that this process wrote or removed lately: listings of some object stores lag behind."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from threading import Lock
from time import monotonic

KEEP_SECONDS = 900.0
"""After which a listing is believed."""


class RecentNames:
    """Names below one root, and what became of each of them last."""

    def __init__(self) -> None:
        self._lock, self._changes = Lock(), dict[str, tuple[bool, float]]()

    def note(self, path: str, is_written: bool) -> None:
        """A file is about to be written, or was removed."""
        now = monotonic()
        with self._lock:
            self._changes.pop(path, None)
            self._changes[path] = is_written, now
            while self._changes[oldest := next(iter(self._changes))][1] < now - KEEP_SECONDS:
                del self._changes[oldest]

    def written(self, folder: str) -> list[str]:
        """Files below a folder that were written, as far as is known here."""
        return [path for path, is_written in self._below(folder) if is_written]

    def doubtful(self, folder: str, listed: Collection[str]) -> list[str]:
        """Files below a folder of which a listing says otherwise than this process would."""
        return [path for path, is_written in self._below(folder) if is_written != (path in listed)]

    def _below(self, folder: str) -> list[tuple[str, bool]]:
        prefix, oldest = f"{folder}/" if folder else "", monotonic() - KEEP_SECONDS
        with self._lock:
            changes = list(self._changes.items())
        return [(path, written) for path, (written, at) in changes if path.startswith(prefix) and at >= oldest]


@cache
def recent_names(root: str) -> RecentNames:
    """Those of a root, whoever of this process asks."""
    return RecentNames()
