"""Write the observations of one source: one file per service day and batch, named by a fingerprint of its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from tasks.clock import service_dates
from tasks.errors import SourceError
from tasks.ingest.batch import SourceBatch
from tasks.ingest.context import IngestContext
from tasks.ingest.land.changes import blank_all_rows, changes, zero_removed_rows
from tasks.ingest.land.entries import Entry
from tasks.ingest.statements import MICROSECONDS, UNKNOWN, Statements, concatenate
from tasks.stations.ids import is_excluded
from tasks.tables import schemas
from tasks.tables.observations import batch_path, holds, read_observations
from tasks.tables.rebuild import fold_first

FOLDED_AT_ONCE = 100_000
"""Rows of the first batch of a day from which on they are folded as they are written, which saves reading them."""
_SECOND, _DAY = 1_000_000, 86_400_000_000


@dataclass(frozen=True)
class WriteResult:
    """Service days that statements were about, and what was written.

    Attributes:
        stated_days: service days of the statements.
        changed_days: service days to fold again.
        old_rows: rows of a live ingest that are older than a day.
    """

    stated_days: frozenset[str] = frozenset()
    changed_days: frozenset[str] = frozenset()
    old_rows: int = 0

    def __add__(self, other: WriteResult) -> WriteResult:
        return WriteResult(
            self.stated_days | other.stated_days,
            self.changed_days | other.changed_days,
            self.old_rows + other.old_rows,
        )


@dataclass(frozen=True)
class Writer:
    """Writes what is new of one source, in the way that a context asks for.

    Attributes:
        context: what one ingest reads, and where it writes.
        is_key: whether the source has an input of that key.
    """

    context: IngestContext
    is_key: Callable[[str], bool] = field(default=lambda _: False)

    def write(self, batch: SourceBatch, before: Entry | None, received_at: np.datetime64) -> WriteResult:
        """Write what a batch states beyond what its key stated before.

        Running it again after a crash, or beside another run, ends in the same minutes.
        """
        result, parts = WriteResult(), sorted({batch.part, *batch.statements.used_parts()})
        for day, rows in batch.statements.by_day(self.context.network.timezone):
            result += self._write_day(day, rows, parts, batch, before, received_at)
        return result

    def zero_removed_days(
        self, batch: SourceBatch, before: Entry, stated_days: frozenset[str], received_at: np.datetime64
    ) -> WriteResult:
        """Write zeros for the days that the key stated before and states no more."""
        earlier = before.outcome
        if earlier.first_minute is None or earlier.last_minute is None:
            return WriteResult()
        ends = np.array([earlier.first_minute, earlier.last_minute], dtype="datetime64[m]")
        first, last = map(str, service_dates(ends, self.context.network.timezone))
        nothing = batch.statements.take(slice(0, 0))
        result = WriteResult()
        for day in self.context.store.partitions("observations"):
            if first <= day <= last and day not in stated_days:
                result += self._write_day(day, nothing, [batch.part], batch, before, received_at)
        return result

    def _write_day(
        self,
        day: str,
        rows: Statements,
        parts: list[str],
        batch: SourceBatch,
        before: Entry | None,
        received_at: np.datetime64,
    ) -> WriteResult:
        state = before.input.state if before and not batch.appends else ""
        if not batch.restates and (batch.appends or not (before or batch.silence_is_zero)):
            new, name = self._without_diff(day, rows, parts, batch, state)
            is_changed = True
        else:
            base, last_receipt = self._earlier_statements(day, parts)
            new = self._diff(self._with_removed(rows, base, batch), base)
            if before and self.is_reread(before):
                if before.input.setup != self.context.setup:
                    self._check_parts(day, rows, batch)
                gone = self._blanks_for_excluded(day), self._blanks_for_renamed(day, rows)
                new = concatenate(new, self._zeros_for_other_part(day, rows, batch), *gone)
            new = new.sort_rows()
            name = self._name(new, batch, state)
            # rows received after the entry are of a run that crashed: the day may not have been folded since
            is_changed = bool(len(new)) or before is None or bool(last_receipt > _received_at(before))
        if len(new) and holds(self.context.store, day, name):
            self.context.store.sync_names([batch_path(day, name)])
        elif len(new):
            table = new.to_table(self.context.source.name, received_at, self.context.network.targets)
            self.context.store.write_table(batch_path(day, name), table)
            if before is None and len(table) >= FOLDED_AT_ONCE:
                fold_first(self.context.store, day, batch_path(day, name), table, self.context.network.targets)
        return WriteResult(frozenset([day]), frozenset([day] if is_changed else []), self._count_old(new))

    def _without_diff(
        self, day: str, rows: Statements, parts: list[str], batch: SourceBatch, state: str
    ) -> tuple[Statements, str]:
        """All rows of a key that the ledger does not know or that only appends, and the name of their batch."""
        new = self._with_availability(rows).sort_rows()
        name = self._name(new, batch, state)
        if batch.appends or not holds(self.context.store, day, name):
            return new, name
        # The ledger was lost: other input of the key may have landed after this batch, so its rows count again.
        base, last_receipt = self._earlier_statements(day, parts)
        new = self._diff(rows, base).sort_rows()
        return new, self._name(new, batch, f"after {last_receipt}")

    def is_reread(self, before: Entry) -> bool:
        """Whether a key was read in another way before, so that what it stated may have another part."""
        read = before.input
        return (read.setup, read.start, read.end) != (self.context.setup, None, None)

    def _check_parts(self, day: str, rows: Statements, batch: SourceBatch) -> None:
        """Whether rows that are read in another way now have the names of parts that they had.

        Raises:
            SourceError: if they have others, beside which those of before would count again.
        """
        base, _ = self._earlier_statements(day)
        base = base.take(_among_places(base, rows))
        counted = zero_removed_rows(base.take(slice(0, 0)), base)  # parts that were superseded hold zeros
        before = {*counted.used_parts()}
        own, named = {*rows.used_parts()}, sorted(part for part in before - {"", batch.key} if not self.is_key(part))
        if named and own and not own & before:
            raise SourceError(
                f"source {batch.source!r}: rows of {batch.origin} counted for part {named[0]!r} until now, and count "
                f"for {min(own) or 'the whole'!r} now, so that people would count twice: ingest into a new data root, "
                "or leave the columns of part and device as they were"
            )

    def _zeros_for_other_part(self, day: str, rows: Statements, batch: SourceBatch) -> Statements:
        """Zeros for what a key stated as another part before its rows added up, or before they no longer did.

        The part of all files is that of other keys, too: of it only what this key states again is superseded.
        """
        base, _ = self._earlier_statements(day, sorted({"", batch.key} - {batch.part, *rows.used_parts()}))
        if batch.part:
            base = base.take(_among_places(base, rows))
        zeros = zero_removed_rows(base.take(slice(0, 0)), base)
        return changes(self._with_availability(zeros), base, np.ones(len(zeros), dtype=bool), self._now)

    def _blanks_for_excluded(self, day: str) -> Statements:
        """What the source stated of stations that are left out now, as not known."""
        network = self.context.network
        if not network.excluded:
            return Statements.empty(len(network.targets))
        base, _ = self._earlier_statements(day)
        gone = np.array([is_excluded(station, network.excluded) for station in base.stations], dtype=bool)
        return self._blanks_for(base.take(gone[base.station] if len(base) else slice(0, 0)))

    def _blanks_for_renamed(self, day: str, rows: Statements) -> Statements:
        """What the source stated under an id that is an alias now, as not known where `rows` state its station."""
        aliases = self.context.network.aliases
        gone = {old: new for old, new in aliases.items() if old != new and old not in aliases.values()}
        if not gone:
            return Statements.empty(len(self.context.network.targets))
        base, _ = self._earlier_statements(day)
        is_alias = np.array([station in gone for station in base.stations], dtype=bool)
        base = base.take(is_alias[base.station] if len(base) else slice(0, 0))
        renamed = replace(base, stations=[gone.get(station, station) for station in base.stations])
        return self._blanks_for(base.take(_among_places(renamed, rows)))

    def _blanks_for(self, base: Statements) -> Statements:
        """What is to be written so that nothing of earlier statements is known any more."""
        blanks = blank_all_rows(base)
        return changes(self._with_availability(blanks), base, np.ones(len(blanks), dtype=bool), self._now)

    @property
    def _now(self) -> int:
        return int(self.context.as_of.astype("datetime64[us]").astype(np.int64))

    def _ends(self, rows: Statements) -> npt.NDArray[np.int64]:
        """Microsecond at which the minute of each row is over."""
        return (rows.minute + self.context.network.interval_minutes) * MICROSECONDS

    def _with_availability(self, rows: Statements) -> Statements:
        """Rows with an availability each: what the source states, else by the kind of ingest."""
        latency, open_rows = self.context.source.latency_seconds * _SECOND, rows.available == UNKNOWN
        derived = self._ends(rows) + latency if self.context.backfill else np.full(len(rows), self._now)
        if open_rows.all():
            return replace(rows, available=derived)
        stated = np.maximum(rows.available, self._ends(rows))  # nothing is known before it is over
        return replace(rows, available=np.where(open_rows, derived, stated))

    def _with_removed(self, rows: Statements, base: Statements, batch: SourceBatch) -> Statements:
        """Rows, with zeros for what the key no longer states of its own part.

        Where silence is not zero, that part holds what is not known; it ends where the key states other parts now.
        """
        if not batch.silence_is_zero and not batch.part:
            return rows
        own = np.array([part == batch.part for part in base.parts], dtype=bool)[base.part] if len(base) else slice(0, 0)
        zeros = zero_removed_rows(rows, base.take(own))
        if not batch.silence_is_zero:
            zeros = zeros.take(_among_places(zeros, rows))
        return concatenate(rows, zeros)

    def _diff(self, rows: Statements, base: Statements) -> Statements:
        return changes(self._with_availability(rows), base, rows.available == UNKNOWN, self._now)

    def _earlier_statements(self, day: str, parts: list[str] | None = None) -> tuple[Statements, np.datetime64]:
        """What the source stated about a day and these parts, by availability and receipt; and the last receipt."""
        context = self.context
        wanted = pc.field("source") == context.source.name
        if parts is not None:
            wanted &= pc.field("part").isin(parts)
        if context.start is not None:
            wanted &= pc.field("minute_utc") >= schemas.to_time(context.start)
        if context.end is not None:
            wanted &= pc.field("minute_utc") < schemas.to_time(context.end)
        targets = context.network.targets
        table = read_observations(context.store, day, schemas.observations(targets), wanted)
        receipts = schemas.numpy_times(table["received_at"])
        last = receipts.max() if len(receipts) else np.datetime64(0, "us")
        order = [("available_at", "ascending"), ("received_at", "ascending")]
        return Statements.from_table(table.sort_by(order), targets), last

    def _name(self, rows: Statements, batch: SourceBatch, state: str) -> str:
        """Name of a batch: fingerprint of its content and of the state of its key, receipt aside."""
        unnamed, kind = rows, "backfill"
        if not self.context.backfill:
            available = np.where(self._counts_from_receipt(rows), UNKNOWN, rows.available)
            unnamed, kind = replace(rows, available=available), "live"
        return unnamed.fingerprint(self.context.source.name, batch.part, batch.key, kind, state)[:24]

    def _counts_from_receipt(self, rows: Statements) -> npt.NDArray[np.bool_]:
        """Which rows of a live ingest count as known from now."""
        return np.asarray(rows.available == self._now)

    def _count_old(self, rows: Statements) -> int:
        if self.context.backfill:
            return 0
        return int(np.sum(self._counts_from_receipt(rows) & (self._ends(rows) < self._now - _DAY)))


def _among_places(these: Statements, those: Statements) -> npt.NDArray[np.bool_]:
    """Which of some rows have a station and minute that others have, too."""
    both = concatenate(replace(these, part=np.zeros_like(these.part), parts=[""]), those)
    place = both.station.astype(np.int64) << 32 | both.minute
    return np.isin(place[: len(these)], place[len(these) :])


def _received_at(entry: Entry) -> np.datetime64:
    return np.datetime64(entry.outcome.received_at)
