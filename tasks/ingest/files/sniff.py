"""A first look at a counts file that comes without a configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.files.find import find_files
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.decode import Columns, decode
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.parse_times import read_times

DEFAULT_TARGETS = ("entries", "exits")
INTERVALS = (15, 10, 5, 1)


@dataclass(frozen=True)
class Peek:
    """What a file shows: minutes a row, and which of the default targets it has."""

    interval: int
    targets: tuple[str, ...]


def peek(path: str) -> Peek:
    """Look at the first file of a path.

    Raises:
        SourceError: if it cannot be read, or has no column of counts.
    """
    file = find_files("demo", path)[0]
    try:
        rows = decode(file.origin, read_content(file)[0])
    except FileProblem as problem:
        raise SourceError(str(problem)) from None
    targets = tuple(name for name in DEFAULT_TARGETS if name in rows.names)
    return Peek(_interval(rows), targets or DEFAULT_TARGETS)


def _interval(rows: Columns) -> int:
    """Longest interval whose grid holds every minute of the file; 1 where the file does not tell."""
    name = next((n for n in ("minute_utc", "minute") if n in rows.names), None)
    if name is None or not rows.rows:
        return 1
    minutes = read_times(rows.column(name), "UTC").utc
    known: Int = minutes[~np.isnat(minutes)].astype("datetime64[m]").astype(np.int64)
    return next((n for n in INTERVALS if len(known) and not (known % n).any()), 1)
