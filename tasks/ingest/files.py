"""The walk over a source's files that every kind of file source shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from tasks.ingest.decoding import decode
from tasks.ingest.open_rows import OpenRows
from tasks.ingest.overlays import laid_over
from tasks.ingest.pieces import Piece, empty_piece
from tasks.ingest.reading import SourceFile, find_files, read_content
from tasks.ingest.rejects import FileProblem, Rejects
from tasks.ingest.source import Pull
from tasks.settings import Network
from tasks.source_settings import FileSource


@dataclass(frozen=True)
class OpenFile(OpenRows):
    """A file that is to be read: its rows, and what a piece made of it needs."""

    file: SourceFile
    digest: str

    def piece(self, part: str, observations: pa.Table, **more: object) -> Piece:
        """A piece of this file; `more` are fields of `Piece`."""
        return Piece(
            source=self.config.name,
            part=part,
            origin=self.origin,
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
    files = [_stamped(file, pull) for file in find_files(config.name, config.path, pull.paths)]
    fresh = [file for file in files if not _settled(config, pull, file)]
    if settled := len(files) - len(fresh):
        yield empty_piece(
            config.name, "", "", network.targets, unchanged=True, files=settled, done=settled, total=len(files)
        )
    for number, file in enumerate(fresh, settled + 1):
        try:
            for piece in _one_file(config, network, pull, file, parse):
                yield replace(piece, done=number, total=len(files))
        except FileProblem as problem:
            yield replace(_failed(config, network, file, problem), done=number, total=len(files))


def _stamped(file: SourceFile, pull: Pull) -> SourceFile:
    """With a stamp that tells its repairs, too; without one if it changed just now."""
    file = file.stamped_by(pull.as_of)
    return replace(file, stamp=file.stamp + pull.repairs.mark(file.key)) if pull.repairs and file.stamp else file


def _settled(config: FileSource, pull: Pull, file: SourceFile) -> bool:
    """Whether a file looks as it did when it was read last."""
    known = pull.done.stamp(config.name, file.key) if pull.done else None
    return known is not None and known == file.stamp


def _one_file(
    config: FileSource,
    network: Network,
    pull: Pull,
    file: SourceFile,
    parse: Callable[[OpenFile, Pull], Iterator[Piece]],
) -> Iterator[Piece]:
    content, digest = read_content(file, config.max_bytes)
    overlay = pull.repairs.of(file.key, digest) if pull.repairs else None
    digest = overlay.fingerprint if overlay else digest
    if pull.done and pull.done.digest(config.name, file.key) == digest:
        yield _unchanged(config, network, file)
        return
    content, look = file.whole_lines(content, pull.as_of)
    rows = laid_over(decode(file.origin, content, config.max_bytes), overlay)
    for piece in parse(OpenFile(config, network, file.origin, rows, file, digest), pull):
        looks = [moment for moment in (look, piece.recheck_at) if moment is not None]
        yield replace(piece, recheck_at=min(looks, default=None))


def _unchanged(config: FileSource, network: Network, file: SourceFile) -> Piece:
    return empty_piece(config.name, file.key, file.origin, network.targets, stamp=file.stamp, unchanged=True)


def _failed(config: FileSource, network: Network, file: SourceFile, problem: FileProblem) -> Piece:
    refused = Rejects.of(config.name, file.origin, [0], [problem.reason], [str(problem)])
    return empty_piece(config.name, file.key, file.origin, network.targets, refused, failure=str(problem))
