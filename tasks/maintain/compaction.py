"""Compact the batches of a service day into one file, while readers and writers go on; a crash loses nothing.

Order: the new file is written and read back, the manifest speaks of it in place of what it absorbs, then that is
deleted. A file is only ever deleted once its rows and its name are in a file that was read back; what is left over by
a crash is absorbed by the next run. Both hold without locks, as what absorbs says all that was absorbed, and more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import StoreError
from tasks.maintain.distinct_rows import count_columns, fingerprint, thin_rows, unite, with_columns
from tasks.maintain.manifest import Known, Manifest, known_file, read_manifest
from tasks.storage.footers import read_footer, widely_readable
from tasks.storage.parquet import decode_all, encode_groups, footer_of
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.fold import fold
from tasks.tables.observations import (
    ABSORBED,
    COMPACTED,
    THINNED,
    absorbed_names,
    batch_name,
    batch_path,
    day_files,
    is_compacted,
)
from tasks.tables.rebuild import refold_day

KNOWN_BY = "nexthour.known_by"
"""Footer key: when the last row was known."""


@dataclass(frozen=True)
class Compacted:
    """What became of a day.

    Attributes:
        day: the service day.
        files_before, files_after: files of observations.
        bytes_before, bytes_after: their sizes together.
        rows_before, rows_after: rows; fewer where a row was there twice or was thinned.
        mended: whether the minute file was not the fold of the day.
    """

    day: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_before: int
    rows_after: int
    mended: bool = False


@dataclass(frozen=True)
class _Day:
    """What the files of a day say together."""

    sizes: Mapping[str, int]
    rows: pa.Table
    names: tuple[str, ...]
    cutoff: np.datetime64 | None
    rows_before: int

    @property
    def footer(self) -> dict[str, str]:
        known = pc.max(self.rows["available_at"]).as_py()
        footer = {ABSORBED: json.dumps(self.names), KNOWN_BY: "" if known is None else known.isoformat()}
        return footer if self.cutoff is None else footer | {THINNED: str(self.cutoff)}

    @property
    def name(self) -> str:
        return _name(self.rows, self.names, None if self.cutoff is None else str(self.cutoff))


def compact_day(
    store: Store,
    day: str,
    targets: Sequence[str],
    mark: Callable[[str], object],
    cutoff: np.datetime64 | None = None,
) -> Compacted | None:
    """Make one file of the observations of a service day; None where it has one that every reader can read.

    Args:
        store: the data root.
        day: the service day, YYYY-MM-DD.
        targets: counts whose fold must stay what it is.
        mark: marks what was computed from the minutes of a day as stale, where they had to be mended.
        cutoff: leave out what is not needed to know what was true from this moment on.

    Raises:
        StoreError: if a file is damaged, or the result would say something else; nothing is deleted then.
    """
    files = day_files(store, day)
    if not files or (len(files) == 1 and not _must_rewrite(store, files[0], cutoff)):
        return None
    manifest = read_manifest(store, schemas.day_folder("observations", day))
    held = _read(store, files, manifest, targets, cutoff)
    path = batch_path(day, held.name)
    added = _write_and_verify(store, path, held, path in files)
    gone = [file for file in files if file != path]
    names = {file.rsplit("/", 1)[1] for file in gone}
    manifest.with_changes({path.rsplit("/", 1)[1]: added}, names).write(store)
    store.delete_for_good(gone)
    mended = refold_day(store, day, targets, mark)
    return Compacted(
        day, len(files), 1, sum(held.sizes.values()), added.size, held.rows_before, held.rows.num_rows, mended
    )


def _must_rewrite(store: Store, path: str, cutoff: np.datetime64 | None) -> bool:
    """Whether the one file of a day may hold superfluous rows, or an encoding that few readers know."""
    # a compacted file never had such an encoding, so that its footer need not be read every night
    return _thinnable(store, path, cutoff) or not (is_compacted(path) or widely_readable(store, path))


def _thinnable(store: Store, path: str, cutoff: np.datetime64 | None) -> bool:
    """Whether the one file of a day may hold rows that a cutoff makes superfluous."""
    if cutoff is None:
        return False
    footer = read_footer(store, path) if is_compacted(path) else {}
    if THINNED not in footer:
        return True
    before, known_by = np.datetime64(footer[THINNED]), footer.get(KNOWN_BY, "").split("+")[0]
    return bool(known_by) and bool(before < np.datetime64(known_by) <= cutoff)


def _read(
    store: Store, files: Sequence[str], manifest: Manifest, targets: Sequence[str], cutoff: np.datetime64 | None
) -> _Day:
    """All that the files say, thinned by the cutoff and by those that thinned some of them before."""
    pieces, names, cutoffs, sizes = [], set(), [cutoff], {}
    for path in files:
        data = _content(store, path, manifest)
        sizes[path] = len(data)
        pieces.append(_decode(store, path, data))
        if not is_compacted(path):
            names.add(batch_name(path))
            continue
        names |= absorbed_names(store, path)
        cutoffs += [np.datetime64(moment) for moment in [read_footer(store, path).get(THINNED)] if moment]
    latest = max((moment for moment in cutoffs if moment is not None), default=None)
    everything = unite(pieces)
    rows = everything if latest is None else thin_rows(everything, latest)
    _check_fold(store.url(files[0].rsplit("/", 1)[0]), pieces, rows, targets, latest)
    return _Day(sizes, rows, tuple(sorted(names)), latest, sum(piece.num_rows for piece in pieces))


def _content(store: Store, path: str, manifest: Manifest) -> bytes:
    data = store.read_bytes(path)
    if data is None:
        raise StoreError(f"{store.url(path)} was taken away meanwhile: the next run compacts what is there then")
    if not manifest.knows(path.rsplit("/", 1)[1], data):
        raise StoreError(f"{store.url(path)} is not what it was ({manifest.path} has its checksum): not compacted")
    return data


def _decode(store: Store, path: str, data: bytes) -> pa.Table:
    try:
        table = decode_all(data)
        count_columns(table)
        return table
    except StoreError as error:
        raise StoreError(f"{store.url(path)}: {error}") from None


def _check_fold(
    folder: str, pieces: Sequence[pa.Table], rows: pa.Table, targets: Sequence[str], cutoff: np.datetime64 | None
) -> None:
    """Hold the fold of what is to be kept against the fold of what is there: today's, and that of the cutoff."""
    schema = schemas.observations(targets)
    before, after = pa.concat_tables(with_columns(piece, schema) for piece in pieces), with_columns(rows, schema)
    moments = [None] if cutoff is None else [None, pc.field("available_at") <= schemas.to_time(cutoff)]
    for known in moments:
        then = [table if known is None else table.filter(known) for table in (before, after)]
        if not fold(then[0], targets).equals(fold(then[1], targets)):
            raise StoreError(f"{folder}: one file would fold to other minutes than its batches: all is left as it is")


def _write_and_verify(store: Store, path: str, held: _Day, there: bool) -> Known:
    """Write the file unless it is there, read it back, and hold its content against its name."""
    if there:
        store.sync_names([path])
    else:
        store.write_bytes(path, encode_groups(held.rows, held.footer))
    data = store.read_bytes(path)
    if data is None or compacted_name(data) != batch_name(path):
        raise StoreError(f"{store.url(path)} does not say what its name says: nothing was deleted; delete it")
    return known_file(data)


def compacted_name(data: bytes) -> str:
    """What the file of that content must be called: its name says what it holds and stands for.

    Raises:
        StoreError: if it is no Parquet file, or damaged.
    """
    table, footer = decode_all(data), footer_of(data)
    return _name(table, json.loads(footer.get(ABSORBED, "[]")), footer.get(THINNED))


def _name(rows: pa.Table, names: Sequence[str], cutoff: str | None) -> str:
    return COMPACTED + fingerprint(rows, [*names, str(cutoff)])
