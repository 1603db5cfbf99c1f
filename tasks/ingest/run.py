"""One ingest of one source, from pull to ledger. The order of writes makes every crash harmless."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, groupby

import numpy as np

from tasks.contracts import Progress
from tasks.errors import SourceError
from tasks.ingest.batch import SourceBatch
from tasks.ingest.event_ids import Claims
from tasks.ingest.formats.repaired import Repairs
from tasks.ingest.land.ledger import Entry, LedgerView, SourceLedger, first_state, text_of
from tasks.ingest.land.reject_table import write_rejects
from tasks.ingest.land.writer import Landing, Writer
from tasks.ingest.prefetch import WORKERS, prefetch
from tasks.ingest.rejects import Rejects
from tasks.ingest.report import SourceReport, Span, Tally
from tasks.ingest.source import Pull, Source
from tasks.tables.rebuild import rebuild_day
from tasks.tables.staleness import mark_late

_TICK = np.timedelta64(1, "us")
KEYS, ROWS = 256, 5_000_000
"""After so many of either the ledger is written, so that a run that is cut off need not repeat them."""


def run(writer: Writer, source: Source, paths: tuple[str, ...] = (), progress: Progress | None = None) -> SourceReport:
    """Pull what is new, write observations and rejects, fold the days touched, then the ledger.

    Raises:
        SourceError: if nothing of the source can be read.
        StoreError: if the data root cannot be written.
    """
    books = _Books(SourceLedger(writer.store, source.name))
    bare = Pull(writer.as_of, writer.start, writer.end, paths, repairs=Repairs(writer.store, source.name))
    view = LedgerView(books.ledger, bare, writer.setup, writer.backfill)
    pull = replace(bare, done=view, claims=Claims(writer.store, source.name))
    receipt, tally = _first_receipt(writer.as_of, books.ledger), Tally()
    tally.days.update(day for days in books.others.values() for day in days)
    pulled = _told(prefetch(source.pull(pull)), progress)
    for key, batches in groupby(pulled, key=lambda batch: batch.key):
        entry = _one_key(writer, books.get(key), _noting(batches, books, writer.as_of, tally), receipt, tally)
        if entry:
            books.enter(entry, tally.days)
            receipt = max(receipt, np.datetime64(entry.received_at) + _TICK)
    books.owe(tally.days)
    minutes = _fold(writer, sorted(tally.days), progress)
    late = mark_late(writer.store, tally.days, writer.as_of, writer.timezone, writer.weeks, *writer.calendar)
    books.close()
    if tally.failures and not (tally.files or tally.skipped):
        more = f" (and {len(tally.failures) - 1} more files)" if len(tally.failures) > 1 else ""
        raise SourceError(tally.failures[0] + more)
    return replace(tally.report(source.name, minutes), late=late)


class _Books:
    """What a run enters in the ledger, and the days that it owes the minute table meanwhile."""

    def __init__(self, ledger: SourceLedger) -> None:
        self.ledger, self.others = ledger, ledger.owed()
        self._entries, self._rows, self._own = dict[str, Entry](), 0, list[str]()

    def get(self, key: str) -> Entry | None:
        """What is known of a key."""
        return self._entries.get(key) or self.ledger.get(key)

    def enter(self, entry: Entry, days: Collection[str]) -> None:
        """Take an entry; now and then write all that there are, after a note of the `days` touched so far."""
        self._entries[entry.key] = entry
        self._rows += entry.rows
        if len(self._entries) >= KEYS or self._rows >= ROWS:
            self.owe(days)
            self._write()

    def owe(self, days: Collection[str]) -> None:
        """Note the days that are to be folded; each time anew, since another run may have settled an earlier note."""
        if days:
            self._own.append(self.ledger.owe(uuid.uuid4().hex, days))

    def close(self) -> None:
        """Write the rest: every day touched is folded."""
        self._write()
        self.ledger.settle([*self._own, *self.others])

    def _write(self) -> None:
        self.ledger.write(list(self._entries.values()))
        self._entries, self._rows = {}, 0


def _noting(batches: Iterator[SourceBatch], books: _Books, as_of: np.datetime64, tally: Tally) -> Iterator[SourceBatch]:
    """The batches; what they make room for is marked in the ledger, to be read again by the next run."""
    for batch in batches:
        for key in batch.recheck:
            if waiting := books.get(key):
                books.enter(replace(waiting, recheck_at=str(as_of)), tally.days)
        yield batch


def _fold(writer: Writer, days: Sequence[str], progress: Progress | None) -> int:
    """Fold service days, some at a time; returns the rows of the minute table that are written anew."""
    minutes = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        rebuilt = pool.map(lambda day: rebuild_day(writer.store, day, writer.targets), days)
        for done, rows in enumerate(rebuilt, 1):
            minutes += rows
            if progress:
                progress(f"{writer.source}: folding", done, len(days))
    return minutes


def _first_receipt(as_of: np.datetime64, ledger: SourceLedger) -> np.datetime64:
    """Receipts of a source only grow, so that the later of two statements known at once is the one that counts."""
    now, last = as_of.astype("datetime64[us]"), ledger.received_at
    return now if last is None else max(now, last + _TICK)


def _told(batches: Iterator[SourceBatch], progress: Progress | None) -> Iterator[SourceBatch]:
    """The batches, with word to `progress` of each that has landed."""
    for batch in batches:
        yield batch
        if progress and batch.done:
            progress(f"{batch.source}: reading", batch.done, batch.total)


def _one_key(
    writer: Writer,
    before: Entry | None,
    batches: Iterator[SourceBatch],
    receipt: np.datetime64,
    tally: Tally,
) -> Entry | None:
    """Land the batches of a key; its entry for the ledger, None where that has nothing to learn."""
    first = next(batches)
    if first.failure:
        return _failed(writer, before, first, receipt, tally)
    if first.unchanged:
        tally.skipped += first.files
        return replace(before, stamp=first.stamp) if before and before.stamp != first.stamp else None
    return _land(writer, before, chain([first], batches), receipt, tally)


def _failed(writer: Writer, before: Entry | None, batch: SourceBatch, receipt: np.datetime64, tally: Tally) -> Entry:
    """Keep what an input looked like that could not be used; it is tried again, and what it said before stands."""
    rejects = Rejects.listed(batch.source, batch.origin, batch.rejects)
    kept = write_rejects(writer.store, rejects, receipt, before.rejects if before else ())
    tally.failed(str(batch.failure), rejects)
    blank = Entry(
        key=batch.key,
        origin=batch.origin,
        digest="",
        stamp=None,
        state="",
        setup=writer.setup,
        backfill=writer.backfill,
        rows=0,
        rejected=0,
        received_at=str(receipt),
    )
    return replace(before or blank, rejects=kept, failed=batch.failure)


def _land(
    writer: Writer, before: Entry | None, batches: Iterator[SourceBatch], receipt: np.datetime64, tally: Tally
) -> Entry:
    landing, own, rejects = Landing(), Tally(), None
    for batch in batches:
        landing += writer.land(batch, before, receipt)
        refused = Rejects.listed(batch.source, batch.origin, batch.rejects)
        rejects = refused if rejects is None else rejects.joined(refused)
        own.landed(batch.accepted, _span(batch), batch.warnings)
    assert rejects is not None  # a group has a first batch
    if before and batch.silence_is_zero:
        landing += writer.silence(batch, before, landing.stated, receipt)
    kept = write_rejects(writer.store, rejects, receipt, before.rejects if before else (), batch.appends)
    tally.add(own, rejects, landing.touched, landing.old)
    return _entry(writer, before, batch, own, rejects.counts(), kept, receipt)


def _entry(
    writer: Writer,
    before: Entry | None,
    batch: SourceBatch,
    own: Tally,
    reasons: dict[str, int],
    kept: list[str],
    receipt: np.datetime64,
) -> Entry:
    """What the ledger should know of a key, seen from its last batch."""
    if before and batch.appends:
        reasons = dict(Counter(before.reasons) + Counter(reasons))
    span = _widest(own.span, before)
    asked = writer.start is not None or writer.end is not None
    entry = Entry(
        key=batch.key,
        origin=batch.origin,
        digest=batch.digest,
        stamp=batch.stamp,
        state=before.next_state(batch.digest) if before else first_state(batch.digest),
        setup=writer.setup,
        backfill=writer.backfill,
        rows=own.rows,
        rejected=sum(reasons.values()),
        reasons=reasons,
        received_at=str(receipt),
        rejects=kept,
        first_minute=text_of(span[0]) if span else None,
        last_minute=text_of(span[1]) if span else None,
        start=text_of(writer.start),
        end=text_of(writer.end),
        cursor=batch.cursor if batch.cursor or not before else before.cursor,
        recheck_at=text_of(batch.recheck_at),
    )
    return _again(before, entry) if before and before.cursor and asked else entry


def _again(before: Entry, entry: Entry) -> Entry:
    """The entry of a key of which a span was asked for again: the cursor, and all that it rests on, stay."""
    return replace(
        before,
        state=entry.state,
        received_at=entry.received_at,
        rejects=entry.rejects,
        first_minute=entry.first_minute,
        last_minute=entry.last_minute,
    )


def _span(batch: SourceBatch) -> Span | None:
    """First and last UTC minute that a batch states."""
    minute = batch.statements.minute.astype("datetime64[m]")
    return (minute.min(), minute.max()) if len(minute) else None


def _widest(span: Span | None, before: Entry | None) -> Span | None:
    """The span, and that of what the key said before."""
    if before is None or before.first_minute is None or before.last_minute is None:
        return span
    first, last = np.datetime64(before.first_minute), np.datetime64(before.last_minute)
    return (min(span[0], first), max(span[1], last)) if span else (first, last)
