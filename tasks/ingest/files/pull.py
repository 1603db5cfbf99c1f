"""The walk over a source's files that every kind of file source shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from tasks.ingest.batch import SourceBatch, empty_batch
from tasks.ingest.files.archive import GONE, may_be_archive, member_stamp, open_members
from tasks.ingest.files.find import SourceFile, find_files, settled_before
from tasks.ingest.files.pieces import FilePieces, open_pieces
from tasks.ingest.files.read import digest_of, read_content
from tasks.ingest.files.reshape import reshape
from tasks.ingest.formats.added import path_tells
from tasks.ingest.formats.decode import decode
from tasks.ingest.formats.repaired import RepairedColumns, repaired_digest
from tasks.ingest.limits import FEW
from tasks.ingest.prefetch import prefetch
from tasks.ingest.rejects import FileProblem, Rejects
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.source import Pull
from tasks.ingest.statements import Statements
from tasks.settings.sources.files import FileSource
from tasks.settings.tree import Network


@dataclass(frozen=True)
class OpenFile(InputColumns):
    """A file that is to be read: its rows, and what a batch made of it needs.

    Attributes:
        file: where it lies.
        pull: what is asked for.
        pieces: its rows where it is read in pieces; `rows` are none then.
        known: SHA-256 of what is stored, with what was repaired; where it is read in pieces these tell it.
        left_out: when the file itself is to be looked at again, since its last line was left out; likewise.
    """

    file: SourceFile
    pull: Pull
    pieces: FilePieces | None = None
    known: str = ""
    left_out: np.datetime64 | None = None

    @property
    def digest(self) -> str:
        """Fingerprint of the input, once all of it was read."""
        return self.pieces.digest if self.pieces else self.known

    @property
    def look(self) -> np.datetime64 | None:
        """When the file itself is to be looked at again, once all of it was read."""
        return self.pieces.look if self.pieces else self.left_out

    def whole(self, why: str) -> OpenFile:
        """The same file, read whole.

        Raises:
            FileProblem: if it cannot be read, or is too large for that; says `why` it is to be read whole.
        """
        assert isinstance(self.config, FileSource)  # a file is of no other source
        if self.file.size > self.config.max_bytes:
            raise FileProblem(
                "too_large",
                f"{self.origin} cannot be read in pieces, for {why}; whole it is larger than "
                f"{self.config.max_bytes >> 20:,} MiB: split it, or raise max_bytes in its table",
            )
        return _open_whole(self.config, self.network, self.pull, self.file)

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
    config: FileSource,
    network: Network,
    pull: Pull,
    parse: Callable[[OpenFile, Pull], Iterator[SourceBatch]],
    forget: Callable[[SourceFile, Pull], SourceBatch] | None = None,
    in_pieces: bool = False,
    adds_up: bool = False,
) -> Iterator[SourceBatch]:
    """Pieces of every file that is new or changed; one that says so for each of the others.

    A member of a zip archive is a file of its own. What its archive no longer has is forgotten first, so that what was
    renamed counts once.

    Args:
        config: the source.
        network: what it serves.
        pull: what is asked for.
        parse: batches of a file.
        forget: a batch that withdraws what a member stated; without it that stays.
        in_pieces: whether `parse` takes large files in pieces.
        adds_up: whether each file adds to the others, so that one that is there twice would count twice.

    Raises:
        SourceError: if no file matches.
    """
    files = _add_stamps(find_files(config.name, config.path, pull.paths), pull)
    fresh = [file for file in files if not _looks_as_before(pull, file)]
    if settled := len(files) - len(fresh):
        yield empty_batch(
            config.name, "", "", network.targets, unchanged=True, files=settled, done=settled, total=len(files)
        )
    counted, changed = dict[str, str](), set[str]()
    for number, file, found in prefetch(_inputs(config, network, pull, fresh, in_pieces)):
        if adds_up and isinstance(found, OpenFile):
            found = _check_once(found, counted, changed)
            changed.add(file.key)
        for batch in _batches(config, network, pull, file, found, parse, forget):
            if batch.accepted > FEW:
                counted.setdefault(batch.digest, batch.origin)
            yield replace(batch, done=settled + number, total=len(files))


def _check_once(file: OpenFile, counted: Mapping[str, str], changed: Set[str]) -> OpenFile | FileProblem:
    """The file, or why it is not read: another one of the very same content counts already, and no name differs.

    Args:
        file: which.
        counted: origins by the content that counts in this pull.
        changed: keys that were read in it, whose earlier content counts no more.
    """
    assert isinstance(file.config, FileSource)  # a file is of no other source
    if path_tells(file.origin, file.config):
        return file
    twin = file.pull.done.twin(file.file.key, file.digest, changed) if file.pull.done else None
    twin = twin or counted.get(file.digest)
    if twin is None:
        return file
    return FileProblem(
        "same_file",
        f"{file.origin} is the same as {twin}, byte by byte, which counts already: remove one of both, or say by "
        "path_pattern what tells them apart",
    )


def _inputs(
    config: FileSource, network: Network, pull: Pull, files: Sequence[SourceFile], in_pieces: bool
) -> Iterator[tuple[int, SourceFile, OpenFile | _Unchanged | _Gone | FileProblem]]:
    """What each file holds, after its number from 1; of an archive what each member holds."""
    for number, file in enumerate(files, 1):
        if not may_be_archive(file):
            yield number, file, _open(config, network, pull, file, in_pieces)
            continue
        try:
            with open_members(file) as members:
                for gone in _missing_members(pull, file, members or [file]):
                    yield number, gone, _Gone()
                for member in [file] if members is None else _stamped_members(pull, file, members):
                    yield number, member, _open(config, network, pull, member)
        except FileProblem as problem:
            yield number, file, problem


def _missing_members(pull: Pull, file: SourceFile, members: Sequence[SourceFile]) -> list[SourceFile]:
    """Members that an archive had when it was read last, and has no more."""
    keys, stamp = {member.key for member in members}, None if file.stamp is None else f"{file.stamp}{GONE}"
    gone = [key for key in (pull.done.below(file.key) if pull.done else ()) if key not in keys]
    known = [key for key in gone if not _is_gone(pull, key)]
    return [replace(file, key=key, origin=file.origin + key.removeprefix(file.key), stamp=stamp) for key in known]


def _is_gone(pull: Pull, key: str) -> bool:
    return bool(pull.done and (pull.done.stamp(key) or "").endswith(GONE))


def _stamped_members(pull: Pull, file: SourceFile, members: Sequence[SourceFile]) -> list[SourceFile]:
    stamp = member_stamp(file.stamp, len(members))
    return [replace(member, stamp=_stamp(replace(member, stamp=stamp), pull)) for member in members]


def _add_stamps(files: Sequence[SourceFile], pull: Pull) -> list[SourceFile]:
    """With stamps that tell their repairs, too; without one where a file changed just now."""
    settled = settled_before(pull.as_of)
    stamps = [None if file.changed >= settled else _stamp(file, pull) for file in files]
    pairs = zip(files, stamps, strict=True)
    return [file if stamp == file.stamp else replace(file, stamp=stamp) for file, stamp in pairs]


def _stamp(file: SourceFile, pull: Pull) -> str | None:
    return file.stamp + pull.repairs.stamp(file.key) if file.stamp and pull.repairs else file.stamp


def _looks_as_before(pull: Pull, file: SourceFile) -> bool:
    """Whether a file looks as it did when it was read last: an archive if all its members do."""
    if pull.done is None or file.stamp is None:
        return False
    if pull.done.stamp(file.key) == file.stamp:
        return True
    keys = [key for key in pull.done.below(file.key) if not _is_gone(pull, key)] if may_be_archive(file) else []
    stamp = member_stamp(file.stamp, len(keys))
    return bool(keys) and all(pull.done.stamp(k) == _stamp(replace(file, key=k, stamp=stamp), pull) for k in keys)


@dataclass(frozen=True)
class _Unchanged:
    """A file that the ledger knows as it is."""


@dataclass(frozen=True)
class _Gone:
    """A member that its archive has no more."""


def _open(
    config: FileSource, network: Network, pull: Pull, file: SourceFile, in_pieces: bool = False
) -> OpenFile | _Unchanged | FileProblem:
    """A file; what is wrong with it is given back, for it is opened ahead of its turn."""
    try:
        pieces = open_pieces(file, config, file.rests_at(pull.as_of, pull.rest)) if in_pieces else None
        known = pull.done.digest(file.key) if pull.done else None
        is_repaired = pull.repairs is not None and pull.repairs.stamp(file.key) != ""
        if pieces is None or is_repaired:
            return _open_whole(config, network, pull, file)
        if known is not None and digest_of(file) == known:
            return _Unchanged()
        return OpenFile(config, network, file.origin, pieces.header, file, pull, pieces)
    except _SameAsBefore:
        return _Unchanged()
    except FileProblem as problem:
        return problem


class _SameAsBefore(Exception):
    """A file is as the ledger knows it."""


def _open_whole(config: FileSource, network: Network, pull: Pull, file: SourceFile) -> OpenFile:
    """The rows of a file.

    Raises:
        FileProblem: if it cannot be read.
        _SameAsBefore: if the ledger knows it as it is.
    """
    content, digest = read_content(file, config.max_bytes)
    repaired = pull.repairs.of(file.key, digest) if pull.repairs else {}
    digest = repaired_digest(digest, repaired)
    if pull.done and pull.done.digest(file.key) == digest:
        raise _SameAsBefore
    content, look = file.whole_lines(content, pull.as_of, pull.rest)
    rows = decode(file.origin, content, config.max_bytes, config)
    rows = reshape(RepairedColumns(rows, repaired) if repaired else rows, config, file.origin)
    return OpenFile(config, network, file.origin, rows, file, pull, None, digest, look)


def _batches(
    config: FileSource,
    network: Network,
    pull: Pull,
    file: SourceFile,
    found: OpenFile | _Unchanged | _Gone | FileProblem,
    parse: Callable[[OpenFile, Pull], Iterator[SourceBatch]],
    forget: Callable[[SourceFile, Pull], SourceBatch] | None,
) -> Iterator[SourceBatch]:
    nothing = empty_batch(config.name, file.key, file.origin, network.targets, stamp=file.stamp)
    if isinstance(found, _Gone):
        yield replace(forget(file, pull), stamp=file.stamp) if forget else nothing
    elif isinstance(found, _Unchanged):
        yield replace(nothing, unchanged=True)
    elif isinstance(found, FileProblem):
        yield _report_problem(config, network, file, found)
    else:
        try:
            for batch in parse(found, pull):
                yield batch if found.look is None else _with_look(batch, found.look)
        except FileProblem as problem:
            yield _report_problem(config, network, file, problem)


def _with_look(batch: SourceBatch, look: np.datetime64) -> SourceBatch:
    """The batch of a file whose last line was left out: read again later, and reported."""
    warning = (
        f"{batch.origin}: its last line has no line break and may still be in the making; it is read from {look}Z on, "
        "or at once with --path or by nexthour backfill"
    )
    recheck_at = look if batch.recheck_at is None else min(look, batch.recheck_at)
    return replace(batch, recheck_at=recheck_at, warnings=(*batch.warnings, warning))


def _report_problem(config: FileSource, network: Network, file: SourceFile, problem: FileProblem) -> SourceBatch:
    rejected = Rejects.of(config.name, file.origin, [0], [problem.reason], [str(problem)])
    return empty_batch(config.name, file.key, file.origin, network.targets, rejected, failure=str(problem))
