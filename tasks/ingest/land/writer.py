"""Observations of one source into their files: a batch a service day, named by what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from tasks.arrays import WEEKS
from tasks.clock import service_dates
from tasks.ingest.batch import SourceBatch
from tasks.ingest.land.changes import changes, silenced
from tasks.ingest.land.ledger import Entry
from tasks.ingest.statements import MICROSECONDS, UNKNOWN, Statements, concatenate
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.observations import batch_path, holds, read_observations

_SECOND, _DAY = 1_000_000, 86_400_000_000


@dataclass(frozen=True)
class Landing:
    """What became of a key's statements.

    Attributes:
        stated: service days that it speaks of.
        touched: service days to fold anew.
        old: rows written that are old news of a live ingest.
    """

    stated: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    old: int = 0

    def __add__(self, other: Landing) -> Landing:
        return Landing(self.stated | other.stated, self.touched | other.touched, self.old + other.old)


@dataclass(frozen=True)
class Writer:
    """Where and how rows of one source land.

    Attributes:
        store: the data root.
        source: name of the source.
        targets: counts of the network.
        timezone: the network's.
        interval: minutes a step.
        latency_seconds: how long after its minute a row of a backfill was known.
        backfill: whether rows were known when they happened, or are known from now.
        as_of: now.
        start, end: bounds that were asked for.
        setup: fingerprint of the configuration; a file is read again when that changes.
        weeks: weekly lags that there are; late data marks what it touched.
        calendar: country and subdivision, for their holidays.
    """

    store: Store
    source: str
    targets: tuple[str, ...]
    timezone: str
    interval: int
    latency_seconds: int
    backfill: bool
    as_of: np.datetime64
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None
    setup: str = ""
    weeks: int = WEEKS
    calendar: tuple[str | None, str | None] = (None, None)

    def land(self, batch: SourceBatch, before: Entry | None, received_at: np.datetime64) -> Landing:
        """Write what a batch says beyond what its key said before.

        Running it again after a crash, or beside another run, ends in the same minutes.
        """
        landing, parts = Landing(), batch.statements.used_parts()
        for day, rows in batch.statements.sorted().by_day(self.timezone):
            landing += self._land_day(day, rows, parts, batch, before, received_at)
        return landing

    def silence(self, batch: SourceBatch, before: Entry, stated: frozenset[str], received_at: np.datetime64) -> Landing:
        """Zero what the key said before about days that it mentions no more."""
        if before.first_minute is None or before.last_minute is None:
            return Landing()
        span = np.array([before.first_minute, before.last_minute], dtype="datetime64[m]")
        first, last = map(str, service_dates(span, self.timezone))
        nothing = batch.statements.take(slice(0, 0))
        landing = Landing()
        for day in self.store.partitions("observations"):
            if first <= day <= last and day not in stated:
                landing += self._land_day(day, nothing, [batch.part], batch, before, received_at)
        return landing

    def _land_day(
        self,
        day: str,
        rows: Statements,
        parts: list[str],
        batch: SourceBatch,
        before: Entry | None,
        received_at: np.datetime64,
    ) -> Landing:
        state = before.state if before and not batch.appends else ""
        if batch.appends or not (before or batch.silence_is_zero):
            told, name = self._first_statements(day, rows, parts, batch, state)
            in_doubt = True
        else:
            base, last_receipt = self._said(day, parts)
            told = self._changed(rows, base, batch.silence_is_zero).sorted()
            name = self._name(told, batch, state)
            in_doubt = before is None or bool(last_receipt > np.datetime64(before.received_at))  # a run that crashed
        if len(told):
            self._write(day, told, name, received_at)
        touched = frozenset([day] if in_doubt or len(told) else [])
        return Landing(frozenset([day]), touched, self._old(told))

    def _first_statements(
        self, day: str, rows: Statements, parts: list[str], batch: SourceBatch, state: str
    ) -> tuple[Statements, str]:
        """What to write of a key that the ledger does not know, and the name of that batch."""
        told = self._filled(rows).sorted()
        name = self._name(told, batch, state)
        if batch.appends or not holds(self.store, day, name):
            return told, name
        base, last_receipt = self._said(day, parts)  # the ledger was lost: something else may have been said since
        told = self._changed(rows, base, False).sorted()
        return told, self._name(told, batch, f"after {last_receipt}")

    @property
    def _now(self) -> int:
        return int(self.as_of.astype("datetime64[us]").astype(np.int64))

    def _filled(self, rows: Statements) -> Statements:
        """With an availability to every row: what the source says, else by the kind of ingest."""
        ends = (rows.minute + self.interval) * MICROSECONDS
        derived = ends + self.latency_seconds * _SECOND if self.backfill else np.full(len(rows), self._now)
        said = np.maximum(rows.available, ends)  # nothing is known before it is over
        return replace(rows, available=np.where(rows.available == UNKNOWN, derived, said))

    def _changed(self, rows: Statements, base: Statements, silence_is_zero: bool) -> Statements:
        if silence_is_zero:
            rows = concatenate(rows, silenced(rows, base))
        return changes(self._filled(rows), base, rows.available == UNKNOWN, self._now)

    def _said(self, day: str, parts: list[str]) -> tuple[Statements, np.datetime64]:
        """What the source said about a day and these parts, by availability and receipt; and the last receipt."""
        wanted = (pc.field("source") == self.source) & pc.field("part").isin(parts)
        if self.start is not None:
            wanted &= pc.field("minute_utc") >= schemas.to_time(self.start)
        if self.end is not None:
            wanted &= pc.field("minute_utc") < schemas.to_time(self.end)
        table = read_observations(self.store, day, schemas.observations(self.targets), wanted)
        receipts = schemas.numpy_times(table["received_at"])
        last = receipts.max() if len(receipts) else np.datetime64(0, "us")
        order = [("available_at", "ascending"), ("received_at", "ascending")]
        return Statements.from_observations(table.sort_by(order), self.targets), last

    def _name(self, rows: Statements, batch: SourceBatch, state: str) -> str:
        """Name of a batch: what it says and in which state of its key, receipt aside."""
        unnamed = replace(rows, available=np.where(self._by_receipt(rows), UNKNOWN, rows.available))
        kind = "backfill" if self.backfill else "live"
        return unnamed.fingerprint(self.source, batch.part, batch.key, kind, state)[:24]

    def _write(self, day: str, rows: Statements, name: str, received_at: np.datetime64) -> None:
        if not holds(self.store, day, name):
            self.store.write_table(batch_path(day, name), rows.to_table(self.source, received_at, self.targets))

    def _by_receipt(self, rows: Statements) -> npt.NDArray[np.bool_]:
        """Statements that are known from now."""
        return np.asarray(rows.available == self._now) & (not self.backfill)

    def _old(self, rows: Statements) -> int:
        ends = (rows.minute + self.interval) * MICROSECONDS
        return int(np.sum(self._by_receipt(rows) & (ends < self._now - _DAY)))
