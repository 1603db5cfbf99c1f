"""What has been ingested: one entry a key, written after everything else.

An entry that is lost, or was never written, costs a repetition and nothing more.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import StoreError
from tasks.ingest.source import Pull
from tasks.storage.parquet import decode_table
from tasks.storage.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """What was last ingested under a key. Times are ISO 8601, UTC, without an offset.

    Attributes:
        key, origin: see `SourceBatch`.
        digest: fingerprint of the input.
        stamp: cheap identity of the input.
        state: fingerprint of all inputs that the key has had, in their order.
        setup: fingerprint of the configuration that it was read by.
        backfill: whether rows were taken as known when they happened.
        rows, rejected: rows of the input that landed, and that were refused.
        reasons: how many were refused for each reason.
        rejects: files that hold those that stand refused, as many as are kept.
        failed: why the input could not be used the last time; what is said of it here is older then.
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
    failed: str | None = None

    def settles(self, pull: Pull, setup: str, backfill: bool) -> bool:
        """Whether the same input has nothing to add for this pull."""
        if self.failed or not self.stands(setup, backfill):
            return False
        if self.recheck_at is not None and pull.as_of >= np.datetime64(self.recheck_at):
            return False
        bounds = (text_of(pull.start), text_of(pull.end))
        return (self.start, self.end) in ((None, None), bounds)

    def stands(self, setup: str, backfill: bool) -> bool:
        """Whether what was read of this key need not be read anew: by this configuration, and known as early."""
        return setup == self.setup and (self.backfill or not backfill)

    def next_state(self, digest: str) -> str:
        """State of the key after this input."""
        return first_state(self.state + digest)


def first_state(digest: str) -> str:
    """State of a key that has had one input."""
    return hashlib.sha256(digest.encode()).hexdigest()[:24]


def text_of(moment: np.datetime64 | None) -> str | None:
    """A moment as entries hold it."""
    return None if moment is None else str(moment)


_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("origin", pa.string()),
        ("digest", pa.string()),
        ("stamp", pa.string()),
        ("state", pa.string()),
        ("setup", pa.string()),
        ("backfill", pa.bool_()),
        ("rows", pa.int64()),
        ("rejected", pa.int64()),
        ("received_at", pa.string()),
        ("rejects", pa.list_(pa.string())),
        ("reasons", pa.map_(pa.string(), pa.int64())),
        ("first_minute", pa.string()),
        ("last_minute", pa.string()),
        ("start", pa.string()),
        ("end", pa.string()),
        ("cursor", pa.string()),
        ("recheck_at", pa.string()),
        ("failed", pa.string()),
    ]
)


class SourceLedger:
    """Entries of one source, read once."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._path, self._owing = f"ledger/{source}/entries.parquet", f"ledger/{source}/owed"
        self._columns = {name: column.to_pylist() for name, column in _columns(self._read()).items()}
        self._columns["reasons"] = [dict(pairs) for pairs in self._columns["reasons"]]
        self._ordered = [self._columns[f.name] for f in fields(Entry)]
        self._rows = {key: row for row, key in enumerate(self._columns["key"])}
        self._fresh: dict[str, Entry] = {}

    def get(self, key: str) -> Entry | None:
        """Entry of a key."""
        if key in self._fresh:
            return self._fresh[key]
        row = self._rows.get(key)
        return None if row is None else Entry(*(values[row] for values in self._ordered))

    @property
    def entries(self) -> list[Entry]:
        """All that were there at first, by key."""
        return [Entry(*values) for values in zip(*self._ordered, strict=True)]

    @property
    def received_at(self) -> np.datetime64 | None:
        """Latest receipt of the source, microseconds."""
        latest = self._columns["received_at"]
        return np.datetime64(max(latest), "us") if latest else None

    @property
    def last_minute(self) -> np.datetime64 | None:
        """Latest minute that the source ever stated."""
        latest = [minute for minute in self._columns["last_minute"] if minute is not None]
        return np.datetime64(max(latest), "m") if latest else None

    def write(self, entries: Sequence[Entry]) -> None:
        """Add or replace entries, sorted by key."""
        if not entries:
            return
        fresh = pa.Table.from_pylist([_row(entry) for entry in entries], _SCHEMA)
        with self._store.lock(self._path.replace("/", "-")):
            held = self._read()
            kept = pc.invert(pc.is_in(held["key"], fresh["key"]))
            whole = pa.concat_tables([held.filter(kept), fresh]).sort_by("key")
            self._store.write_table(self._path, whole)
        self._fresh |= {entry.key: entry for entry in entries}

    def _read(self) -> pa.Table:
        """What stands in the file; one that cannot be read counts as never written."""
        try:
            data = self._store.read_bytes(self._path)
            table = _SCHEMA.empty_table() if data is None else decode_table(data, _SCHEMA)
        except StoreError as error:
            log.warning("the ledger of %r is started anew, which reads its files again: %s", self._source, error)
            return _SCHEMA.empty_table()
        told = [not table[name].null_count for name in ("key", "digest", "state", "received_at", "rejects", "reasons")]
        return table if all(told) else _SCHEMA.empty_table()  # what another version wrote counts as never written

    def owed(self) -> dict[str, list[str]]:
        """Service days yet to be folded, by the file that says so: of runs at work, and of runs that were cut off."""
        notes = {path: self._store.read_json(path) for path in self._store.files(self._owing, ".json")}
        return {path: days for path, days in notes.items() if isinstance(days, list)}

    def owe(self, note: str, days: Collection[str]) -> str:
        """Note all days that a run has yet to fold, before the entries that rest on them; returns the file."""
        path = f"{self._owing}/{note}.json"
        self._store.write_json(path, sorted(days))
        return path

    def settle(self, notes: Iterable[str]) -> None:
        """Forget notes whose days are folded."""
        for path in notes:
            self._store.delete(path)


@dataclass(frozen=True)
class LedgerView:
    """The ledger as a source sees it: only what needs no second look."""

    ledger: SourceLedger
    pull: Pull
    setup: str
    backfill: bool

    def stamp(self, key: str) -> str | None:
        """Cheap identity of the input last ingested under this key."""
        entry = self._settled(key)
        return entry.stamp if entry else None

    def digest(self, key: str) -> str | None:
        """Fingerprint of the content last ingested under this key."""
        entry = self._settled(key)
        return entry.digest if entry else None

    def cursor(self, key: str) -> str | None:
        """Where the last pull of this key ended."""
        entry = self.ledger.get(key)
        return entry.cursor if entry else None

    def stands(self, key: str) -> bool:
        """Whether what was read of this key need not be read anew, so that a pull may go on at its cursor."""
        entry = self.ledger.get(key)
        if entry is None or not entry.stands(self.setup, self.backfill):
            return False
        return not self.backfill or (entry.start, entry.end) == (None, None)

    def _settled(self, key: str) -> Entry | None:
        entry = self.ledger.get(key)
        return entry if entry is not None and entry.settles(self.pull, self.setup, self.backfill) else None


def _row(entry: Entry) -> dict[str, object]:
    return {**asdict(entry), "reasons": sorted(entry.reasons.items())}


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))
