"""Ledger of a source: one entry per key (file, feed or table) on what was last ingested, written after everything else.

An entry that is lost, or was never written, costs a repetition and nothing more.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice, takewhile
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import StoreError
from tasks.ingest.context import IngestContext
from tasks.ingest.land.entries import Entry, Input, Outcome, Position
from tasks.ingest.limits import FEW
from tasks.storage.parquet import decode_table
from tasks.storage.store import Store

log = logging.getLogger(__name__)


# The file has one flat row per entry, so that any release reads what another wrote.
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
_REQUIRED = ("key", "digest", "state", "received_at", "rejects", "reasons")
_PENDING = "owed"  # folder of the notes; the name stays, since data roots hold notes under it
Part = TypeVar("Part", Input, Outcome, Position)
_FIELDS = {kind: [each.name for each in fields(kind)] for kind in (Input, Outcome, Position)}


class SourceLedger:
    """Entries of one source, read once."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._path, self._pending = f"ledger/{source}/entries.parquet", f"ledger/{source}/{_PENDING}"
        table = self._read()
        self._columns = {name: _values(table[name]) for name in table.column_names}
        self._columns["reasons"] = [dict(pairs) for pairs in self._columns["reasons"]]
        self._rows = {key: row for row, key in enumerate(self._columns["key"])}
        self._parts = {
            kind: list(zip(*(self._columns[name] for name in names), strict=True)) for kind, names in _FIELDS.items()
        }
        self._written: dict[str, Entry] = {}

    def get(self, key: str) -> Entry | None:
        """Latest entry of a key."""
        if key in self._written:
            return self._written[key]
        row = self._rows.get(key)
        return None if row is None else self._entry(key, row)

    @property
    def entries(self) -> list[Entry]:
        """Entries that the file held when it was read, by key."""
        return [self._entry(key, row) for key, row in self._rows.items()]

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

    def below(self, key: str) -> list[str]:
        """Keys that there were at first: this one, and those that go on with a slash after it."""
        keys, prefix = self._columns["key"], f"{key}/"
        place = bisect_left(keys, prefix)
        members = list(takewhile(lambda other: other.startswith(prefix), islice(keys, place, None)))
        return members + ([key] if key in self._rows else [])

    def counted(self, digest: str) -> list[tuple[str, str]]:
        """Keys and origins whose content had this digest at first and counts, with more than a few rows."""
        columns = (self._columns[name] for name in ("digest", "key", "origin", "rows"))
        return [(key, origin) for own, key, origin, rows in zip(*columns, strict=True) if own == digest and rows > FEW]

    def write(self, entries: Sequence[Entry]) -> None:
        """Add or replace entries, sorted by key."""
        if not entries:
            return
        new = pa.Table.from_pylist([_to_row(entry) for entry in entries], _SCHEMA)
        with self._store.lock(self._path.replace("/", "-")):
            old = self._read()
            kept = old.filter(pc.invert(pc.is_in(old["key"], new["key"])))
            whole = pa.concat_tables([kept, new])
            # `sort_by` would import what no ingest else needs
            self._store.write_table(self._path, whole.take(pc.sort_indices(whole["key"])))
        self._written |= {entry.key: entry for entry in entries}

    def pending_days(self) -> dict[str, list[str]]:
        """Service days still to be folded, by the note that lists them: of running runs, and of interrupted ones."""
        notes = {path: self._store.read_json(path) for path in self._store.files(self._pending, ".json")}
        return {path: days for path, days in notes.items() if isinstance(days, list)}

    def add_pending(self, note: str, days: Collection[str]) -> str:
        """List days that a run has yet to fold, before the entries of their rows are written; returns the file."""
        path = f"{self._pending}/{note}.json"
        self._store.write_json(path, sorted(days))
        return path

    def remove_pending(self, notes: Iterable[str]) -> None:
        """Delete notes whose days are folded."""
        for path in notes:
            self._store.delete(path)

    def _read(self) -> pa.Table:
        """Rows of the file; one that cannot be read, or that another version wrote, counts as never written.

        Raises:
            StoreError: if an object store does not answer: it will, and has entries that must not be replaced by none.
        """
        data = None
        try:
            data = self._store.read_bytes(self._path)
            table = _SCHEMA.empty_table() if data is None else decode_table(data, _SCHEMA)
        except StoreError as error:
            if data is None and self._store.local is None:
                raise
            log.warning("the ledger of %r starts empty, so its files are read again: %s", self._source, error)
            return _SCHEMA.empty_table()
        return _SCHEMA.empty_table() if any(table[name].null_count for name in _REQUIRED) else table

    def _entry(self, key: str, row: int) -> Entry:
        return Entry(key, self._part(Input, row), self._part(Outcome, row), self._part(Position, row))

    def _part(self, kind: type[Part], row: int) -> Part:
        return kind(*self._parts[kind][row])


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Values of a column; of text and of what is never absent without making a scalar of each."""
    plain = not pa.types.is_nested(column.type) and (pa.types.is_string(column.type) or not column.null_count)
    return list(column.to_numpy().tolist()) if plain else list(column.to_pylist())


@dataclass(frozen=True)
class LedgerView:
    """The ledger as a source sees it: identities of complete entries only, so that it skips what has not changed."""

    ledger: SourceLedger
    context: IngestContext

    def stamp(self, key: str) -> str | None:
        """Cheap identity of the input last ingested under this key."""
        entry = self._complete(key)
        return entry.input.stamp if entry else None

    def digest(self, key: str) -> str | None:
        """Fingerprint of the content last ingested under this key."""
        entry = self._complete(key)
        return entry.input.digest if entry else None

    def below(self, key: str) -> list[str]:
        """Keys of the members of an archive that were ever ingested, and its own if it was ingested as a file."""
        return self.ledger.below(key)

    def twin(self, key: str, digest: str, changed: Collection[str]) -> str | None:
        """Origin of another key that counts with the very same content, if this key does not count with it itself.

        Args:
            key: of an input.
            digest: of its content.
            changed: keys that have another content by now.
        """
        own = self.ledger.get(key)
        if own is not None and own.input.digest == digest and own.outcome.rows:
            return None
        return next(
            (origin for other, origin in self.ledger.counted(digest) if other != key and other not in changed), None
        )

    def cursor(self, key: str) -> str | None:
        """Where the last pull of this key ended."""
        entry = self.ledger.get(key)
        return entry.position.cursor if entry else None

    def is_valid(self, key: str) -> bool:
        """Whether what was read under this key is still valid, so that a pull may go on at its cursor."""
        entry = self.ledger.get(key)
        if entry is None or not entry.input.is_valid(self.context):
            return False
        return not self.context.backfill or (entry.input.start, entry.input.end) == (None, None)

    def _complete(self, key: str) -> Entry | None:
        entry = self.ledger.get(key)
        return entry if entry is not None and entry.is_complete(self.context) else None


def _to_row(entry: Entry) -> dict[str, object]:
    parts = {**asdict(entry.input), **asdict(entry.outcome), **asdict(entry.position)}
    counts = {"rejected": entry.outcome.rejected, "reasons": sorted(entry.outcome.reasons.items())}
    return {"key": entry.key, **parts, **counts}
