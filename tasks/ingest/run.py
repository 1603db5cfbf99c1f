"""One ingest of one source, from pull to ledger. The order of writes makes every crash harmless."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, groupby

import numpy as np

from tasks import tables
from tasks.contracts import Progress
from tasks.errors import SourceError
from tasks.ingest.ledger import Entry, LedgerView, SourceLedger, first_state, text_of
from tasks.ingest.overlays import Overlays
from tasks.ingest.pieces import Piece
from tasks.ingest.rejects import Rejects, write_rejects
from tasks.ingest.report import SourceReport, Span, Tally
from tasks.ingest.source import Pull, Source
from tasks.ingest.writer import Landing, Writer
from tasks.minutes import rebuild_day

_TICK = np.timedelta64(1, "us")


def run(writer: Writer, source: Source, paths: tuple[str, ...] = (), progress: Progress | None = None) -> SourceReport:
    """Pull what is new, write observations and rejects, fold the days touched, then the ledger.

    Raises:
        SourceError: if nothing of the source can be read.
        StoreError: if the data root cannot be written.
    """
    ledger = SourceLedger(writer.store, source.name)
    repairs = Overlays(writer.store, source.name)
    bare = Pull(writer.as_of, writer.start, writer.end, paths, repairs=repairs)
    pull = replace(bare, done=LedgerView(ledger, bare, writer.setup, writer.backfill))
    receipt, tally, entries = _first_receipt(writer.as_of, ledger), Tally(), []
    pulled = _told(source.pull(pull), progress)
    for key, pieces in groupby(pulled, key=lambda piece: piece.key):
        entry = _one_key(writer, ledger.get(key), pieces, receipt, tally)
        if entry:
            entries.append(entry)
            receipt = max(receipt, np.datetime64(entry.received_at) + _TICK)
    minutes = 0
    for done, day in enumerate(sorted(tally.days)):
        minutes += rebuild_day(writer.store, day, writer.targets)
        if progress:
            progress(f"{source.name}: folding", done + 1, len(tally.days))
    ledger.write(entries)
    if tally.failures and not (tally.files or tally.skipped):
        more = f" (and {len(tally.failures) - 1} more files)" if len(tally.failures) > 1 else ""
        raise SourceError(tally.failures[0] + more)
    return tally.report(source.name, minutes)


def _first_receipt(as_of: np.datetime64, ledger: SourceLedger) -> np.datetime64:
    """Receipts of a source only grow, so that the later of two statements known at once is the one that counts."""
    now, last = as_of.astype("datetime64[us]"), ledger.received_at
    return now if last is None else max(now, last + _TICK)


def _told(pieces: Iterator[Piece], progress: Progress | None) -> Iterator[Piece]:
    """The pieces, with word to `progress` of each that has landed."""
    for piece in pieces:
        yield piece
        if progress and piece.done:
            progress(f"{piece.source}: reading", piece.done, piece.total)


def _one_key(
    writer: Writer,
    before: Entry | None,
    pieces: Iterator[Piece],
    receipt: np.datetime64,
    tally: Tally,
) -> Entry | None:
    """Land the pieces of a key; its entry for the ledger, None where that has nothing to learn."""
    first = next(pieces)
    if first.failure:
        rejects = Rejects.listed(first.source, first.origin, first.rejects)
        write_rejects(writer.store, rejects, receipt, ())
        tally.failed(first.failure, rejects)
        return None
    if first.unchanged:
        tally.skipped += 1
        return replace(before, stamp=first.stamp) if before and before.stamp != first.stamp else None
    return _land(writer, before, chain([first], pieces), receipt, tally)


def _land(
    writer: Writer,
    before: Entry | None,
    pieces: Iterator[Piece],
    receipt: np.datetime64,
    tally: Tally,
) -> Entry:
    landing, own, rejects = Landing(), Tally(), None
    for piece in pieces:
        landing += writer.land(piece, before, receipt)
        refused = Rejects.listed(piece.source, piece.origin, piece.rejects)
        rejects = refused if rejects is None else rejects.joined(refused)
        own.landed(piece.accepted, _span(piece), piece.warnings)
    assert rejects is not None  # a group has a first piece
    if before and piece.silence_is_zero:
        landing += writer.silence(piece, before, landing.stated, receipt)
    kept = write_rejects(writer.store, rejects, receipt, before.rejects if before else (), piece.appends)
    tally.add(own, rejects, landing.touched, landing.old)
    return _entry(writer, before, piece, own, rejects.counts(), kept, receipt)


def _entry(
    writer: Writer,
    before: Entry | None,
    piece: Piece,
    own: Tally,
    reasons: dict[str, int],
    kept: list[str],
    receipt: np.datetime64,
) -> Entry:
    """What the ledger should know of a key, seen from its last piece."""
    if before and piece.appends:
        reasons = dict(Counter(before.reasons) + Counter(reasons))
    span = _widest(own.span, before)
    return Entry(
        key=piece.key,
        origin=piece.origin,
        digest=piece.digest,
        stamp=piece.stamp,
        state=before.next_state(piece.digest) if before else first_state(piece.digest),
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
        cursor=piece.cursor if piece.cursor or not before else before.cursor,
        recheck_at=text_of(piece.recheck_at),
    )


def _span(piece: Piece) -> Span | None:
    """First and last UTC minute that a piece states."""
    times = tables.numpy_times(piece.observations["minute_utc"])
    return (times.min().astype("datetime64[m]"), times.max().astype("datetime64[m]")) if len(times) else None


def _widest(span: Span | None, before: Entry | None) -> Span | None:
    """The span, and that of what the key said before."""
    if before is None or before.first_minute is None or before.last_minute is None:
        return span
    first, last = np.datetime64(before.first_minute), np.datetime64(before.last_minute)
    return (min(span[0], first), max(span[1], last)) if span else (first, last)
