"""The walk over a source's files that every kind of file source shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from tasks.ingest.decoding import Decoded, column_list, decode
from tasks.ingest.overlays import laid_over
from tasks.ingest.pieces import Piece, empty_piece
from tasks.ingest.reading import SourceFile, find_files, read_content
from tasks.ingest.rejects import KEPT, FileProblem, Rejects, Verdicts
from tasks.ingest.source import Pull
from tasks.settings import Network
from tasks.source_settings import FileSource


@dataclass(frozen=True)
class OpenFile:
    """A file that is to be read: its rows, and what a piece made of it needs."""

    config: FileSource
    network: Network
    file: SourceFile
    digest: str
    rows: Decoded

    @property
    def timezone(self) -> str:
        """Of times without an offset."""
        return self.config.timezone or self.network.timezone

    def require(self, name: str, toml: str) -> str:
        """A column that must be there, once.

        Raises:
            FileProblem: if it is not; `toml` is the line that would name it.
        """
        count = list(self.rows.names).count(name)
        if count == 1:
            return name
        what = f"no column {name!r}" if not count else f"{count} columns {name!r}"
        raise FileProblem(
            "missing_column",
            f"{self.file.origin} has {what} (it has {column_list(self.rows.names)}): "
            f"write {toml} in the [[sources]] table of {self.config.name!r}",
        )

    def rejects(self, verdicts: Sequence[Verdicts], columns: list[str]) -> Rejects:
        """Refused rows by line, a row as often as it was refused; and lines that were no rows."""
        name, origin = self.config.name, self.file.origin
        torn = self.rows.malformed()
        refused = Rejects.of(name, origin, torn.lines, torn.reasons, torn.texts, torn.beyond)
        for each in verdicts:
            if len(rows := each.refused):
                kept, beyond = rows[:KEPT], each.counts(rows[KEPT:])
                lines, texts = self.rows.lines(kept), self.rows.texts(kept, columns)
                refused = refused.joined(Rejects.of(name, origin, lines, each.reasons(kept), texts, beyond))
        return refused

    def piece(self, part: str, observations: pa.Table, **more: object) -> Piece:
        """A piece of this file; `more` are fields of `Piece`."""
        return Piece(
            source=self.config.name,
            part=part,
            origin=self.file.origin,
            key=self.file.key,
            digest=self.digest,
            observations=observations,
            stamp=self.file.stamp,
            **more,  # type: ignore[arg-type]
        )


def pull_files(
    config: FileSource, network: Network, pull: Pull, parse: Callable[[OpenFile, Pull], Iterator[Piece]]
) -> Iterator[Piece]:
    """Pieces of every file that is new or changed; one that says so for each of the others.

    Raises:
        SourceError: if no file matches.
    """
    files = find_files(config.name, config.path, pull.paths)
    for number, file in enumerate(files, 1):
        try:
            for piece in _one_file(config, network, pull, file, parse):
                yield replace(piece, done=number, total=len(files))
        except FileProblem as problem:
            yield replace(_failed(config, network, file, problem), done=number, total=len(files))


def _one_file(
    config: FileSource,
    network: Network,
    pull: Pull,
    file: SourceFile,
    parse: Callable[[OpenFile, Pull], Iterator[Piece]],
) -> Iterator[Piece]:
    if pull.repairs and file.stamp is not None:
        file = replace(file, stamp=file.stamp + pull.repairs.mark(file.key))
    known = pull.done.stamp(config.name, file.key) if pull.done else None
    if known is not None and known == file.stamp:
        yield _unchanged(config, network, file)
        return
    content, digest = read_content(file, config.max_bytes)
    overlay = pull.repairs.of(file.key, digest) if pull.repairs else None
    digest = overlay.fingerprint if overlay else digest
    if pull.done and pull.done.digest(config.name, file.key) == digest:
        yield _unchanged(config, network, file)
    else:
        rows = laid_over(decode(file.origin, content, config.max_bytes), overlay)
        yield from parse(OpenFile(config, network, file, digest, rows), pull)


def _unchanged(config: FileSource, network: Network, file: SourceFile) -> Piece:
    return empty_piece(config.name, file.key, file.origin, network.targets, stamp=file.stamp, unchanged=True)


def _failed(config: FileSource, network: Network, file: SourceFile, problem: FileProblem) -> Piece:
    refused = Rejects.of(config.name, file.origin, [0], [problem.reason], [str(problem)])
    return empty_piece(config.name, file.key, file.origin, network.targets, refused, failure=str(problem))
