"""Steps in bins, counted from the end of an array's last axis."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float


def divisor(steps: int, wanted: int) -> int:
    """Largest divisor of `steps` that is at most `wanted`, at least 1."""
    return next(n for n in range(max(min(wanted, steps), 1), 0, -1) if steps % n == 0)


def bin_sums(values: Float, size: int) -> Float:
    """Sums of `size` steps along the last axis, counted from its end; what is left over at its start is dropped."""
    whole = values.shape[-1] // size * size
    values = values[..., values.shape[-1] - whole :]
    out = values[..., 0::size].copy()
    for j in range(1, size):
        out += values[..., j::size]
    return out


def bin_means(values: Float, size: int) -> tuple[Float, Float]:
    """Means over the steps that are known, NaN where none is, and the share of these steps; see `bin_sums`."""
    seen = np.isfinite(values)
    total, count = bin_sums(np.where(seen, values, np.float32(0)), size), bin_sums(seen.astype(np.float32), size)
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean, count / np.float32(size)
