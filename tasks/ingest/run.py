"""Run one ingest of one source, from pull to ledger. The order of writes makes every crash harmless."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain, groupby

import numpy as np

from tasks.contracts import Progress
from tasks.errors import SourceError
from tasks.ingest.batch import SourceBatch
from tasks.ingest.context import IngestContext
from tasks.ingest.event_ids import Claims
from tasks.ingest.formats.repaired import Repairs
from tasks.ingest.land.earlier_ids import EarlierIds
from tasks.ingest.land.entries import Entry, Input, Outcome, Position, first_state, moment_text
from tasks.ingest.land.ledger import LedgerView, SourceLedger
from tasks.ingest.land.readings import land_readings, lock_of
from tasks.ingest.land.reject_table import write_rejects
from tasks.ingest.land.transaction import LedgerTransaction
from tasks.ingest.land.writer import Writer, WriteResult
from tasks.ingest.mask import Mask
from tasks.ingest.poll_log import PollLog
from tasks.ingest.prefetch import WORKERS, map_ahead, prefetch
from tasks.ingest.rejects import Rejects
from tasks.ingest.report import IngestTotals, MinuteRange, SourceReport, join_ranges
from tasks.ingest.source import COMPLETE, UNFINISHED, Pull, Source
from tasks.tables.rebuild import rebuild_day
from tasks.tables.staleness import mark_late

_TICK = np.timedelta64(1, "us")


def run(context: IngestContext, source: Source, progress: Progress | None = None) -> SourceReport:
    """Pull what is new, write observations and rejects, fold the days that changed, then write the ledger.

    Raises:
        SourceError: if nothing of the source can be read, or a station of the data root has another id now.
        StoreError: if the data root cannot be written.
    """
    ledger = SourceLedger(context.store, source.name)
    transaction, totals = LedgerTransaction(ledger), IngestTotals()
    totals.days |= transaction.earlier_days
    receipt = _first_receipt(context.as_of, ledger)
    writer = Writer(context, lambda part: transaction.get(part) is not None)
    pulled = Mask.of(context.source).batches(prefetch(source.pull(_pull(context, source, ledger))))
    batches = _with_progress(_check_ids(pulled, context), progress)
    for key, of_key in groupby(batches, key=lambda batch: batch.key):
        marked = _mark_rechecks(of_key, transaction, context.as_of, totals)
        entry = _ingest_key(writer, transaction.get(key), marked, receipt, totals)
        if entry:
            transaction.add(entry, totals.days)
            receipt = max(receipt, np.datetime64(entry.outcome.received_at) + _TICK)
    transaction.mark_pending(totals.days)
    minutes = _fold_days(context, sorted(totals.days), progress)
    network = context.network
    calendar = network.country, network.subdivision
    late = mark_late(context.store, totals.days, context.as_of, network.timezone, context.lags, *calendar)
    transaction.commit()
    if totals.failures and not (totals.files or totals.skipped):
        more = f" (and {len(totals.failures) - 1} more files)" if len(totals.failures) > 1 else ""
        raise SourceError(totals.failures[0] + more)
    return replace(totals.to_report(context, minutes), late=late)


def _with_progress(batches: Iterator[SourceBatch], progress: Progress | None) -> Iterator[SourceBatch]:
    """The batches; each that has landed is reported to `progress`."""
    for batch in batches:
        yield batch
        if progress and batch.done:
            progress(f"{batch.source}: reading", batch.done, batch.total)


def _check_ids(batches: Iterator[SourceBatch], context: IngestContext) -> Iterator[SourceBatch]:
    """The batches; a station that the data root holds under another id ends them."""
    earlier = EarlierIds(context.store, context.network.aliases)
    for batch in batches:
        earlier.check(batch.statements.used_stations())
        if batch.readings is not None:
            earlier.check(batch.readings.rows.used_stations())
        yield batch


def _pull(context: IngestContext, source: Source, ledger: SourceLedger) -> Pull:
    return Pull(
        context.as_of,
        context.start,
        context.end,
        context.paths,
        COMPLETE if context.backfill or context.paths else UNFINISHED,
        LedgerView(ledger, context),
        Claims(context.store, source.name),
        Repairs(context.store, source.name),
        PollLog(context.store, source.name),
    )


def _first_receipt(as_of: np.datetime64, ledger: SourceLedger) -> np.datetime64:
    """Receipts of a source only grow, so that the later of two statements known at once is the one that counts."""
    now, last = as_of.astype("datetime64[us]"), ledger.received_at
    return now if last is None else max(now, last + _TICK)


def _mark_rechecks(
    batches: Iterator[SourceBatch], transaction: LedgerTransaction, as_of: np.datetime64, totals: IngestTotals
) -> Iterator[SourceBatch]:
    """The batches; keys that get an event back from one of them are marked in the ledger to be read again."""
    for batch in batches:
        for key in batch.recheck:
            if entry := transaction.get(key):
                position = replace(entry.position, recheck_at=str(as_of))
                transaction.add(replace(entry, position=position), totals.days)
        yield batch


def _fold_days(context: IngestContext, days: Sequence[str], progress: Progress | None) -> int:
    """Fold service days, some at a time; returns how many rows of the minute table were rebuilt."""
    minutes = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        rebuilt = pool.map(lambda day: rebuild_day(context.store, day, context.network.targets), days)
        for done, rows in enumerate(rebuilt, 1):
            minutes += rows
            if progress:
                progress(f"{context.source.name}: folding", done, len(days))
    return minutes


def _ingest_key(
    writer: Writer,
    before: Entry | None,
    batches: Iterator[SourceBatch],
    receipt: np.datetime64,
    totals: IngestTotals,
) -> Entry | None:
    """Land the batches of a key; its new entry for the ledger, None where nothing changes there."""
    first = next(batches)
    if first.failure:
        return _record_failure(writer.context, before, first, receipt, totals)
    if first.unchanged:
        totals.skipped += first.files
        if before is None or before.input.stamp == first.stamp:
            return None
        return replace(before, input=replace(before.input, stamp=first.stamp))
    return _land_key(writer, before, chain([first], batches), receipt, totals)


def _record_failure(
    context: IngestContext, before: Entry | None, batch: SourceBatch, receipt: np.datetime64, totals: IngestTotals
) -> Entry:
    """Keep why an input could not be used; it is tried again, and its key's earlier statements stay."""
    rejects = Rejects.from_sequence(batch.source, batch.origin, batch.rejects)
    kept = write_rejects(context.store, rejects, receipt, before.outcome.rejects if before else ())
    totals.add_failure(str(batch.failure), rejects)
    if before is None:
        before = Entry(batch.key, Input.of(context, batch.origin, "", None, ""), Outcome(str(receipt)))
    return replace(before, outcome=replace(before.outcome, rejects=kept, failed=batch.failure))


def _land_key(
    writer: Writer,
    before: Entry | None,
    batches: Iterator[SourceBatch],
    receipt: np.datetime64,
    totals: IngestTotals,
) -> Entry:
    """Write observations and rejects of the batches of a key; its new entry for the ledger."""
    context, result, own, rejects = writer.context, WriteResult(), IngestTotals(), None
    for batch, written in _write_all(writer, before, batches, receipt):
        result += written
        more = Rejects.from_sequence(batch.source, batch.origin, batch.rejects)
        rejects = more if rejects is None else rejects.merge(more)
        own.add_rows(batch.accepted, _minutes_of(batch), batch.warnings, batch.left_out)
        own.partly += batch.partly
        own.recheck_at = own.recheck_at or batch.recheck_at
    assert rejects is not None  # a group has a first batch
    if before and not batch.appends and (batch.silence_is_zero or writer.is_reread(before)):
        result += writer.zero_removed_days(batch, before, result.stated_days, receipt)
    kept = write_rejects(context.store, rejects, receipt, before.outcome.rejects if before else (), batch.appends)
    totals.add_key(own, rejects, result.changed_days, result.old_rows)
    reasons = rejects.counts()
    if before and batch.appends:
        reasons = dict(Counter(before.outcome.reasons) + Counter(reasons))
    first, last = join_ranges(own.minutes, _earlier_range(before)) or (None, None)
    outcome = Outcome(str(receipt), own.rows, reasons, kept, None, moment_text(first), moment_text(last))
    return _next_entry(context, before, batch, outcome)


def _write_all(
    writer: Writer, before: Entry | None, batches: Iterator[SourceBatch], receipt: np.datetime64
) -> Iterator[tuple[SourceBatch, WriteResult]]:
    """Write batches of a key, those of a new one side by side, for each has days of its own; and what was written."""

    def write(batch: SourceBatch) -> tuple[SourceBatch, WriteResult]:
        context = writer.context
        with context.store.lock(lock_of(context.source.name)) if batch.readings is not None else nullcontext():
            batch = land_readings(context, batch, receipt)
            return batch, writer.write(batch, before, receipt)

    first = next(batches)
    alone = before is None and not first.appends and not first.restates and first.readings is None
    return map_ahead(write, chain([first], batches)) if alone else map(write, chain([first], batches))


def _next_entry(context: IngestContext, before: Entry | None, last: SourceBatch, outcome: Outcome) -> Entry:
    """Entry of a key after its last batch."""
    state = before.input.next_state(last.digest) if before else first_state(last.digest)
    if before and before.position.cursor and context.has_range:
        return _keep_position(before, state, outcome)
    cursor = last.cursor if last.cursor or not before else before.position.cursor
    return Entry(
        last.key,
        Input.of(context, last.origin, last.digest, last.stamp, state),
        outcome,
        Position(cursor, moment_text(last.recheck_at)),
    )


def _keep_position(before: Entry, state: str, outcome: Outcome) -> Entry:
    """Entry of a key of which a range of minutes was pulled again: its cursor, and all that belongs to it, stays."""
    renewed = replace(
        before.outcome,
        received_at=outcome.received_at,
        rejects=outcome.rejects,
        first_minute=outcome.first_minute,
        last_minute=outcome.last_minute,
    )
    return replace(before, input=replace(before.input, state=state), outcome=renewed)


def _minutes_of(batch: SourceBatch) -> MinuteRange | None:
    """First and last UTC minute that a batch states."""
    minute = batch.statements.minute
    return (np.datetime64(int(minute.min()), "m"), np.datetime64(int(minute.max()), "m")) if len(minute) else None


def _earlier_range(before: Entry | None) -> MinuteRange | None:
    """First and last UTC minute that a key stated so far."""
    if before is None or before.outcome.first_minute is None or before.outcome.last_minute is None:
        return None
    return np.datetime64(before.outcome.first_minute), np.datetime64(before.outcome.last_minute)
