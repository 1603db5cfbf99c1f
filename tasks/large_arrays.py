"""Arrays that may be larger than memory: mapped from a file without a name, which goes with the array.

The file lies by time: all series of a step, then those of the next one. A window of a week is one stretch of it, and
origins that lie close together share their pages. What reads a whole span reads it in `pieces`, once, in order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tasks.arrays import Float
from tasks.errors import StoreError
from tasks.storage.roots import one_line

PIECE = 1440
"""Steps that are read at once of a span."""


def pieces(steps: int, size: int = PIECE) -> Iterator[slice]:
    """Successive parts of a span of so many steps, to read one after the other."""
    for first in range(0, steps, size):
        yield slice(first, min(first + size, steps))


def make_array(shape: tuple[int, int, int], folder: Path | None) -> Float:
    """Float32 array [target, station, step]; its values are the caller's to write.

    Args:
        shape: sizes of its axes.
        folder: where its file is made; None for an array in memory.

    Raises:
        StoreError: if the file cannot be made.
    """
    if folder is None or 0 in shape:
        return np.empty(shape, np.float32)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:  # the mapping keeps its bytes
            by_time = np.memmap(file, np.float32, "w+", shape=(shape[2], *shape[:2]))
            return np.asarray(by_time).transpose(1, 2, 0)
    except OSError as error:
        gib = 4 * np.prod(shape, dtype=np.float64) / 2**30
        raise StoreError(f"{folder}: no file of {gib:.1f} GiB for the minutes: {one_line(error)}") from None


def copy_array(values: Float, folder: Path | None) -> Float:
    """A copy of an array; see `make_array`."""
    targets, stations, steps = values.shape
    copy = make_array((targets, stations, steps), folder)
    for part in pieces(steps):
        copy[..., part] = values[..., part]
    return copy
