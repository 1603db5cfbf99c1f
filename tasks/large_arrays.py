"""Arrays that may be larger than memory: mapped from a file without a name, which goes with the array."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from tasks.arrays import Float
from tasks.errors import StoreError
from tasks.storage.roots import one_line


def make_array(shape: tuple[int, ...], folder: Path | None) -> Float:
    """Float32 array of this shape; its values are the caller's to write.

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
            return np.asarray(np.memmap(file, np.float32, "w+", shape=shape))
    except OSError as error:
        gib = 4 * np.prod(shape, dtype=np.float64) / 2**30
        raise StoreError(f"{folder}: no file of {gib:.1f} GiB for the minutes: {one_line(error)}") from None


def copy_array(values: Float, folder: Path | None) -> Float:
    """A copy of an array; see `make_array`."""
    copy = make_array(values.shape, folder)
    for plane, of_copy in zip(values, copy, strict=True):
        of_copy[...] = plane
    return copy
