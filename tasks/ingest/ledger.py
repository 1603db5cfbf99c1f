"""What has been ingested: one entry a key, written after everything else.

An entry that is lost, or was never written, costs a repetition and nothing more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from tasks.ingest.source import Pull
from tasks.store import Store


@dataclass(frozen=True)
class Entry:
    """What was last ingested under a key. Times are ISO 8601, UTC, without an offset.

    Attributes:
        key, origin: see `Piece`.
        digest: fingerprint of the input.
        stamp: cheap identity of the input.
        state: fingerprint of all inputs that the key has had, in their order.
        setup: fingerprint of the configuration that it was read by.
        backfill: whether rows were taken as known when they happened.
        rows, rejected: rows of the input that landed, and that were refused.
        reasons: how many were refused for each reason.
        rejects: files that hold those that stand refused, as many as are kept.
        first_minute, last_minute: span of what was stated.
        received_at: when it was.
        start, end: bounds that were asked for; both None for all of it.
        cursor: where the next pull of a source without files begins.
        recheck_at: moment from which the same input may say more.
    """

    key: str
    origin: str
    digest: str
    stamp: str | None
    state: str
    setup: str
    backfill: bool
    rows: int
    rejected: int
    received_at: str
    rejects: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    first_minute: str | None = None
    last_minute: str | None = None
    start: str | None = None
    end: str | None = None
    cursor: str | None = None
    recheck_at: str | None = None

    def settles(self, pull: Pull, setup: str, backfill: bool) -> bool:
        """Whether the same input has nothing to add for this pull."""
        if setup != self.setup or (backfill and not self.backfill):
            return False
        if self.recheck_at is not None and pull.as_of >= np.datetime64(self.recheck_at):
            return False
        bounds = (text_of(pull.start), text_of(pull.end))
        return (self.start, self.end) in ((None, None), bounds)

    def next_state(self, digest: str) -> str:
        """State of the key after this input."""
        return first_state(self.state + digest)


def first_state(digest: str) -> str:
    """State of a key that has had one input."""
    return hashlib.sha256(digest.encode()).hexdigest()[:24]


def text_of(moment: np.datetime64 | None) -> str | None:
    """A moment as entries hold it."""
    return None if moment is None else str(moment)


class SourceLedger:
    """Entries of one source, read once; spread over sixteen files by key."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._folder = store, f"ledger/{source}"
        self._entries: dict[str, Entry] = {}
        names = {f.name for f in fields(Entry)}
        for path in store.files(self._folder, ".json"):
            for key, values in (store.read_json(path) or {}).items():
                if values.keys() == names:  # what another version wrote counts as never written
                    self._entries[key] = Entry(**values)

    def get(self, key: str) -> Entry | None:
        """Entry of a key."""
        return self._entries.get(key)

    @property
    def entries(self) -> list[Entry]:
        """All of them, by key."""
        return [self._entries[key] for key in sorted(self._entries)]

    @property
    def received_at(self) -> np.datetime64 | None:
        """Latest receipt of the source, microseconds."""
        latest = [entry.received_at for entry in self._entries.values()]
        return np.datetime64(max(latest), "us") if latest else None

    def write(self, entries: Sequence[Entry]) -> None:
        """Add or replace entries."""
        shards: dict[str, dict[str, Any]] = {}
        for entry in entries:
            shards.setdefault(_shard(entry.key), {})[entry.key] = asdict(entry)
        for shard, values in sorted(shards.items()):
            path = f"{self._folder}/{shard}.json"
            with self._store.lock(path.replace("/", "-")):
                self._store.write_json(path, {**(self._store.read_json(path) or {}), **values})


@dataclass(frozen=True)
class LedgerView:
    """The ledger as a source sees it: only what needs no second look."""

    ledger: SourceLedger
    pull: Pull
    setup: str
    backfill: bool

    def stamp(self, source: str, key: str) -> str | None:
        """Cheap identity of the input last ingested under this key."""
        entry = self._settled(key)
        return entry.stamp if entry else None

    def digest(self, source: str, key: str) -> str | None:
        """Fingerprint of the content last ingested under this key."""
        entry = self._settled(key)
        return entry.digest if entry else None

    def cursor(self, source: str, key: str) -> str | None:
        """Where the last pull of this key ended."""
        entry = self.ledger.get(key)
        return entry.cursor if entry else None

    def _settled(self, key: str) -> Entry | None:
        entry = self.ledger.get(key)
        return entry if entry is not None and entry.settles(self.pull, self.setup, self.backfill) else None


def _shard(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[0]
