"""Which times count: on the grid, over by now, and asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rows.parse_times import Moments
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.source import Pull


def check_times(rejections: Rejections, moments: Moments, interval: int, pull: Pull, floor: bool = False) -> Int:
    """Minutes of a column, int64 since 1970, after rejecting those that cannot count.

    Args:
        rejections: of the same rows; times outside the pull's bounds are set aside.
        moments: when.
        interval: minutes a step.
        pull: what is asked for; a minute counts when it is over.
        floor: put times between steps down to their step; without it they are off the grid.
    """
    minute = moments.minutes(interval if floor else 1)
    rejections.reject(moments.skipped, "nonexistent_local_time")
    rejections.reject(moments.unknown, "bad_time")
    if pull.start is not None or pull.end is not None:
        rejections.set_aside(~within(minute, pull))
    if interval > 1:
        rejections.reject(minute % interval != 0, "off_grid")
    latest = int(pull.as_of.astype("datetime64[s]").astype(np.int64)) // 60 - interval
    rejections.reject(minute > latest, "in_future")
    return minute


def within(minutes: Int, pull: Pull) -> npt.NDArray[np.bool_]:
    """Which of these minutes (since 1970) are asked for."""
    moments = minutes.astype("datetime64[m]")
    inside = np.ones(len(minutes), dtype=bool)
    if pull.start is not None:
        inside &= moments >= pull.start
    if pull.end is not None:
        inside &= moments < pull.end
    return inside


def next_due(rejections: Rejections, minute: Int, interval: int, known: Int | None = None) -> np.datetime64 | None:
    """When the first of the rows rejected as future will count; None where there are none.

    Args:
        rejections: of the same rows.
        minute: their minutes since 1970.
        interval: minutes a step.
        known: seconds since 1970 before which they do not count either.
    """
    early = rejections.has("in_future")
    if not early.any():
        return None
    return np.datetime64(int(_due(minute, interval, known)[early].min()), "s")


def defer_future_rows(
    rejections: Rejections, minute: Int, interval: int, known: Int | None, until: np.datetime64
) -> tuple[Int, np.datetime64 | None]:
    """Withdraw the rejection of future rows that will count by `until`, and set them aside.

    Returns:
        Their positions, ascending; and when the last of them counts, None where there are none.
    """
    early = rejections.has("in_future")
    if not early.any():
        return np.zeros(0, dtype=np.int64), None
    over = _due(minute, interval, known)
    waiting = early & (over.astype("datetime64[s]") <= until)
    rejections.withdraw(waiting)
    last = np.datetime64(int(over[waiting].max()), "s") if waiting.any() else None
    return np.flatnonzero(waiting), last


def _due(minute: Int, interval: int, known: Int | None) -> Int:
    """Seconds since 1970 from which each row counts."""
    over = (minute + interval) * 60
    return over if known is None else np.maximum(over, known)


def repeated_hour(twice: int, timezone: str, taken: str) -> tuple[str, ...]:
    """A warning where the wall clock alone does not say which of two hours is meant, and how it was `taken`.

    Args:
        twice: times of which that is so.
        timezone: whose clocks.
        taken: which hour was meant.
    """
    if not twice:
        return ()
    return (
        f"{twice:,} times without an offset fall into an hour that {timezone} has twice, and were taken {taken}: "
        "times in UTC or with an offset need no such guess",
    )
