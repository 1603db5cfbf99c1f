"""What is packed with gzip, bzip2 or xz, unpacked piece by piece, so that no more is held than a piece."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from typing import Any

PIECE = 1 << 22
"""Bytes of a piece at the most."""
_MEMORY = 128 << 20
"""Bytes that xz may take for what it looks back at; its strongest preset takes 65 MiB."""
UNPACKING = (EOFError, zlib.error, lzma.LZMAError)
"""What goes wrong with unpacking, beside OSError."""


def unpack(stored: io.RawIOBase, packing: str) -> Iterator[bytes]:
    """What a stream holds, piece by piece; several packed streams that follow one another are one.

    Raises:
        OSError: if it is damaged, as gzip and bzip2 say it.
        LZMAError: if it is damaged, or takes more memory than any file should.
        EOFError: if it ends early.
    """
    if packing == "gzip":
        plain = gzip.GzipFile(fileobj=io.BufferedReader(stored, PIECE))
        while piece := plain.read(PIECE):
            yield piece
        return
    part, data = _decompressor(packing), b""
    while data or (data := stored.read(PIECE) or b""):
        while data or not part.needs_input:
            if piece := part.decompress(data, PIECE):
                yield piece
            data = part.unused_data if part.eof else b""
            if part.eof:
                break
        if part.eof and (data := (data or stored.read(PIECE) or b"").lstrip(b"\0")):
            part = _decompressor(packing)
    if not part.eof:
        raise EOFError


class Unpacked(io.RawIOBase):
    """What a packed stream holds, as a stream to go forward in: each step back unpacks it from its beginning."""

    def __init__(self, stored: Any, packing: str, most: int, problem: Exception) -> None:
        """Unpack a stream that can seek; `problem` is raised where it holds more than `most` bytes."""
        self._stored, self._packing, self._most, self._problem = stored, packing, most, problem
        self._begin()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes that were read or passed over."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, or to the end where that is beyond it."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only places from the beginning are known")
        if offset < self._place:
            self._begin()
        while self._place < offset and self._next(offset - self._place):
            pass
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Some of what comes next."""
        piece = self._next(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def _begin(self) -> None:
        self._stored.seek(0)
        self._pieces, self._piece, self._place = unpack(_Kept(self._stored), self._packing), b"", 0

    def _next(self, size: int) -> bytes:
        self._piece = self._piece or next(self._pieces, b"")
        piece, self._piece = self._piece[:size], self._piece[size:]
        self._place += len(piece)
        if self._place > self._most:
            raise self._problem
        return piece


class _Kept(io.RawIOBase):
    """A stream that is not closed with what reads it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = bytes(self._stream.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def _decompressor(packing: str) -> bz2.BZ2Decompressor | lzma.LZMADecompressor:
    return bz2.BZ2Decompressor() if packing == "bzip2" else lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
