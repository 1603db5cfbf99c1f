"""Text of any encoding as UTF-8: by its byte order mark, else UTF-8, else as the source says."""

from __future__ import annotations

import codecs

import numpy as np
import pyarrow as pa

from tasks.ingest.limits import too_large

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""What stands for bytes that are no character; in text that is sound it is a character like others."""
_CHUNK = 1 << 22
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def is_marked(content: bytes) -> bool:
    """Whether a byte order mark says that text is something else than UTF-8."""
    return content.startswith(tuple(mark for mark, name in _MARKS if name != "utf-8"))


def to_utf8(origin: str, content: bytes, encoding: str | None, limit: int) -> tuple[bytes, bool]:
    """Text in UTF-8, with `UNREADABLE` for what is no text, and whether all of it is text. Line ends stay.

    Args:
        origin: what to call it.
        content: all of it.
        encoding: as configured; a byte order mark says more, and without both it is UTF-8.
        limit: bytes that the result may take.

    Raises:
        FileProblem: if it takes more.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    name = marked or encoding or "utf-8"
    if codecs.lookup(name).name == "utf-8" and is_utf8(content):
        return content, True
    text = _decode(origin, content, name, "strict", limit)
    if text is not None:
        return text, True
    return _decode(origin, content, name, "replace", limit) or b"", False


def _decode(origin: str, content: bytes, encoding: str, errors: str, limit: int) -> bytes | None:
    """As UTF-8; None where it is no text and `errors` are strict."""
    decoder, view, pieces, size = codecs.getincrementaldecoder(encoding)(errors), memoryview(content), [], 0
    try:
        for start in range(0, max(len(content), 1), _CHUNK):
            last = start + _CHUNK >= len(content)
            piece = decoder.decode(view[start : start + _CHUNK], last).encode("utf-8", "replace")
            pieces.append(piece)
            size += len(piece)
            if size > limit + _CHUNK:
                raise too_large(origin, limit)
    except UnicodeDecodeError:
        return None
    return b"".join(pieces)


def is_utf8(content: bytes) -> bool:
    """Whether bytes are sound UTF-8."""
    edges = pa.py_buffer(np.array([0, len(content)], dtype=np.int64))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, edges, pa.py_buffer(content)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
