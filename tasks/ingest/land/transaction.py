"""Ledger entries of one run, written in batches, each after a note of the service days that are still to be folded."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from tasks.ingest.land.entries import Entry
from tasks.ingest.land.ledger import SourceLedger

KEYS, ROWS = 256, 5_000_000
"""After so many of either the ledger is written, so that a run that is cut off need not repeat them."""


class LedgerTransaction:
    """Entries that one run adds to the ledger of a source.

    A run that is cut off leaves notes of pending days. The next run folds those days and removes the notes.
    """

    def __init__(self, ledger: SourceLedger) -> None:
        self._ledger, self._earlier_notes = ledger, ledger.pending_days()
        self._entries, self._rows, self._own_notes = dict[str, Entry](), 0, list[str]()

    @property
    def earlier_days(self) -> set[str]:
        """Service days that other runs, interrupted or still running, left to be folded."""
        return {day for days in self._earlier_notes.values() for day in days}

    def get(self, key: str) -> Entry | None:
        """Latest entry of a key."""
        return self._entries.get(key) or self._ledger.get(key)

    def add(self, entry: Entry, days: Collection[str]) -> None:
        """Add an entry; once there are many, mark the `days` changed so far as pending and write the entries."""
        self._entries[entry.key] = entry
        self._rows += entry.outcome.rows
        if len(self._entries) >= KEYS or self._rows >= ROWS:
            self.mark_pending(days)
            self._write()

    def mark_pending(self, days: Collection[str]) -> None:
        """Note days that are still to be folded, in a new note: another run may have removed an earlier one."""
        if days:
            self._own_notes.append(self._ledger.add_pending(uuid.uuid4().hex, days))

    def commit(self) -> None:
        """Write the remaining entries and remove the notes; every pending day is folded by now."""
        self._write()
        self._ledger.remove_pending([*self._own_notes, *self._earlier_notes])

    def _write(self) -> None:
        self._ledger.write(list(self._entries.values()))
        self._entries, self._rows = {}, 0
