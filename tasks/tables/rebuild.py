"""Build the minute file of a service day from all of its observations, or from the new ones where that is enough."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.errors import StoreError
from tasks.storage.parquet import count_rows, decode_table, encode_table
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.fold import fold, has_unknown
from tasks.tables.observations import batches, fold_note_file, is_compacted, read_day


def rebuild_day(store: Store, day: str, targets: Sequence[str]) -> int:
    """Make the minute file of one service day of its observations, and replace it; returns its rows.

    Batches that land meanwhile are seen: the folder is listed again after the rename, until nothing new is there.

    Raises:
        StoreError: if the data root cannot be read or written.
    """
    with store.lock(f"minutes-{day}"):
        while True:
            if (rows := _rows_if_current(store, day, targets)) is not None:
                return rows
            before = folded_from(store, day)
            folded = _extend(store, day, targets, before) or _fold_all(store, day, targets)
            folded.write(store, day)
            if folded.batches == set(batches(store, day)):
                return int(folded.table.num_rows)


def fold_first(store: Store, day: str, path: str, observed: pa.Table, targets: Sequence[str]) -> None:
    """Make the minute file of a day of its only batch, which was just written; nothing where there are others.

    Args:
        store: the data root.
        day: the service day, YYYY-MM-DD.
        path: file of the batch.
        observed: its rows.
        targets: counts to fold.

    Raises:
        StoreError: if the data root cannot be read or written.
    """
    with store.lock(f"minutes-{day}"):
        if batches(store, day) == [path] and not store.exists(schemas.minutes_file(day)):
            _fold_files([path], observed, targets).write(store, day)


@dataclass(frozen=True)
class Folded:
    """A minute file, and what it was made of.

    Attributes:
        table: rows of `tables.minutes`.
        batches: files of observations.
        known_by: when the last of their rows was known, microseconds; None where some row does not say, or none is.
        parts: whether some of their rows count a part.
        unknown: whether some of their counts are not known, so that rows may have been left out.
    """

    table: pa.Table
    batches: frozenset[str]
    known_by: np.datetime64 | None
    parts: bool
    unknown: bool

    @property
    def targets(self) -> list[str]:
        """Its counts."""
        return [str(name) for name in self.table.column_names[2:]]

    def write(self, store: Store, day: str) -> None:
        """Replace the minute file of a day, then what is noted of it."""
        data = encode_table(self.table)
        store.write_bytes(schemas.minutes_file(day), data)
        store.write_json(fold_note_file(day), self._origin(data))

    def _origin(self, data: bytes) -> dict[str, Any]:
        return {
            "batches": sorted(path.rsplit("/", 1)[1] for path in self.batches),
            "known_by": None if self.known_by is None else str(self.known_by),
            "minutes": digest(data),
            "parts": self.parts,
            "targets": self.targets,
            **({"unknown": True} if self.unknown else {}),
        }


@dataclass(frozen=True)
class FoldNote:
    """What is noted beside the minute file of a day.

    Attributes:
        minutes: SHA-256 of the content of the file that it speaks of.
        targets: counts of that file.
        batches, known_by, parts, unknown: see `Folded`.
    """

    minutes: str
    targets: list[str]
    batches: frozenset[str]
    known_by: np.datetime64 | None
    parts: bool
    unknown: bool

    def serves(self, targets: Sequence[str], as_of: np.datetime64) -> bool:
        """Whether the file is all that was known at a moment."""
        return self.known_by is not None and bool(self.known_by <= as_of) and set(targets) <= set(self.targets)


def read_fold_note(store: Store, day: str) -> FoldNote | None:
    """The note of a day; None where there is none, or one of another version, or damaged."""
    try:
        origin = store.read_json(fold_note_file(day))
        if not origin:
            return None
        folder, known_by = schemas.day_folder("observations", day), origin["known_by"]
        return FoldNote(
            str(origin["minutes"]),
            [str(name) for name in origin["targets"]],
            frozenset(f"{folder}/{name}" for name in origin["batches"]),
            None if known_by is None else np.datetime64(known_by, "us"),
            bool(origin["parts"]),
            bool(origin.get("unknown")),
        )
    except (StoreError, KeyError, TypeError, ValueError):
        return None


def folded_from(store: Store, day: str) -> Folded | None:
    """The minute file of a day; None where it is absent, or is not the one that the note beside it speaks of."""
    note = read_fold_note(store, day)
    try:
        data = None if note is None else store.read_bytes(schemas.minutes_file(day))
        if note is None or data is None or note.minutes != digest(data):
            return None
        table = decode_table(data, schemas.minutes(note.targets))
        return Folded(table, note.batches, note.known_by, note.parts, note.unknown)
    except (StoreError, KeyError, TypeError, ValueError):  # damaged, it is as good as none
        return None


def _rows_if_current(store: Store, day: str, targets: Sequence[str]) -> int | None:
    """Rows of the minute file of a day where it has these targets and all batches that there are; else None."""
    note = read_fold_note(store, day)
    if note is None or note.targets != list(targets) or note.batches != set(batches(store, day)):
        return None
    try:
        data = store.read_bytes(schemas.minutes_file(day))
        return None if data is None or note.minutes != digest(data) else count_rows(data)
    except StoreError:  # damaged, it is as good as none
        return None


def digest(data: bytes) -> str:
    """SHA-256 of some content."""
    return hashlib.sha256(data).hexdigest()


def _fold_all(store: Store, day: str, targets: Sequence[str]) -> Folded:
    """The fold of all that there is."""
    return _fold_files(*read_day(store, day, schemas.observations(targets)), targets)


def _fold_files(files: Sequence[str], observed: pa.Table, targets: Sequence[str]) -> Folded:
    """The fold of some files, whose rows are `observed`."""
    known_by, unknown = _newest_availability(observed), has_unknown(observed, targets)
    return Folded(fold(observed, targets), frozenset(files), known_by, _has_parts(observed), unknown)


def _newest_availability(observed: pa.Table) -> np.datetime64 | None:
    if not len(observed) or observed["available_at"].null_count:
        return None
    return np.datetime64(int(schemas.numpy_times(observed["available_at"]).view(np.int64).max()), "us")


def _has_parts(observed: pa.Table) -> bool:
    return any(schemas.name_codes(observed["part"])[1])


def _extend(store: Store, day: str, targets: Sequence[str], before: Folded | None) -> Folded | None:
    """The present minute file and what is new since; None where that is not sure to be the fold of all.

    It is where the new batches speak of other (station, minute) than the file, or where nobody counts a part and all
    that is new became known after all that is old: then it replaces, count by count.
    """
    files = batches(store, day)
    if before is None or before.targets != list(targets) or not before.batches <= set(files) or before.unknown:
        return None
    fresh = [path for path in files if path not in before.batches]
    if any(map(is_compacted, fresh)):
        return None
    try:
        observed = store.read_tables(fresh, schemas.observations(targets))
    except StoreError:  # upkeep took a file away meanwhile, or it is damaged: reading them all tells
        return None
    known_by = _newest_availability(observed)
    if has_unknown(observed, targets):
        return None
    if before.known_by is None or known_by is None:
        return replace(before, batches=frozenset(files)) if not len(observed) else None
    parts = before.parts or _has_parts(observed)
    later = not parts and schemas.numpy_times(observed["available_at"]).min() > before.known_by
    table = merge(before.table, fold(observed, targets), targets, over=bool(later))
    if table is None:
        return None
    return Folded(table, frozenset(files), max(before.known_by, known_by), parts, unknown=False)


def merge(old: pa.Table, new: pa.Table, targets: Sequence[str], over: bool) -> pa.Table | None:
    """Rows of two minute tables, by station and minute.

    Args:
        old: rows of `tables.minutes(targets)`, sorted.
        new: likewise.
        targets: counts.
        over: where both have a row the counts of `new` stand, those that it has.

    Returns:
        None where both have a row and `over` does not hold.
    """
    both = pa.concat_tables([old, new]).unify_dictionaries()
    station, names = schemas.name_codes(both["station_id"])
    time = schemas.numpy_times(both["minute_utc"])
    keys = station.astype(np.int64) << 32 | time.view(np.int64) // 60_000_000
    known, fresh = keys[: len(old)], keys[len(old) :]
    place = np.searchsorted(known, fresh)
    there = np.zeros(len(fresh), dtype=bool) if not len(known) else known[np.minimum(place, len(known) - 1)] == fresh
    if there.any() and not over:
        return None
    rows = np.insert(np.arange(len(old)), place[~there], len(old) + np.flatnonzero(~there))
    columns = [_column(both[target].combine_chunks(), rows, len(old), place, there) for target in targets]
    named, times = schemas.name_array(station[rows], names), schemas.time_array(time[rows])
    return pa.Table.from_arrays([named, times, *columns], schema=schemas.minutes(targets))


def _column(column: pa.Array, rows: Int, old: int, place: Int, there: npt.NDArray[np.bool_]) -> pa.Array:
    """One count of `rows`; those of new rows stand in the place of the old ones that they replace."""
    if not column.null_count and not there.any():
        return pa.array(column.to_numpy()[rows])
    valid = column.is_valid().to_numpy(zero_copy_only=False).copy()
    values = column.fill_null(0).to_numpy(zero_copy_only=False).copy()
    says = np.flatnonzero(there & valid[old:])
    values[place[says]] = values[old + says]
    valid[place[says]] = True
    return pa.array(values[rows], pa.int32(), mask=~valid[rows])


def refold_day(store: Store, day: str, targets: Sequence[str], mark: Callable[[str], object]) -> bool:
    """Fold all of a service day again, whatever is noted of its minute file; returns whether the file differed.

    A file with the same bytes is left in its place.

    Args:
        store: the data root.
        day: the service day, YYYY-MM-DD.
        targets: counts to fold.
        mark: marks what was computed from the minutes of a day as stale.

    Raises:
        StoreError: if an observations file cannot be read, or the data root not be written.
    """
    with store.lock(f"minutes-{day}"):
        differed = False
        while True:
            folded = _fold_all(store, day, targets)
            data, held = encode_table(folded.table), store.read_bytes(schemas.minutes_file(day))
            if data == held:
                store.write_json(fold_note_file(day), folded._origin(data))
            elif _says(held, folded.table):
                folded.write(store, day)
            else:
                differed = True
                mark(day)  # before the minutes, so that a crash loses no mark
                folded.write(store, day)
                mark(day)  # and after, for a scoring that read the old minutes meanwhile and took the mark away
            if folded.batches == set(batches(store, day)):
                return differed


def _says(data: bytes | None, table: pa.Table) -> bool:
    """Whether the content of a minute file is these rows, whichever way they are written down."""
    if data is None:
        return False
    plain = pa.schema([(f.name, pa.string() if f.name == "station_id" else f.type) for f in table.schema])
    try:
        return bool(decode_table(data, table.schema).cast(plain).equals(table.cast(plain)))
    except StoreError:
        return False
