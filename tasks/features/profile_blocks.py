"""The profile of the minutes that were asked for last, a block at a time.

Origins that lie close together need the profile of the same day, and each of its minutes takes two dozen earlier days
to make. What a minute's profile is depends on nothing but the minute.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.arrays import Float, Int

BLOCK = 128
"""Steps of a block."""
FEWEST = 2880
"""Steps that are held, at least: those of two days by the minute."""
HELD = 2**23
"""Values that are held where that is more."""


class ProfileBlocks:
    """Holds the profile of some blocks of steps for the next time.

    Args:
        series: how many there are.
    """

    def __init__(self, series: int) -> None:
        self._most, self._held = max(FEWEST, HELD // max(series, 1)) // BLOCK, dict[int, Float]()

    def over(self, steps: Int, make: Callable[[Int], Float]) -> Float:
        """Profile of ascending steps, float32 [target, station, step].

        Args:
            steps: may lie beyond the grid.
            make: makes it for ascending steps; the same for the same ones at any time.
        """
        held, numbers = self._held, np.unique(steps // BLOCK).tolist()
        new = [n for n in numbers if n not in held]
        made = make((np.array(new, np.int64)[:, None] * BLOCK + np.arange(BLOCK)).ravel()) if new else None
        used = {n: held[n] for n in numbers if n in held}
        if made is not None:
            used |= {n: made[..., i * BLOCK : (i + 1) * BLOCK].copy() for i, n in enumerate(new)}
        kept = {n: block for n, block in held.items() if n not in used} | {n: used[n] for n in numbers}
        self._held = dict(list(kept.items())[-self._most :])  # in one go: other threads may ask at the same time
        return _select(used, steps)


def _select(blocks: dict[int, Float], steps: Int) -> Float:
    """The profile of the steps, all of which the blocks hold."""
    some = next(iter(blocks.values()))
    out = np.empty((*some.shape[:2], len(steps)), np.float32)
    for number, block in blocks.items():
        a, b = np.searchsorted(steps, [number * BLOCK, (number + 1) * BLOCK]).tolist()
        at = steps[a:b] - number * BLOCK
        side_by_side = at[-1] - at[0] == b - a - 1
        out[..., a:b] = block[..., at[0] : at[-1] + 1] if side_by_side else block[..., at]
    return out
