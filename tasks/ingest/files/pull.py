"""The walk over a source's files that every kind of file source shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.ingest.batch import SourceBatch, empty_batch
from tasks.ingest.files.find import SourceFile, find_files, settled_before
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.decode import decode
from tasks.ingest.formats.repaired import RepairedColumns, repaired_digest
from tasks.ingest.prefetch import prefetch
from tasks.ingest.rejects import FileProblem, Rejects
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.source import Pull
from tasks.ingest.statements import Statements
from tasks.settings.sources import FileSource
from tasks.settings.tree import Network


@dataclass(frozen=True)
class OpenFile(InputColumns):
    """A file that is to be read: its rows, and what a batch made of it needs.

    Attributes:
        look: when the file itself is to be looked at again, since its last line was left out.
    """

    file: SourceFile
    digest: str
    look: np.datetime64 | None = None

    def batch(self, part: str, statements: Statements, **more: object) -> SourceBatch:
        """A batch of this file; `more` are fields of `SourceBatch`."""
        return SourceBatch(
            source=self.config.name,
            part=part,
            origin=self.origin,
            key=self.file.key,
            digest=self.digest,
            statements=statements,
            stamp=self.file.stamp,
            **more,  # type: ignore[arg-type]
        )


def pull_files(
    config: FileSource, network: Network, pull: Pull, parse: Callable[[OpenFile, Pull], Iterator[SourceBatch]]
) -> Iterator[SourceBatch]:
    """Pieces of every file that is new or changed; one that says so for each of the others.

    Raises:
        SourceError: if no file matches.
    """
    files = _stamped(find_files(config.name, config.path, pull.paths), pull)
    fresh = [file for file in files if not _settled(config, pull, file)]
    if settled := len(files) - len(fresh):
        yield empty_batch(
            config.name, "", "", network.targets, unchanged=True, files=settled, done=settled, total=len(files)
        )
    opened = prefetch(_opened(config, network, pull, file) for file in fresh)
    for number, (file, found) in enumerate(zip(fresh, opened, strict=True), settled + 1):
        try:
            for batch in _batches(config, network, pull, file, found, parse):
                yield replace(batch, done=number, total=len(files))
        except FileProblem as problem:
            yield replace(_failed(config, network, file, problem), done=number, total=len(files))


def _stamped(files: Sequence[SourceFile], pull: Pull) -> list[SourceFile]:
    """With stamps that tell their repairs, too; without one where a file changed just now."""
    settled = settled_before(pull.as_of)
    return [replace(file, stamp=None if file.changed >= settled else _stamp(file, pull)) for file in files]


def _stamp(file: SourceFile, pull: Pull) -> str | None:
    return file.stamp + pull.repairs.stamp(file.key) if file.stamp and pull.repairs else file.stamp


def _settled(config: FileSource, pull: Pull, file: SourceFile) -> bool:
    """Whether a file looks as it did when it was read last."""
    known = pull.done.stamp(file.key) if pull.done else None
    return known is not None and known == file.stamp


@dataclass(frozen=True)
class _Unchanged:
    """A file that the ledger knows as it is."""


def _opened(config: FileSource, network: Network, pull: Pull, file: SourceFile) -> OpenFile | _Unchanged | FileProblem:
    """The rows of a file; what is wrong with it is given back, for it is read ahead of its turn."""
    try:
        content, digest = read_content(file, config.max_bytes)
        repaired = pull.repairs.of(file.key, digest) if pull.repairs else {}
        digest = repaired_digest(digest, repaired)
        if pull.done and pull.done.digest(file.key) == digest:
            return _Unchanged()
        content, look = file.whole_lines(content, pull.as_of)
        rows = decode(file.origin, content, config.max_bytes, config)
        rows = RepairedColumns(rows, repaired) if repaired else rows
        return OpenFile(config, network, file.origin, rows, file, digest, look)
    except FileProblem as problem:
        return problem


def _batches(
    config: FileSource,
    network: Network,
    pull: Pull,
    file: SourceFile,
    found: OpenFile | _Unchanged | FileProblem,
    parse: Callable[[OpenFile, Pull], Iterator[SourceBatch]],
) -> Iterator[SourceBatch]:
    if isinstance(found, FileProblem):
        raise found
    if isinstance(found, _Unchanged):
        yield _unchanged(config, network, file)
        return
    for batch in parse(found, pull):
        looks = [moment for moment in (found.look, batch.recheck_at) if moment is not None]
        yield replace(batch, recheck_at=min(looks, default=None))


def _unchanged(config: FileSource, network: Network, file: SourceFile) -> SourceBatch:
    return empty_batch(config.name, file.key, file.origin, network.targets, stamp=file.stamp, unchanged=True)


def _failed(config: FileSource, network: Network, file: SourceFile, problem: FileProblem) -> SourceBatch:
    refused = Rejects.of(config.name, file.origin, [0], [problem.reason], [str(problem)])
    return empty_batch(config.name, file.key, file.origin, network.targets, refused, failure=str(problem))
