"""Open rejects: listed, written out for repair, and the repaired rows kept for the next ingest of their files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from tasks.errors import SourceError
from tasks.ingest.files.archive import archive_of, open_again
from tasks.ingest.files.find import as_path, find_files
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.columns import Columns
from tasks.ingest.formats.decode import decode
from tasks.ingest.formats.repaired import Lines, Repairs, repaired_digest
from tasks.ingest.land.entries import Entry, Input
from tasks.ingest.land.ledger import SourceLedger
from tasks.ingest.rejects import TEXT_LENGTH
from tasks.ingest.repair.sheet import SheetRow, headings, write_sheet
from tasks.settings.sources.files import FileSource
from tasks.settings.sources.rows import BaseSource
from tasks.storage.store import Store
from tasks.tables import schemas

EXAMPLES = 3


@dataclass(frozen=True)
class OpenRejects:
    """Open rejects of one file.

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
        failures: one line per file that could not be looked up.
    """

    rows: int
    out: str
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Staged:
    """Repaired rows of a file, which is to be ingested again as it was ingested last.

    Attributes:
        input: how the file was ingested last.
        path: as `find_files` takes it.
        repaired: rows repaired since the last time.
        failures: one line per row that cannot be taken.
    """

    input: Input
    path: str
    repaired: int
    failures: list[str]


@dataclass(frozen=True)
class _FileState:
    """What a file holds now: as it is stored, the rows of it that were repaired, and its lines that are no rows."""

    digest: str
    stored: Columns
    repaired: Lines
    malformed: Mapping[int, str]

    @classmethod
    def read(cls, store: Store, config: FileSource, entry: Entry) -> _FileState:
        """The file of an entry.

        Raises:
            SourceError: if it is gone or cannot be read.
        """
        with open_again(config.name, config.path, entry.input.origin) as file:
            content, digest = read_content(file, config.max_bytes)
        stored = decode(file.origin, content, config.max_bytes, config)
        no_rows = stored.malformed_lines()
        malformed = dict(zip(no_rows.lines.tolist(), no_rows.texts, strict=True))
        return cls(digest, stored, Repairs(store, config.name).of(entry.key, digest), malformed)

    @property
    def headings(self) -> list[str]:
        """Its columns as a sheet shows them."""
        return headings(self.stored.names)

    def values(self, lines: Sequence[int]) -> dict[int, Sequence[str]]:
        """Values of the rows on these lines, by line; a line that is no row is left out."""
        held = self.stored.lines(np.arange(self.stored.rows))
        places = np.flatnonzero(np.isin(held, lines))
        found = dict(zip(held[places].tolist(), self.stored.cells(places), strict=True))
        return found | {line: self.repaired[line] for line in lines if line in self.repaired}


def open_rejects(store: Store, source: str) -> Iterator[OpenRejects]:
    """Open rejects of a source, file by file; of a source without files, pull by pull."""
    for entry in SourceLedger(store, source).entries:
        origin, outcome = entry.input.origin, entry.outcome
        if outcome.rejected:
            examples = [f"{line} {reason} {text}" for line, reason, text in _rejected_rows(store, entry)[:EXAMPLES]]
            yield OpenRejects(source, entry.key, origin, outcome.rejected, outcome.reasons, examples)


def open_failures(store: Store, config: BaseSource) -> Iterator[str]:
    """The last error of each file of a source that was rejected as a whole, and has not landed or gone since."""
    try:
        files = find_files(config.name, config.path) if isinstance(config, FileSource) else []
    except SourceError:
        return
    stamps = {file.origin: file.stamp for file in files}
    for entry in SourceLedger(store, config.name).entries:
        origin, stamp, failed = (
            archive_of(entry.input.origin) or entry.input.origin,
            entry.input.stamp,
            entry.outcome.failed,
        )
        as_it_landed = stamp is not None and re.split("[+#]", stamp)[0] == stamps.get(origin)
        if failed and origin in stamps and not as_it_landed:
            yield failed


def _rejected_rows(store: Store, entry: Entry) -> list[tuple[int, str, str]]:
    """Line, reason and text of the open rejects of a key, by line."""
    paths = [path for path in entry.outcome.rejects if store.exists(path)]
    table = store.read_tables(paths, schemas.REJECTS).sort_by("line")
    columns = (table["line"], pc.cast(table["reason"], "string"), table["text"])
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def write_out(store: Store, sources: Sequence[BaseSource], out: Path) -> Written:
    """Write open rejects, with the values that the files have, as a CSV.

    Raises:
        StoreError: if it cannot be written.
    """
    failures: list[str] = []
    with write_sheet(out) as sheet:
        for config in sources:
            for entry in SourceLedger(store, config.name).entries:
                try:
                    sheet.add(_sheet_rows(store, config, entry) if entry.outcome.rejected else ())
                except SourceError as error:
                    failures.append(str(error))
    return Written(sheet.rows, str(out), failures)


def _sheet_rows(store: Store, config: BaseSource, entry: Entry) -> list[SheetRow]:
    """One row per line with an open reject; with values only where the source has files.

    Raises:
        SourceError: if the file is gone, or is not what was ingested.
    """
    lines = {line: list(rows) for line, rows in groupby(_rejected_rows(store, entry), key=lambda row: row[0])}
    digest, names, values = entry.input.digest, list[str](), dict[int, Sequence[str]]()
    if isinstance(config, FileSource):
        state = _FileState.read(store, config, entry)
        if entry.input.digest not in (state.digest, repaired_digest(state.digest, state.repaired)):
            origin = entry.input.origin
            raise SourceError(f"{origin} has changed since it was ingested: run nexthour ingest, then try again")
        digest, names, values = state.digest, state.headings, state.values(list(lines))
    sheet = []
    for line, rows in lines.items():
        reason, text = "; ".join(dict.fromkeys(why for _, why, _ in rows)), "" if line in values else rows[0][2]
        cells = dict(zip(names, values.get(line, [""] * len(names)), strict=True))
        sheet.append(SheetRow(config.name, entry.key, digest, line, reason, text, cells))
    return sheet


def stage(store: Store, config: BaseSource, rows: Sequence[SheetRow]) -> Staged:
    """Keep the repaired rows of one file for its next ingest, whichever way that comes about.

    Args:
        store: the data root.
        config: the source.
        rows: of one state of one file, repaired or not.

    Raises:
        SourceError: if the source has no files, or the file is not what was written out.
        StoreError: if the data root cannot be written.
    """
    name, key, digest = rows[0].source, rows[0].file, rows[0].digest
    if not isinstance(config, FileSource):
        raise SourceError(f"source {name!r} has no files that could be repaired: correct {key!r} where it comes from")
    entry = SourceLedger(store, name).get(key)
    if entry is None:
        raise SourceError(f"source {name!r} has ingested no file {key!r}: run nexthour ingest first")
    state = _FileState.read(store, config, entry)
    origin = entry.input.origin
    if state.digest != digest:
        raise SourceError(f"{origin} has changed since it was written out: write it out again")
    open_lines = {line for line, _, _ in _rejected_rows(store, entry)}.union(state.repaired)
    repaired, failures = _edits(state, rows, open_lines, origin)
    if repaired:
        Repairs(store, name).add(key, digest, repaired)
    return Staged(entry.input, as_path(config.path, archive_of(origin) or origin), len(repaired), failures)


def _edits(
    state: _FileState, rows: Sequence[SheetRow], open_lines: Set[int], origin: str
) -> tuple[dict[int, Sequence[str]], list[str]]:
    """New values by line where a sheet differs from what is held; and why others of its rows cannot be taken."""
    held, width = state.values([row.line for row in rows]), len(state.stored.names)
    edits, failures = dict[int, Sequence[str]](), list[str]()
    for row in rows:
        before = held.get(row.line, [""] * width)
        if row.line not in open_lines or not (row.line in held or row.line in state.malformed):
            failures.append(f"{origin} has no rejected row on line {row.line:,}: leave that column as it was")
        elif (after := _apply_edits(row, before, state)) is None:
            failures.append(f"{origin}: line {row.line:,} is still no row of {width} fields: fill its columns")
        elif after != before:
            edits[row.line] = after
    return edits, failures


def _apply_edits(row: SheetRow, before: Sequence[str], state: _FileState) -> Sequence[str] | None:
    """Values of a row of the sheet; from its text where its columns are blank, None if that is no row."""
    names = state.headings
    if any(row.cells.get(name) for name in names) or not row.text:
        return [row.cells.get(name, old) for name, old in zip(names, before, strict=True)]
    if row.text == state.malformed.get(row.line):
        return before
    fields = state.stored.split(row.text)
    return fields if len(fields) == len(names) and len(row.text) < TEXT_LENGTH else None
