"""Rows by service day while an input is read: narrow arrays in memory, and in a scratch file beyond a bound."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
HELD_BYTES = 64 << 20
"""Bytes of rows in memory, all stores of an input together, beyond which they go to the scratch file."""
_NARROW = (np.uint8, np.uint16, np.uint32)


@dataclass
class Scratch:
    """A file without a name, gone with its process, however that ends.

    Attributes:
        folder: where it lies; None for the system's own place.
        held: bytes of rows that are in memory.
    """

    folder: str | None = None
    held: int = 0
    _file: IO[bytes] | None = None

    def write(self, data: bytes) -> int:
        """Append; returns where it begins."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 closed by `close`
        start = self._file.seek(0, 2)
        self._file.write(data)
        return start

    def read(self, start: int, size: int) -> bytes:
        """What was appended there."""
        assert self._file is not None  # it was written
        self._file.seek(start)
        return self._file.read(size)

    def close(self) -> None:
        """Give up all that is in it."""
        if self._file is not None:
            self._file.close()


@dataclass
class _Segment:
    """Rows that came together: per column its lowest value and the type of what is above that; "" for nothing."""

    rows: int
    columns: list[tuple[int, str]]
    data: bytes | None
    start: int = 0
    size: int = 0


@dataclass
class DayStore:
    """Rows of an input by service day, in the order in which they came.

    Attributes:
        types: column -> its type; arrays of whole numbers and flags.
        scratch: where rows go beyond `HELD_BYTES`.
    """

    types: Mapping[str, npt.DTypeLike]
    scratch: Scratch
    _days: dict[str, list[_Segment]] = field(default_factory=dict)

    @property
    def days(self) -> list[str]:
        """Service days that there are, ascending."""
        return sorted(self._days)

    def add(self, day: str, arrays: Arrays) -> None:
        """Add rows, arrays of equal length by column."""
        columns, pieces = [], []
        for name in self.types:
            base, narrow = _narrowed(arrays[name])
            columns.append((base, "" if narrow is None else narrow.dtype.str))
            pieces.append(b"" if narrow is None else narrow.tobytes())
        data = b"".join(pieces)
        rows = len(arrays[next(iter(self.types))])
        self._days.setdefault(day, []).append(_Segment(rows, columns, data, size=len(data)))
        self.scratch.held += len(data)
        if self.scratch.held > HELD_BYTES:
            self._spill()

    def take(self, day: str) -> dict[str, npt.NDArray[Any]]:
        """All rows of a day, which is empty then."""
        segments = self._days.pop(day, [])
        return dict(zip(self.types, _joined(self._loaded(segments), list(self.types.values())), strict=True))

    def _loaded(self, segments: Sequence[_Segment]) -> Iterable[tuple[_Segment, bytes]]:
        for segment in segments:
            if segment.data is None:
                yield segment, self.scratch.read(segment.start, segment.size)
            else:
                self.scratch.held -= segment.size
                yield segment, segment.data

    def _spill(self) -> None:
        for segment in (segment for segments in self._days.values() for segment in segments):
            if segment.data is not None:
                segment.start, segment.data = self.scratch.write(segment.data), None
                self.scratch.held -= segment.size


def _narrowed(array: npt.NDArray[Any]) -> tuple[int, npt.NDArray[Any] | None]:
    """The lowest value, and how far each is above it in as few bytes as that takes; None where all are alike."""
    if not len(array):
        return 0, None
    whole = array.view(np.uint8) if array.dtype == bool else array
    low, high = int(whole.min()), int(whole.max())
    if low == high:
        return low, None
    kind = next((kind for kind in _NARROW if high - low <= np.iinfo(kind).max), None)
    if kind is None:
        return 0, whole
    narrow = np.empty(len(whole), dtype=kind)
    return low, np.subtract(whole, whole.dtype.type(low), out=narrow, casting="unsafe")


def _joined(segments: Iterable[tuple[_Segment, bytes]], types: Sequence[npt.DTypeLike]) -> list[npt.NDArray[Any]]:
    """Columns of all segments, one after the other."""
    loaded = list(segments)
    rows = sum(segment.rows for segment, _ in loaded)
    columns = [np.empty(rows, dtype=kind) for kind in types]
    first = 0
    for segment, data in loaded:
        place, last = 0, first + segment.rows
        for column, (base, kind) in zip(columns, segment.columns, strict=True):
            if not kind:
                column[first:last] = base
                continue
            narrow = np.frombuffer(data, dtype=kind, count=segment.rows, offset=place)
            place += narrow.nbytes
            column[first:last] = narrow
            if base:
                column[first:last] += column.dtype.type(base)
        first = last
    return columns
