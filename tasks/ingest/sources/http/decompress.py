"""Bytes that arrive packed, unpacked without ever holding more than a bound."""

from __future__ import annotations

import zlib

from tasks.ingest.rejects import FileProblem

_EITHER, _RAW = 47, -15  # window bits of gzip or zlib, and of deflate without a header
GZIP = b"\x1f\x8b"


class Unpacker:
    """What is added to it, unpacked.

    Args:
        origin: for messages.
        coding: "", "identity", "gzip", "x-gzip" or "deflate".
        limit: bytes.

    Raises:
        FileProblem: on another coding; on adding more than the limit, or what is damaged.
    """

    def __init__(self, origin: str, coding: str, limit: int) -> None:
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise FileProblem("unreadable_file", f"{origin} is packed as {coding!r:.40}, which was not asked for")
        self._origin, self._coding, self._limit = origin, coding, limit
        self._plain, self._bits = coding in ("", "identity"), _EITHER
        self._member = zlib.decompressobj(self._bits)
        self._head = b""
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Add some of the packed bytes."""
        while data:
            part, data = (data, b"") if self._plain else self._inflate(data)
            self._parts.append(part)
            self._size += len(part)
            if self._size > self._limit:
                raise too_large(self._origin, self._limit)

    def content(self) -> bytes:
        """All of it."""
        if not self._plain and self._size and not self._member.eof:
            raise FileProblem("unreadable_file", f"{self._origin} ends early, in the midst of its {self._coding}")
        return b"".join(self._parts)

    def start(self) -> bytes:
        """As much as there is."""
        return b"".join(self._parts)

    def _inflate(self, data: bytes) -> tuple[bytes, bytes]:
        """Some unpacked bytes, at most one over the limit; and the packed ones that are left."""
        if self._member.eof:
            data = data.lstrip(b"\x00")  # padding behind a member
            if not data:
                return b"", b""
            self._member = zlib.decompressobj(self._bits)
        if not self._size:
            self._head += data
        try:
            part = self._member.decompress(data, self._limit - self._size + 1)
        except zlib.error as error:
            if self._coding == "deflate" and self._bits == _EITHER and not self._size:
                self._bits = _RAW
                self._member = zlib.decompressobj(_RAW)
                return b"", self._head
            raise FileProblem("unreadable_file", f"{self._origin} is damaged {self._coding}: {error}") from None
        return part, self._member.unconsumed_tail or self._member.unused_data


def too_large(origin: str, limit: int) -> FileProblem:
    """Error text of a body that is too large."""
    return FileProblem(
        "too_large", f"{origin} is larger than {limit:,} bytes: ask for less at a time, or raise max_bytes"
    )
