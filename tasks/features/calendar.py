"""The calendar of the target minutes, by the network's wall clock."""

from __future__ import annotations

from datetime import date

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.clock import DAY, to_local
from tasks.contracts import Tensors


def _waves() -> Float:
    turn = 2 * np.pi * np.arange(DAY) / DAY
    return np.stack([np.sin(turn), np.cos(turn), np.sin(2 * turn), np.cos(2 * turn)], axis=-1).astype(np.float32)


WAVES = _waves()  # a table, so that a minute of the day has the same bits wherever it stands


def calendar_features(minutes: Minutes, timezone: str, holidays: frozenset[date]) -> Float:
    """The features named in `Tensors.CALENDAR` of UTC minutes.

    Args:
        minutes: datetime64[m], any shape.
        timezone: the network's.
        holidays: dates of their own kind.

    Returns:
        float32 [..., feature].
    """
    local = to_local(minutes.ravel(), timezone)
    days = local.astype("datetime64[D]")
    out = np.zeros((local.size, len(Tensors.CALENDAR)), np.float32)
    out[:, :4] = WAVES[(local - days).astype(np.int64)]
    out[np.arange(local.size), 4 + (days.astype(np.int64) + 3) % 7] = 1
    out[:, 11] = np.isin(days, np.array(sorted(holidays), dtype="datetime64[D]"))
    return out.reshape(*minutes.shape, out.shape[1])
