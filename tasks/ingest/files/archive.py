"""Members of zip archives, each a file of its own: found, checked, and never written anywhere."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, cast

from tasks.errors import SourceError
from tasks.ingest.files.find import SUFFIXES, SourceFile, as_path, find_files, why
from tasks.ingest.formats.binary_kinds import ZIP, is_document
from tasks.ingest.rejects import FileProblem

MAX_MEMBERS = 10_000
GONE = "#gone"
"""What the stamp of a member ends in that its archive has no more."""
_DIRECTORY = 8 << 20  # bytes that may be read at once; the list of members is
_LARGEST_RATIO, _SMALL = 300, 64 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


def may_be_archive(file: SourceFile) -> bool:
    """Whether a file is called like a zip archive."""
    return file.path.lower().endswith(".zip")


def member_stamp(stamp: str | None, members: int) -> str | None:
    """Stamp of each member of an archive with that stamp: the archive is known where so many members have it."""
    return None if stamp is None else f"{stamp}#{members}"


@contextmanager
def open_members(file: SourceFile) -> Iterator[list[SourceFile] | None]:
    """Members of an archive, by name, while it is open; None where the file is none.

    Folders, `__MACOSX`, dot files and what is no data file are passed over.

    Raises:
        FileProblem: if the archive is damaged, or made to do harm.
    """
    try:
        with file.fs.open_input_file(file.path) as stream:
            if stream.read(len(ZIP)) != ZIP:
                yield None
                return
            with zipfile.ZipFile(cast(BinaryIO, _Bounded(stream, file.origin))) as archive:
                yield None if is_document(archive.namelist()) else _members(file, archive)
    except zipfile.BadZipFile as error:
        raise FileProblem("unreadable_file", f"{file.origin} is a damaged zip archive: {why(error)}") from None
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
    inside = re.match(r"(.+?\.zip)/.", origin, re.IGNORECASE | re.DOTALL)
    return inside.group(1) if inside else None


class _Bounded:
    """A file of which no more is read at once than a list of members may take."""

    def __init__(self, stream: Any, origin: str) -> None:
        self._stream, self._origin = stream, origin
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int = -1) -> bytes:
        data = bytes(self._stream.read(_DIRECTORY + 1 if size < 0 else min(size, _DIRECTORY + 1)))
        if len(data) > _DIRECTORY:
            raise FileProblem("too_large", f"{self._origin} lists too many members: split it")
        return data


def _members(file: SourceFile, archive: zipfile.ZipFile) -> list[SourceFile]:
    infos = [info for info in archive.infolist() if not _is_no_member(info.filename)]
    _check_archive(file, infos)
    data = [info for info in infos if info.filename.lower().endswith(SUFFIXES)]
    data = data or (infos if len(infos) == 1 else [])
    if not data:
        raise FileProblem("empty_file", f"{file.origin} holds no data file: it is read again when it changes")
    return [_member(file, archive, info) for info in sorted(data, key=lambda info: info.filename)]


def _is_no_member(name: str) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return name.endswith("/") or parts[0] == "__MACOSX" or hidden


def _check_archive(file: SourceFile, infos: list[zipfile.ZipInfo]) -> None:
    """Whether an archive may be read.

    Raises:
        FileProblem: if names lead elsewhere or come twice, or there is more inside than such an archive can hold.
    """
    names = [info.filename for info in infos]
    strange = [name for name in names if _leads_away(name)]
    if strange:
        raise FileProblem("unreadable_file", f"{file.origin} has a member called {strange[0][:80]!r}: make it again")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise FileProblem("unreadable_file", f"{file.origin} has two members called {twice[0][:80]!r}: make it again")
    if len(names) > MAX_MEMBERS:
        raise FileProblem("too_large", f"{file.origin} has {len(names):,} members, more than {MAX_MEMBERS:,}: split it")
    inside = sum(info.file_size for info in infos)
    if inside > max(_SMALL, _LARGEST_RATIO * file.size):
        raise FileProblem(
            "too_large", f"{file.origin} holds {inside >> 20:,} MiB in {file.size:,} bytes: unpack it if that is right"
        )


def _leads_away(name: str) -> bool:
    parts = name.split("/")
    return not {"", ".", ".."}.isdisjoint(parts) or "\\" in name or ":" in parts[0] or not name.isprintable()


def _member(file: SourceFile, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> SourceFile:
    wrong = ""
    if info.flag_bits & _ENCRYPTED:
        wrong = "has a password: unpack it"
    elif info.filename.lower().endswith(".zip"):
        wrong = "is an archive within an archive: unpack it once"
    elif info.compress_type not in _METHODS:
        wrong = "is packed in a way that is not read: pack it with deflate"
    return replace(
        file,
        key=f"{file.key}/{info.filename}",
        origin=f"{file.origin}/{info.filename}",
        size=info.file_size,
        changed=0,
        path=info.filename,
        archive=archive,
        wrong=wrong,
    )
