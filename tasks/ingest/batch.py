"""Batch of a source: statements, rejects, and what the ledger keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.ingest.rejects import Reject
from tasks.ingest.statements import Statements


@dataclass(frozen=True)
class CounterReadings:
    """Readings of counters that a key states.

    Attributes:
        rows: one per station, device and minute; its values are the readings, its parts the devices.
        complete: whether the key states no others; else those that it stated before stand.
    """

    rows: Statements
    complete: bool


@dataclass(frozen=True)
class SourceBatch:
    """Statements and rejects of one read of a source, and its book-keeping. Batches of one key follow one another.

    All rows that a restatable key has of a service day come in one batch.

    Attributes:
        source: name of the source in the configuration.
        part: the share that this batch counts ("" for feeds of totals); see the fold.
        origin: file or address it came from, for people.
        key: its key in the ledger; a later input of the same key restates it or adds to it.
        digest: fingerprint of the input that the batch was made of.
        statements: what it claims, in any order; availability unknown where the source does not say.
        rejects: rows rejected, in the order of the input.
        warnings: sentences for the person who reads the run.
        stamp: cheap identity of the input, None where there is none.
        accepted: rows of the input that landed with this batch.
        left_out: rows of the input that the source's filters leave out.
        partly: rows of the input that landed for one target and were rejected for another.
        failure: one line on a file that could not be used; nothing of it lands, and it is tried again.
        unchanged: the ledger knows this state; nothing to do.
        files: number of files that it is about; several only where all of them are unchanged.
        appends: it adds to the statements of its key; otherwise it restates them.
        readings: of counters; its statements are made of their differences once it lands. None where it has counts.
        restates: it may state again what other keys have stated.
        silence_is_zero: what its key stated before and states no more becomes zero.
        cursor: text from which the next pull of a source without files goes on; None leaves it where it is.
        recheck_at: moment from which the same input may state more; None where it is complete.
        recheck: keys whose input is to be read again, since this one no longer holds an event that they hold too.
        done, total: progress of the pull, for people; total 0 where it is unknown.
    """

    source: str
    part: str
    origin: str
    key: str
    digest: str
    statements: Statements
    rejects: Sequence[Reject] = ()
    warnings: Sequence[str] = ()
    stamp: str | None = None
    accepted: int = 0
    left_out: int = 0
    partly: int = 0
    failure: str | None = None
    unchanged: bool = False
    files: int = 1
    appends: bool = False
    readings: CounterReadings | None = None
    restates: bool = False
    silence_is_zero: bool = False
    cursor: str | None = None
    recheck_at: np.datetime64 | None = None
    recheck: tuple[str, ...] = ()
    done: int = 0
    total: int = 0


def empty_batch(
    source: str, key: str, origin: str, targets: Sequence[str], rejects: Sequence[Reject] = (), **more: object
) -> SourceBatch:
    """A batch without statements; `more` are fields of `SourceBatch`."""
    known = {"part": "", "digest": "", **more}
    nothing = Statements.empty(len(targets))
    return SourceBatch(source=source, key=key, origin=origin, statements=nothing, rejects=rejects, **known)  # type: ignore[arg-type]
