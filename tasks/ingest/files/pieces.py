"""Large files of text in pieces, so that a file of any size takes the memory of a few of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow.fs as pafs

from tasks.ingest.files.find import SourceFile
from tasks.ingest.files.read import ContentPieces, is_packed
from tasks.ingest.files.reshape import reshape
from tasks.ingest.formats.binary_kinds import check_kind, is_binary, is_json
from tasks.ingest.formats.columns import Columns, NoRows, check_columns
from tasks.ingest.formats.csv_layout import FIRST_LINES, Layout, find_layout
from tasks.ingest.formats.csv_pieces import CsvPiece, PlainColumns, pieces_of
from tasks.ingest.formats.encodings import is_marked, to_utf8
from tasks.ingest.limits import LONGEST_LINE, MAX_BYTES
from tasks.ingest.rejects import FileProblem
from tasks.settings.sources.files import FileSource

SMALL = 4 << 20
"""Bytes up to which a file is read whole."""
_HEADERS = (1 << 16, LONGEST_LINE + 4)
"""Bytes that a header takes as a rule, and at the most with a byte order mark."""
_UNPACKED, _LARGEST_RATIO = 16, 100
"""How many times as large a gzip file is inside, as a rule and at the most."""


@dataclass
class FilePieces:
    """The rows of a file, which may be gone through more than once.

    Attributes:
        file: which.
        config: its source.
        content: its bytes.
        rests_at: when its last line is whole for sure; None for now.
        layout: how it is laid out.
        plain: columns that may be parsed at once.
        look: when the file is to be looked at again, since its last line was left out; known when all was read.
    """

    file: SourceFile
    config: FileSource
    content: ContentPieces
    rests_at: np.datetime64 | None
    layout: Layout
    plain: PlainColumns = field(default_factory=PlainColumns)
    look: np.datetime64 | None = None

    @property
    def header(self) -> Columns:
        """A piece without rows, which has the columns."""
        return reshape(NoRows(self.layout.names), self.config, self.file.origin)

    @property
    def digest(self) -> str:
        """SHA-256 of what is stored; known when all was read."""
        return self.content.digest

    def __iter__(self) -> Iterator[Columns]:
        """All rows, the next pieces parsed while one is used.

        Raises:
            FileProblem: if the file cannot be read, or has changed since it was read first.
            PiecesProblem: if it cannot be read in pieces.
        """
        before = self.digest
        for piece in self._pieces():
            yield reshape(piece, self.config, self.file.origin)
        if before not in ("", self.digest):
            raise FileProblem("unreadable_file", f"{self.file.origin} changed while it was read: it is read again")

    def _pieces(self) -> Iterator[CsvPiece]:
        content = self._without_last_line() if self.rests_at is not None else self.content
        return pieces_of(self.file.origin, content, self.layout, self.plain)

    def _without_last_line(self) -> Iterator[bytes]:
        """The content without a last line that may still be in the making."""
        tail = b""
        for piece in self.content:
            tail += piece
            end = tail.rfind(b"\n") + 1
            yield tail[:end]
            tail = tail[end:]
        self.look = self.rests_at if tail else None


def open_pieces(file: SourceFile, config: FileSource, rests_at: np.datetime64 | None) -> FilePieces | None:
    """A file in pieces; None where it must be read whole, as all that is small, or no CSV in UTF-8.

    Args:
        file: which.
        config: how it is laid out.
        rests_at: when its last line is whole for sure; None for now.

    Raises:
        FileProblem: if it cannot be read.
    """
    utf8 = (config.encoding or "utf-8").lower() in ("utf-8", "utf8")
    if file.archive is not None or file.wrong or config.delimiter == "blanks" or config.skip_footer or not utf8:
        return None
    zipped = is_packed(file)
    if file.size <= (SMALL // _UNPACKED if zipped else SMALL):
        return None
    content = ContentPieces(file, _limit(file, config, zipped))
    begin = _begin(content, config.skip_rows + config.header_rows + FIRST_LINES)
    if is_binary(begin) or is_json(begin) or is_marked(begin) or begin.isspace() or b"\n" not in begin:
        return None
    check_kind(file.origin, begin)
    text, sound = to_utf8(file.origin, begin, None, len(begin))
    layout = find_layout(file.origin, text, config, sound)
    check_columns(file.origin, len(layout.names))
    return FilePieces(file, config, content, rests_at, layout)


def _limit(file: SourceFile, config: FileSource, zipped: bool) -> int | None:
    """Bytes above which a file is rejected: what is configured; without it none for plain files of this machine."""
    if "max_bytes" in config.model_fields_set:
        return config.max_bytes
    if not isinstance(file.fs, pafs.LocalFileSystem):
        return MAX_BYTES
    return max(MAX_BYTES, _LARGEST_RATIO * file.size) if zipped else None


def _begin(content: ContentPieces, lines: int) -> bytes:
    """The first lines of a file: so many, or as much as a header may take."""
    begin = b""
    for size in _HEADERS:
        begin = _read(content, size)
        if begin.count(b"\n") > lines:
            break
    return begin[: begin.rfind(b"\n") + 1] or begin


def _read(content: ContentPieces, size: int) -> bytes:
    """The first bytes of a file."""
    begin = b""
    for piece in content.read(size):
        begin += piece
        if len(begin) >= size:
            break
    return begin
