"""The bytes of a source's files: read once, unzipped, and never more of them than a limit."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from tasks.ingest.files.find import SourceFile, why
from tasks.ingest.files.unpack import UNPACKING, unpack
from tasks.ingest.formats.binary_kinds import is_binary, is_json, packing_of
from tasks.ingest.limits import LONGEST_LINE, MAX_BYTES, line_too_long, too_large
from tasks.ingest.rejects import FileProblem

_CHUNK = 1 << 22
_BEGIN = 16
_BAD_BZIP2 = "Invalid data stream"


def read_content(file: SourceFile, limit: int = MAX_BYTES) -> tuple[bytes, str]:
    """Bytes of a file, unpacked if they are gzip, bzip2 or xz, and the SHA-256 of what is stored.

    Args:
        file: which.
        limit: bytes, stored or unpacked, above which a file is rejected; little more is ever held.

    Raises:
        FileProblem: if it cannot be read, ends early, is empty, too large, or text without an end of line.
    """
    if file.wrong:
        raise FileProblem("unreadable_file", f"{file.origin} {file.wrong}")
    if file.size > limit:
        raise too_large(file.origin, limit)
    digest, pieces, size, lined = hashlib.sha256(), [], 0, False
    with _readable(file), _open(file) as stream:
        for piece in _unpack(stream, digest):
            pieces.append(piece)
            size += len(piece)
            lined = lined or b"\n" in piece or b"\r" in piece or is_binary(pieces[0]) or is_json(pieces[0])
            if size > limit:
                raise too_large(file.origin, limit)
            if size > LONGEST_LINE and not lined:
                raise line_too_long(file.origin, 1)
    content = b"".join(pieces)
    if not content or content.isspace():
        raise FileProblem("empty_file", f"{file.origin} is empty: it is read again when it has something")
    return content, digest.hexdigest()


class ContentPieces:
    """The bytes of a file, unpacked if they are gzip, bzip2 or xz, piece by piece; see `read_content`.

    Attributes:
        file: which.
        limit: bytes, stored or unpacked, above which it is rejected; None for no limit.
        digest: SHA-256 of what is stored, once all of it was read.
    """

    def __init__(self, file: SourceFile, limit: int | None) -> None:
        self.file, self.limit, self.digest = file, limit, ""

    def __iter__(self) -> Iterator[bytes]:
        """All of it; see `read`."""
        return self.read(_CHUNK)

    def read(self, at_once: int) -> Iterator[bytes]:
        """All of it, so many bytes of what is stored read at once.

        Raises:
            FileProblem: if it cannot be read, ends early, or is too large.
        """
        digest, size = hashlib.sha256(), 0
        with _readable(self.file), _open(self.file) as stream:
            for piece in _unpack(stream, digest, at_once):
                size += len(piece)
                if self.limit is not None and size > self.limit:
                    raise too_large(self.file.origin, self.limit)
                yield piece
        self.digest = digest.hexdigest()


def is_packed(file: SourceFile) -> bool:
    """Whether a file is packed with gzip, bzip2 or xz.

    Raises:
        FileProblem: if it cannot be read.
    """
    with _readable(file), _open(file) as stream:
        return packing_of(bytes(stream.read(_BEGIN))) is not None


def digest_of(file: SourceFile) -> str:
    """SHA-256 of what is stored of a file.

    Raises:
        FileProblem: if it cannot be read.
    """
    digest = hashlib.sha256()
    with _readable(file), _open(file) as stream:
        while data := stream.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


@contextmanager
def _readable(file: SourceFile) -> Iterator[None]:
    """What goes wrong with reading, as a problem of the file."""
    try:
        yield
    except (*UNPACKING, zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        raise FileProblem("unreadable_file", _unread(file, error)) from None


def _open(file: SourceFile) -> Any:
    """A file as it is stored, a member of an archive unpacked."""
    if file.archive is not None:
        return file.archive.open(file.path)
    return file.fs.open_input_stream(file.path, compression=None)


class _Stored(io.RawIOBase):
    """A stream as it is stored, fingerprinted as it is read; its first piece can be looked at before."""

    def __init__(self, stream: BinaryIO, digest: Any, at_once: int) -> None:
        self._stream, self._digest, self._at_once = stream, digest, at_once
        self.first = self._next(at_once)
        self._ahead = self.first

    def readable(self) -> bool:
        return True

    def pieces(self) -> Iterator[bytes]:
        """All of it, as it comes."""
        yield self.first
        while piece := self._next(self._at_once):
            yield piece

    def readinto(self, buffer: Any) -> int:
        data = self._ahead[: len(buffer)] or self._next(len(buffer))
        self._ahead = self._ahead[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        data = bytes(self._stream.read(size))
        self._digest.update(data)
        return data


def _unpack(stream: BinaryIO, digest: Any, at_once: int = _CHUNK) -> Iterator[bytes]:
    """What a stream holds; so many bytes of what is stored are read at once."""
    stored = _Stored(stream, digest, at_once)
    packing = packing_of(stored.first)
    yield from stored.pieces() if packing is None else unpack(stored, packing)


def _unread(file: SourceFile, error: Exception) -> str:
    """One line on why a file could not be read to its end."""
    if file.archive is not None and not isinstance(error, gzip.BadGzipFile):
        return f"{file.origin} is a damaged member: {why(error)}"
    if isinstance(error, EOFError):
        return f"{file.origin} is a packed file that ends early: it is read again when it changes"
    if isinstance(error, (*UNPACKING, gzip.BadGzipFile)) or str(error) == _BAD_BZIP2:
        return f"{file.origin} is a damaged packed file: {why(error)}"
    named = "; its name is not UTF-8: rename it" if isinstance(error, FileNotFoundError) and "\\x" in file.path else ""
    return f"{file.origin} cannot be read: {why(error)}{named}"
