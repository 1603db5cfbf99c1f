"""Cut the text of a CSV in pieces of whole records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tasks.ingest.formats.csv_layout import Layout
from tasks.ingest.rejects import PiecesProblem

PIECE = 16 << 20
"""Bytes of a piece, about."""
_QUOTE, _LINE_ENDS = ord('"'), (ord("\n"), ord("\r"))


def cut_records(content: Iterable[bytes], layout: Layout) -> Iterator[bytes]:
    """The content of a file, cut anywhere, in pieces of whole records.

    Raises:
        PiecesProblem: if there is none within a piece, or quotes leave open where they end.
    """
    held, size, quoted = list[bytes](), 0, False
    for part in content:
        quoted = quoted or b'"' in part
        size += len(part)
        if size < PIECE:
            held.append(part)
            continue
        if quoted or b"\n" not in part:
            held, part = [], b"".join([*held, part])
        end = _last_record(part, layout.delimiter)
        if not end:
            raise PiecesProblem("it has a line longer than any row, or a quote that is never closed")
        yield b"".join([*held, memoryview(part)[:end]])
        held = [part[end:]]
        size, quoted = len(held[0]), b'"' in held[0]
    if rest := b"".join(held):
        ended = rest if rest.endswith(b"\n") else rest + b"\n"
        if b'"' in rest and _last_record(ended, layout.delimiter) < len(ended):
            raise PiecesProblem("it has a quote that is never closed")
        yield rest


def _last_record(content: bytes, delimiter: str) -> int:
    """Where the last whole record ends; 0 where there is none.

    Raises:
        PiecesProblem: if a quote stands within a value, so that only a parser tells whether it opens one.
    """
    last = content.rfind(b'"')
    rows_end = content.rfind(b"\n") + 1
    if last < 0:
        return rows_end
    data = np.frombuffer(content, dtype=np.uint8, count=min(last + 2, len(content)))
    quotes, ends = np.flatnonzero(data == _QUOTE), np.flatnonzero(data == _LINE_ENDS[0])
    edges = np.array([ord(delimiter), _QUOTE, *_LINE_ENDS], dtype=np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    opening, closing = opening[opening > 0], closing[closing < len(data) - 1]
    if not (np.isin(data[opening - 1], edges).all() and np.isin(data[closing + 1], edges).all()):
        raise PiecesProblem("it has quotes within values")
    if len(quotes) % 2 == 0 and rows_end > last:
        return rows_end
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0
