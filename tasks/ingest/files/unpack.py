"""What is packed with gzip, bzip2 or xz, unpacked piece by piece, so that no more is held than a piece."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator

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


def _decompressor(packing: str) -> bz2.BZ2Decompressor | lzma.LZMADecompressor:
    return bz2.BZ2Decompressor() if packing == "bzip2" else lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
