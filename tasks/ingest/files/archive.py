"""Members of zip and tar archives, each a file of its own: found, checked, and never written anywhere."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import IO

from tasks.errors import SourceError
from tasks.ingest.files.containers import MAX_MEMBERS, Container, MemberInfo, open_container
from tasks.ingest.files.find import ARCHIVES, SUFFIXES, SourceFile, as_path, find_files, why
from tasks.ingest.files.unpack import PIECE, UNPACKING
from tasks.ingest.rejects import FileProblem

GONE = "#gone"
"""What the stamp of a member ends in that its archive has no more."""
_LARGEST_RATIO, _SMALL = 300, 64 << 20
_LARGEST_INNER = 256 << 20
"""Bytes of an archive within another one, which is held while its members are read."""
_INSIDE = re.compile(rf"(.+?(?:{'|'.join(map(re.escape, ARCHIVES))}))/.", re.IGNORECASE | re.DOTALL)
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, *UNPACKING)


def may_be_archive(file: SourceFile) -> bool:
    """Whether a file is called like a zip or tar archive."""
    return file.path.lower().endswith(ARCHIVES)


def member_stamp(stamp: str | None, members: int) -> str | None:
    """Stamp of each member of an archive with that stamp: the archive is known where so many members have it."""
    return None if stamp is None else f"{stamp}#{members}"


@contextmanager
def open_members(file: SourceFile) -> Iterator[list[SourceFile] | None]:
    """Members of an archive while it is open, those of archives within it among them; None where the file is none.

    Folders, `__MACOSX`, dot files and what is no data file are passed over.

    Raises:
        FileProblem: if the archive is damaged, or made to do harm.
    """
    try:
        with file.fs.open_input_file(file.path) as stream:
            most = max(_SMALL, _LARGEST_RATIO * file.size)
            archive = open_container(file.origin, stream, most)
            yield None if archive is None else _members(file, archive, most)
    except _DAMAGED as error:
        raise FileProblem("unreadable_file", f"{file.origin} is a damaged archive: {why(error)}") from None
    except OSError as error:
        raise FileProblem("unreadable_file", f"{file.origin} cannot be read: {why(error)}") from None


@contextmanager
def open_again(source: str, path: str, origin: str) -> Iterator[SourceFile]:
    """The file, or the member of an archive, that an earlier search of the configured path has shown as `origin`.

    Raises:
        SourceError: if it is gone.
    """
    outer = archive_of(origin)
    if outer is None:
        yield find_files(source, path, [as_path(path, origin)])[0]
        return
    with open_members(find_files(source, path, [as_path(path, outer)])[0]) as members:
        found = [member for member in members or [] if member.origin == origin]
        if not found:
            raise SourceError(f"source {source!r}: {origin} is not in its archive any more: run nexthour ingest")
        yield found[0]


def archive_of(origin: str) -> str | None:
    """The archive that a member shown as `origin` lies in; None where that is a file."""
    inside = _INSIDE.match(origin)
    return inside.group(1) if inside else None


@dataclass
class _Holder:
    """An open archive, and of the archives within it the one that is open."""

    archive: Container
    open_name: str = ""
    opened: Container | None = None

    def open(self, name: str) -> IO[bytes]:
        """The content of a member."""
        return self.archive.open(name)

    def inner(self, member: SourceFile, most: int) -> Container | None:
        """An archive within this one, read whole; None where a member is none.

        Raises:
            FileProblem: if it is too large, or damaged.
        """
        if self.open_name != member.path:
            self.open_name, self.opened = "", None  # one at a time is held
            content, size = list[bytes](), 0
            with self.open(member.path) as stream:
                while piece := stream.read(PIECE):
                    content, size = [*content, piece], size + len(piece)
                    if size > _LARGEST_INNER:
                        raise FileProblem(
                            "too_large", f"{member.origin} is larger than {_LARGEST_INNER >> 20} MiB: unpack it once"
                        )
            self.opened = open_container(member.origin, BytesIO(b"".join(content)), most)
            self.open_name = member.path
        return self.opened


@dataclass(frozen=True)
class _Inner:
    """An archive within another one; it is read again where another one was open since."""

    outer: _Holder = field(repr=False)
    member: SourceFile
    most: int

    def open(self, name: str) -> IO[bytes]:
        """The content of a member."""
        archive = self.outer.inner(self.member, self.most)
        assert archive is not None  # its members are known
        return archive.open(name)


def _members(file: SourceFile, archive: Container, most: int) -> list[SourceFile]:
    holder = _Holder(archive)
    outer = [replace(each, archive=holder) for each in _data_files(file, archive.infos, most)]
    members = [inner for member in outer for inner in _with_inner(member, holder, most)]
    _check_size(file, len(members), sum(member.size for member in members), most)
    if not members:
        raise FileProblem("empty_file", f"{file.origin} holds no data file: it is read again when it changes")
    return members


def _with_inner(member: SourceFile, holder: _Holder, most: int) -> list[SourceFile]:
    """A member, or where it is an archive itself the members of that.

    Raises:
        FileProblem: if that is damaged, or made to do harm.
    """
    if member.wrong or not may_be_archive(member):
        return [member]
    try:
        archive = holder.inner(member, most)
    except _DAMAGED as error:
        raise FileProblem("unreadable_file", f"{member.origin} is a damaged archive: {why(error)}") from None
    if archive is None:
        return [member]
    deeper = "is an archive within two others: unpack it once"
    found = _data_files(member, archive.infos, most)
    found = [replace(each, wrong=each.wrong or deeper) if may_be_archive(each) else each for each in found]
    return [replace(each, archive=_Inner(holder, member, most)) for each in found]


def _data_files(file: SourceFile, listed: Sequence[MemberInfo], most: int) -> list[SourceFile]:
    """The data files of an archive.

    Raises:
        FileProblem: if names lead elsewhere or come twice, or there is more inside than such an archive can hold.
    """
    infos = [info for info in listed if not _is_no_member(info.name)]
    names = [info.name for info in infos]
    strange = [name for name in names if _leads_away(name)]
    if strange:
        raise FileProblem("unreadable_file", f"{file.origin} has a member called {strange[0][:80]!r}: make it again")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise FileProblem("unreadable_file", f"{file.origin} has two members called {twice[0][:80]!r}: make it again")
    _check_size(file, len(infos), sum(info.size for info in infos), most)
    data = [info for info in infos if info.name.lower().endswith(SUFFIXES)] or (infos if len(infos) == 1 else [])
    return [_member(file, info) for info in data]


def _is_no_member(name: str) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return name.endswith("/") or parts[0] == "__MACOSX" or hidden


def _check_size(file: SourceFile, members: int, inside: int, most: int) -> None:
    """Whether an archive may hold so many members, and so many bytes in all.

    Raises:
        FileProblem: if not.
    """
    if members > MAX_MEMBERS:
        raise FileProblem("too_large", f"{file.origin} has {members:,} members, more than {MAX_MEMBERS:,}: split it")
    if inside > most:
        raise FileProblem(
            "too_large", f"{file.origin} holds {inside >> 20:,} MiB in {file.size:,} bytes: unpack it if that is right"
        )


def _leads_away(name: str) -> bool:
    parts = name.split("/")
    return not {"", ".", ".."}.isdisjoint(parts) or "\\" in name or ":" in parts[0] or not name.isprintable()


def _member(file: SourceFile, info: MemberInfo) -> SourceFile:
    return replace(
        file,
        key=f"{file.key}/{info.name}",
        origin=f"{file.origin}/{info.name}",
        size=info.size,
        changed=0,
        path=info.name,
        wrong=info.wrong,
    )
