"""Extra channels: values per minute, and the moment since when each was known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arrays import HORIZON_MINUTES, Float, Int

ALWAYS = 0
"""Availability of a row that was always known."""


@dataclass(frozen=True)
class Channel:
    """Rows of one channel, in the order of its files.

    Attributes:
        name: as configured.
        interval: minutes that a value stands.
        start: int64 [row], UTC minutes since 1970 from which on it stands.
        available: int64 [row], UTC minute since 1970 of the first origin that sees it; `ALWAYS` for every one.
        values: float32 [row], finite.
        station: int32 [row], position in `stations`.
        stations: names; None where a value is for all stations.
        unread: why nothing of it could be read; None where it was.
    """

    name: str
    interval: int
    start: Int
    available: Int
    values: Float
    station: npt.NDArray[np.int32]
    stations: tuple[str, ...] | None = None
    unread: str | None = None

    @classmethod
    def unknown(cls, name: str, interval: int, why: str) -> Channel:
        """A channel of which nothing is known."""
        none = np.zeros(0, np.int64)
        return cls(name, interval, none, none, np.zeros(0, np.float32), np.zeros(0, np.int32), unread=why)

    @property
    def is_calendar(self) -> bool:
        """Whether every row was always known: such a channel may well be silent most of the time."""
        return self.unread is None and len(self.available) > 0 and bool((self.available == ALWAYS).all())


def gap(channel: Channel, origin: np.datetime64) -> str | None:
    """A sentence where nothing is known at an origin of the hour from it; None where something is."""
    if channel.unread is not None:
        return channel.unread
    at = int(origin.astype("datetime64[m]").astype(np.int64))
    stands = (channel.start < at + HORIZON_MINUTES) & (channel.start + channel.interval > at)
    if (stands & (channel.available <= at)).any():
        return None
    return f"channel {channel.name!r} has no value for the hour from {origin.astype('datetime64[m]')}Z"


def missing(channels: Iterable[Channel], origin: np.datetime64) -> list[str]:
    """Names of the channels that should say something of the hour from an origin, and do not."""
    return [channel.name for channel in channels if gap(channel, origin) and not channel.is_calendar]


def fingerprint(channels: Iterable[Channel]) -> str:
    """Sixteen hexadecimal digits that change whenever a row, a name or an interval does; empty without channels."""
    digest, some = hashlib.sha256(), False
    for channel in channels:
        some = True
        digest.update(repr((channel.name, channel.interval, channel.stations)).encode())
        for array in (channel.start, channel.available, channel.values, channel.station):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16] if some else ""
