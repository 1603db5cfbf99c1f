"""What stands refused: listed, written out for repair, and taken back as overlays of the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.files.find import as_path, find_again
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.columns import Columns
from tasks.ingest.formats.decode import decode
from tasks.ingest.formats.repaired import Overlay, Overlays, laid_over
from tasks.ingest.land.ledger import Entry, SourceLedger
from tasks.ingest.rejects import TEXT_LENGTH
from tasks.ingest.repair.sheet import SheetRow, headings, write_sheet
from tasks.settings.sources import BaseSource, FileSource
from tasks.storage.store import Store
from tasks.tables import schemas

EXAMPLES = 3


@dataclass(frozen=True)
class Refused:
    """What stands refused of one file.

    Attributes:
        source, file, origin: which; `file` is what the ledger calls it.
        rows: how many rows.
        reasons: how many for each reason.
        examples: the first few as "line reason text".
    """

    source: str
    file: str
    origin: str
    rows: int
    reasons: Mapping[str, int]
    examples: Sequence[str]


@dataclass(frozen=True)
class Written:
    """What was written out for repair.

    Attributes:
        rows: lines of the CSV.
        out: where it lies.
        failures: one line on each file that could not be looked up.
    """

    rows: int
    out: str
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Staged:
    """A file that is to be ingested again, as it was the last time.

    Attributes:
        source: name of the source.
        path: as `find_files` takes it.
        start, end, backfill: as they were asked for.
    """

    source: str
    path: str
    start: np.datetime64 | None
    end: np.datetime64 | None
    backfill: bool


def refused(store: Store, source: str) -> Iterator[Refused]:
    """What stands refused of a source, file by file; of a source without files, pull by pull."""
    for entry in SourceLedger(store, source).entries:
        if entry.rejected:
            rows = _kept(store, entry)[:EXAMPLES]
            shown = [f"{line} {reason} {text}" for line, reason, text in rows]
            yield Refused(source, entry.key, entry.origin, entry.rejected, entry.reasons, shown)


def _kept(store: Store, entry: Entry) -> list[tuple[int, str, str]]:
    """Line, reason and text of the rows of a key that stand refused, by line."""
    table = store.read_tables([path for path in entry.rejects if store.exists(path)], schemas.REJECTS).sort_by("line")
    columns = (table["line"], pc.cast(table["reason"], "string"), table["text"])
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def write_out(store: Store, sources: Sequence[BaseSource], out: Path) -> Written:
    """Write what stands refused, with the values that the files have, as a CSV.

    Raises:
        StoreError: if it cannot be written.
    """
    failures: list[str] = []
    return Written(write_sheet(out, _found(store, sources, failures)), str(out), failures)


def _found(store: Store, sources: Sequence[BaseSource], failures: list[str]) -> Iterator[SheetRow]:
    for config in sources:
        for entry in SourceLedger(store, config.name).entries:
            if not entry.rejected:
                continue
            rows: Columns | None = None
            digest = entry.digest
            if isinstance(config, FileSource):
                try:
                    rows, digest = _read_again(store, config, entry)
                except SourceError as error:
                    failures.append(str(error))
                    continue
            yield from _sheet_rows(config.name, entry, rows, digest, _kept(store, entry))


def _read_again(store: Store, config: FileSource, entry: Entry) -> tuple[Columns, str]:
    """Rows of the file of an entry with its repairs, and the file's digest.

    Raises:
        SourceError: if it is gone, or is not what was ingested.
    """
    file = find_again(config.name, config.path, entry.origin)
    content, digest = read_content(file, config.max_bytes)
    overlay = Overlays(store, config.name).of(entry.key, digest)
    if entry.digest not in (digest, overlay.fingerprint if overlay else ""):
        raise SourceError(f"{entry.origin} has changed since it was ingested: run nexthour ingest, then try again")
    return laid_over(decode(file.origin, content, config.max_bytes), overlay), digest


def _sheet_rows(
    source: str, entry: Entry, rows: Columns | None, digest: str, kept: Sequence[tuple[int, str, str]]
) -> Iterator[SheetRow]:
    """One each line that stands refused."""
    names = headings(rows.names) if rows else []
    lines = [(line, list(group)) for line, group in groupby(kept, key=lambda row: row[0])]
    places = _places(rows, [line for line, _ in lines])
    held = iter(rows.cells(places[places >= 0]) if rows else [])
    for (line, group), place in zip(lines, places.tolist(), strict=True):
        why = "; ".join(dict.fromkeys(reason for _, reason, _ in group))
        cells = dict(zip(names, next(held) if place >= 0 else [""] * len(names), strict=True))
        yield SheetRow(source, entry.key, digest, line, why, "" if place >= 0 else group[0][2], cells)


def _places(rows: Columns | None, lines: Sequence[int]) -> Int:
    """Which row stands on each of these lines; -1 where none does."""
    wanted = np.array(lines, dtype=np.int64)
    if rows is None or not rows.rows:
        return np.full(len(wanted), -1)
    held = rows.lines(np.arange(rows.rows))
    place = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return np.where(held[place] == wanted, place, -1)


def stage(store: Store, config: BaseSource, rows: Sequence[SheetRow]) -> tuple[Staged | None, int, list[str]]:
    """Lay the repaired rows of one file over it, before anything is read anew; what is there already stays.

    Args:
        store: the data root.
        config: the source.
        rows: of one state of one file, repaired or not.

    Returns:
        What is to be ingested again, how many rows were repaired since the last time, and what stands in the way.
    """
    name, key, digest = rows[0].source, rows[0].file, rows[0].digest
    if not isinstance(config, FileSource):
        return None, 0, [f"source {name!r} has no files that could be repaired: correct {key!r} where it comes from"]
    entry = SourceLedger(store, name).get(key)
    if entry is None:
        return None, 0, [f"source {name!r} has ingested no file {key!r}: run nexthour ingest first"]
    try:
        file = find_again(name, config.path, entry.origin)
        content, stored = read_content(file, config.max_bytes)
        if stored != digest:
            raise SourceError(f"{entry.origin} has changed since it was written out: write it out again")
        overlays = Overlays(store, name)
        overlay = overlays.of(key, stored)
        now = laid_over(decode(file.origin, content, config.max_bytes), overlay)
    except SourceError as error:
        return None, 0, [str(error)]
    open_lines = {line for line, _, _ in _kept(store, entry)}.union(overlay.rows if overlay else ())
    repaired, failures = _repaired(now, rows, open_lines, entry.origin)
    if repaired:
        overlays.add(Overlay(key, stored, repaired))
    start, end = (None if text is None else np.datetime64(text) for text in (entry.start, entry.end))
    return Staged(name, as_path(config.path, entry.origin), start, end, entry.backfill), len(repaired), failures


def _repaired(
    now: Columns, rows: Sequence[SheetRow], open_lines: Set[int], origin: str
) -> tuple[dict[int, list[str]], list[str]]:
    """New values by line where they differ from what stands there; and why others cannot be taken.

    Only lines that stand refused, or were repaired before, are `open_lines` to repairs.
    """
    names, torn = headings(now.names), dict(_torn(now))
    places = _places(now, [row.line for row in rows])
    held = iter(now.cells(places[places >= 0]))
    repaired, failures = {}, []
    for row, place in zip(rows, places.tolist(), strict=True):
        before = next(held) if place >= 0 else [""] * len(names)
        if row.line not in open_lines or (place < 0 and row.line not in torn):
            failures.append(f"{origin} has no refused row on line {row.line:,}: leave that column as it was")
            continue
        after = _after(now, row, names, before, torn.get(row.line))
        if after is None:
            failures.append(f"{origin}: line {row.line:,} is still no row of {len(names)} fields: fill its columns")
        elif after != before:
            repaired[row.line] = after
    return repaired, failures


def _after(now: Columns, row: SheetRow, names: Sequence[str], before: list[str], torn: str | None) -> list[str] | None:
    """Values of a row of the sheet; from its text where its columns are blank, None if that is no row."""
    if any(row.cells.get(name) for name in names) or not row.text:
        return [row.cells.get(name, old) for name, old in zip(names, before, strict=True)]
    if row.text == torn:
        return before
    fields = now.split(row.text)
    return fields if len(fields) == len(names) and len(row.text) < TEXT_LENGTH else None


def _torn(rows: Columns) -> Iterator[tuple[int, str]]:
    malformed = rows.malformed()
    return zip(malformed.lines.tolist(), malformed.texts, strict=True)
