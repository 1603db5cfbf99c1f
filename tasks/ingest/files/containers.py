"""Zip and tar archives alike: what is in them, and a stream of each member."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import IO, Any, BinaryIO, Protocol, cast

from tasks.ingest.files.unpack import PIECE, Unpacked
from tasks.ingest.formats.binary_kinds import ZIP, is_document, packing_of
from tasks.ingest.rejects import FileProblem

MAX_MEMBERS = 10_000
_AT_ONCE = 8 << 20
"""Bytes that may be read at once; the list of members is."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_BEGIN, _BLOCK = 16, 512
_PER_MEMBER = 8 << 10
"""Bytes that a tar archive may take per member beside its content."""
_LINK = "is a link: pack the file itself"


@dataclass(frozen=True)
class MemberInfo:
    """What an archive says of a member.

    Attributes:
        name: path within the archive.
        size: bytes, unpacked.
        wrong: why it cannot be read.
    """

    name: str
    size: int
    wrong: str = ""


class Container(Protocol):
    """An open archive."""

    @property
    def infos(self) -> Sequence[MemberInfo]:
        """What is in it, folders apart."""

    def open(self, name: str) -> IO[bytes]:
        """The content of a member."""


def open_container(origin: str, stream: Any, most: int) -> Container | None:
    """The archive that a stream holds, zip or tar, which may be packed; None where it is neither.

    Args:
        origin: what to call it.
        stream: that can seek.
        most: bytes that its members may have together.

    Raises:
        FileProblem: if it lists too much, or is larger inside than `most`.
        BadZipFile, TarError, OSError, UNPACKING: if it is damaged.
    """
    begin = bytes(stream.read(_BEGIN))
    stream.seek(0)
    if begin.startswith(ZIP):
        zipped = zipfile.ZipFile(cast(BinaryIO, _Bounded(stream, origin)))
        return None if is_document(zipped.namelist()) else _Zip(zipped)
    if packing := packing_of(begin):
        problem = FileProblem("too_large", f"{origin} holds more than {most >> 20:,} MiB: unpack it if that is right")
        unpacked = Unpacked(stream, packing, most + MAX_MEMBERS * _PER_MEMBER, problem)
        stream = BufferedReader(unpacked, PIECE)
    return _open_tar(origin, _Bounded(stream, origin))


class _Bounded:
    """A file of which no more is read at once than a list of members may take.

    Attributes:
        last: what was read last.
    """

    def __init__(self, stream: Any, origin: str) -> None:
        self._stream, self._origin, self.last = stream, origin, b""
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all that are left."""
        data = bytes(self._stream.read(_AT_ONCE + 1 if size < 0 else min(size, _AT_ONCE + 1)))
        if len(data) > _AT_ONCE:
            raise FileProblem("too_large", f"{self._origin} lists too many members: split it")
        self.last = data
        return data


class _Zip:
    """A zip archive; its members by name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        infos = [info for info in archive.infolist() if not info.is_dir()]
        infos = sorted(infos, key=lambda info: info.filename)
        self.infos = [MemberInfo(info.filename, info.file_size, self._wrong(info)) for info in infos]

    def open(self, name: str) -> IO[bytes]:
        """The content of a member."""
        return self._archive.open(name)

    @staticmethod
    def _wrong(info: zipfile.ZipInfo) -> str:
        if info.flag_bits & _ENCRYPTED:
            return "has a password: unpack it"
        if stat.S_ISLNK(info.external_attr >> 16):
            return _LINK
        return "" if info.compress_type in _METHODS else "is packed in a way that is not read: pack it with deflate"


class _Tar:
    """A tar archive; its members in their order, so that what is packed is gone through once."""

    def __init__(self, archive: tarfile.TarFile, members: Sequence[tarfile.TarInfo]) -> None:
        self._archive = archive
        self._members = {member.name.removeprefix("./"): member for member in members}
        self.infos = [MemberInfo(each.name.removeprefix("./"), each.size, self._wrong(each)) for each in members]

    def open(self, name: str) -> IO[bytes]:
        """The content of a member."""
        content = self._archive.extractfile(self._members[name])
        assert content is not None  # what is no file is never opened
        return content

    @staticmethod
    def _wrong(info: tarfile.TarInfo) -> str:
        if info.issym() or info.islnk():
            return _LINK
        return "" if info.isreg() and not info.issparse() else "is no plain file: pack it as one"


def _open_tar(origin: str, stream: _Bounded) -> _Tar | None:
    """A tar archive, all of its list read; None where a stream begins as none.

    Raises:
        FileProblem: if it ends early, or has too many members.
    """
    try:
        archive = tarfile.TarFile(fileobj=cast(BinaryIO, stream))
    except tarfile.ReadError:
        return None
    members = list[tarfile.TarInfo]()
    for member in archive:
        members += [] if member.isdir() else [member]
        if len(members) > MAX_MEMBERS:
            raise FileProblem("too_large", f"{origin} has more than {MAX_MEMBERS:,} members: split it")
    if stream.last != bytes(_BLOCK):  # tarfile takes a header that it cannot read for the end
        raise tarfile.ReadError("it ends early, or a header in it cannot be read")
    return _Tar(archive, members)
