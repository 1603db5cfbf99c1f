"""What the rows of a pull show besides what they count: their days, their digest, and what is yet to come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.clock import service_dates
from tasks.ingest.rows.parse_times import read_times
from tasks.ingest.source import Pull
from tasks.ingest.sources.sql.columns import NO_DAY, as_table
from tasks.ingest.sources.sql.query import Row
from tasks.ingest.sources.sql.watermark import Mark
from tasks.settings.tree import Network

SOON = 86_400  # seconds that a cursor waits for a row to count
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Layout:
    """What each row of a pull holds: values of `names`, then that of `watermark` if there is one, then the flag.

    Attributes:
        names: columns that are validated.
        minute: the one with the minute.
        zone: of minutes without an offset.
        available: the one with the availability.
        available_zone: of availabilities without an offset.
        watermark: the one that grows.
    """

    names: Sequence[str]
    minute: str
    zone: str
    available: str | None
    available_zone: str
    watermark: str | None

    @property
    def columns(self) -> list[str]:
        """All that is read."""
        return [*self.names, *([self.watermark] if self.watermark else [])]

    @property
    def order(self) -> list[str]:
        """What rows are ordered by first, so that the last one about a minute is the newest."""
        return [self.minute, *([self.watermark] if self.watermark else [])]


def digest_of(chunks: Iterable[Sequence[Row]]) -> str:
    """Fingerprint of rows in their order."""
    digest = hashlib.sha256()
    for rows in chunks:
        _hash(digest, rows)
    return digest.hexdigest()


def _hash(digest: Any, rows: Iterable[Row]) -> None:
    for row in rows:
        digest.update(repr(tuple(row[:-1])).encode("utf-8", "backslashreplace"))


class Seen:
    """Gathers it, chunk by chunk.

    Attributes:
        rows: how many there were.
        unmarked: how many without a watermark.
        due: seconds since 1970 at which the first row counts that does not yet; `_NEVER` without one.
        waits: smallest mark of the rows that count within a day.
    """

    def __init__(self, layout: Layout, network: Network, pull: Pull) -> None:
        self.rows, self.unmarked, self.due = 0, 0, _NEVER
        self.waits: Mark | None = None
        self._layout, self._network, self._pull = layout, network, pull
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Fingerprint of the rows that the next pull reads again."""
        return self._digest.hexdigest()

    @property
    def later(self) -> np.datetime64 | None:
        """When the first of the rows rejected as future ones counts."""
        return None if self.due == _NEVER else np.datetime64(self.due, "s")

    @property
    def soon(self) -> bool:
        """Whether that is within a day."""
        return self.due <= self._now + SOON

    def with_service_days(self, chunks: Iterable[Sequence[Row]]) -> Iterator[tuple[pa.Table, Int]]:
        """Each chunk as columns, with the service day [row] of each row, days since 1970 or `NO_DAY`.

        Rows that count within a day are left out, unless only a span is asked for: the next pulls read them again.
        """
        for rows in chunks:
            self.rows += len(rows)
            _hash(self._digest, (row for row in rows if row[-1]))
            table = as_table(self._layout.names, rows)
            times = read_times(_readable(table, self._layout.minute), self._layout.zone).utc
            waiting = self._waiting(rows, table, times)
            day = service_dates(times.astype("datetime64[m]"), self._network.timezone).astype("datetime64[D]")
            known = np.where(np.isnat(times), NO_DAY, day.astype(np.int64))
            yield (table.filter(pa.array(~waiting)), known[~waiting]) if waiting.any() else (table, known)

    @property
    def _now(self) -> int:
        return int(self._pull.as_of.astype("datetime64[s]").astype(np.int64))

    def _waiting(self, rows: Sequence[Row], table: pa.Table, times: Any) -> npt.NDArray[np.bool_]:
        """Which rows count within a day; notes when, and their marks."""
        if self._layout.watermark:
            self.unmarked += sum(row[-2] is None for row in rows)
        due = times.astype(np.int64) // 60 * 60 + self._network.interval_minutes * 60
        if self._layout.available:
            available = read_times(_readable(table, self._layout.available), self._layout.available_zone).utc
            due = np.maximum(due, np.where(np.isnat(available), 0, available.astype(np.int64)))
        ahead = ~np.isnat(times) & (due > self._now) & (not self._pull.has_range)
        soon = ahead & (due <= self._now + SOON)
        self.due = min(self.due, int(due[ahead].min(initial=_NEVER)))
        if self._layout.watermark:
            marks = [rows[i][-2] for i in np.flatnonzero(soon).tolist()]
            self._wait_for([Mark.of(value) for value in marks if value is not None])
        return np.asarray(soon)

    def _wait_for(self, marks: list[Mark]) -> None:
        for mark in marks:
            if self.waits is None or mark < self.waits:
                self.waits = mark


def _readable(table: pa.Table, name: str) -> pa.Array:
    """A column for `read_times`, which knows no column without a type."""
    column = table.column(name).chunk(0)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
