"""What the ledger holds about one key: which input was read last, what came of it, and where the next pull begins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from tasks.ingest.context import IngestContext


@dataclass(frozen=True)
class Input:
    """Which input was read last under a key, and how.

    Attributes:
        origin: file or address that it came from, for people.
        digest: fingerprint of the input.
        stamp: cheap identity of the input (size, time or etag); None where there is none.
        state: fingerprint of all inputs that the key has had, in their order.
        setup: fingerprint of the configuration that it was read with.
        backfill: whether rows were taken as known when they happened.
        start, end: bounds that were asked for, ISO 8601 UTC; both None for all of it.
    """

    origin: str
    digest: str
    stamp: str | None
    state: str
    setup: str
    backfill: bool
    start: str | None = None
    end: str | None = None

    @classmethod
    def of(cls, context: IngestContext, origin: str, digest: str, stamp: str | None, state: str) -> Input:
        """An input that is read in the way that a context asks for."""
        bounds = moment_text(context.start), moment_text(context.end)
        return cls(origin, digest, stamp, state, context.setup, context.backfill, *bounds)

    def is_valid(self, context: IngestContext) -> bool:
        """Whether what was read is still valid: read with this configuration, and known as early as is asked for."""
        return context.setup == self.setup and (self.backfill or not context.backfill)

    def next_state(self, digest: str) -> str:
        """State of the key after a further input."""
        return first_state(self.state + digest)


@dataclass(frozen=True)
class Outcome:
    """What came of the input. Times are ISO 8601, UTC, without an offset.

    Attributes:
        received_at: when it was received.
        rows: rows of the input that landed.
        reasons: rejected rows per reason.
        rejects: files that hold the open rejects, as many as are kept.
        failed: why the input could not be used the last time; the rest of the entry is older then.
        first_minute, last_minute: range of the minutes stated; None before any.
    """

    received_at: str
    rows: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    rejects: list[str] = field(default_factory=list)
    failed: str | None = None
    first_minute: str | None = None
    last_minute: str | None = None

    @property
    def rejected(self) -> int:
        """Rejected rows, for whatever reason."""
        return sum(self.reasons.values())


@dataclass(frozen=True)
class Position:
    """Where the next pull of a key begins.

    Attributes:
        cursor: text from which a source without files goes on.
        recheck_at: moment from which the same input may state more, ISO 8601 UTC.
    """

    cursor: str | None = None
    recheck_at: str | None = None


@dataclass(frozen=True)
class Entry:
    """What was last ingested under a key."""

    key: str
    input: Input
    outcome: Outcome
    position: Position = Position()

    def is_complete(self, context: IngestContext) -> bool:
        """Whether the same input has nothing to add to what a context asks for."""
        if self.outcome.failed or not self.input.is_valid(context):
            return False
        if self.position.recheck_at is not None and context.as_of >= np.datetime64(self.position.recheck_at):
            return False
        own = (self.input.start, self.input.end)
        return own == (None, None) or own == (moment_text(context.start), moment_text(context.end))


def first_state(digest: str) -> str:
    """State of a key that has had one input."""
    return hashlib.sha256(digest.encode()).hexdigest()[:24]


def moment_text(moment: np.datetime64 | None) -> str | None:
    """A moment as entries hold it."""
    return None if moment is None else str(moment)
