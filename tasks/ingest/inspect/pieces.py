"""What is looked at of a file: all of it, or of a large one its beginning, its middle and its end."""

from __future__ import annotations

import zlib
from collections import deque

import pyarrow as pa

from tasks.errors import SourceError
from tasks.ingest.files.archive import may_be_archive
from tasks.ingest.files.find import SourceFile, why
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.binary_kinds import GZIP, PARQUET, is_binary, is_json
from tasks.ingest.formats.parquet_file import parquet_part
from tasks.ingest.limits import LONGEST_LINE
from tasks.ingest.rejects import FileProblem

WHOLE = 32 << 20
"""Bytes of a stored file up to which all of it is looked at."""
PIECE = 4 << 20
"""Bytes of each piece of a larger one."""
ROWS = 300_000
"""Rows of Parquet up to which all of them are looked at."""
_PACKED = 8
"""Times that gzip makes text smaller, or so."""
_TOP = 1 << 16
_CHUNK = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_pieces(file: SourceFile) -> tuple[bytes, bool]:
    """Content of a file, and whether that is only a part of it: whole lines of its beginning, middle and end.

    Of gzip it is the beginning and the end, of kinds that cannot be cut all.

    Raises:
        SourceError: if it cannot be read.
    """
    try:
        top = b"" if file.archive is not None else read_top(file)
        if top.startswith(PARQUET) and (part := _parquet_part(file)) is not None:
            return part, True
        if file.size <= (WHOLE // _PACKED if top.startswith(GZIP) else WHOLE) or not top or not _may_be_cut(top):
            return read_content(file)[0], False
        pieces = _read_gzip(file) if top.startswith(GZIP) else _read_plain(file)
    except (OSError, zlib.error, pa.ArrowException) as error:
        raise SourceError(f"{file.origin} cannot be read: {why(error)}") from None
    except FileProblem as problem:
        raise SourceError(str(problem)) from None
    first, *rest = pieces
    return b"".join([_end_of_line(first), *(_end_of_line(piece[piece.find(b"\n") + 1 :]) for piece in rest)]), True


def read_top(file: SourceFile) -> bytes:
    """The first bytes of a file as it is stored.

    Raises:
        OSError: if it cannot be read.
    """
    with file.fs.open_input_stream(file.path, compression=None) as stream:
        return bytes(stream.read(_TOP))


def header_of(file: SourceFile) -> bytes:
    """The first line of a file of text, by which one of other columns is known from the rest; b"" of other kinds."""
    if file.archive is not None or may_be_archive(file):
        return b""
    try:
        top = read_top(file)
        top = zlib.decompressobj(31).decompress(top, LONGEST_LINE) if top.startswith(GZIP) else top
    except (OSError, zlib.error):
        return b""  # the ingest says what is wrong with it
    return b"" if is_binary(top) or is_json(top) else top.split(b"\n", 1)[0].strip()


def _may_be_cut(top: bytes) -> bool:
    """Whether lines of a file stand for themselves."""
    if top.startswith(GZIP):
        top = zlib.decompressobj(31).decompress(top, _TOP)
    begin = top.lstrip()
    whole = begin.startswith(b"[") or (begin.startswith(b"{") and not begin.split(b"\n", 1)[0].rstrip().endswith(b"}"))
    return not (is_binary(top) or whole or top.startswith(_UTF16))


def _parquet_part(file: SourceFile) -> bytes | None:
    with file.fs.open_input_file(file.path) as stream:
        return parquet_part(stream, ROWS)


def _read_plain(file: SourceFile) -> list[bytes]:
    with file.fs.open_input_file(file.path) as stream:
        return [
            bytes(stream.read_at(min(PIECE, file.size - start), start))
            for start in (0, file.size // 2, file.size - PIECE)
        ]


def _read_gzip(file: SourceFile) -> list[bytes]:
    """Beginning and end of what gzip holds; it is read to its end in the memory of both."""
    unzip, first, last = zlib.decompressobj(31), bytearray(), deque[bytes](maxlen=PIECE // _CHUNK)
    with file.fs.open_input_stream(file.path, compression=None) as stream:
        while data := unzip.unconsumed_tail or bytes(stream.read(_CHUNK)):
            piece = unzip.decompress(data, _CHUNK)
            if len(first) < PIECE:
                first += piece
            elif piece:
                last.append(piece)
    return [bytes(first), b"".join(last)]


def _end_of_line(piece: bytes) -> bytes:
    """Without the line that is cut off at its end."""
    return piece[: piece.rfind(b"\n") + 1]
