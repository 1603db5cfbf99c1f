"""Rows by service day while an input is read: arrays in memory; beyond a bound narrow ones, then a scratch file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
HELD_BYTES = 64 << 20
"""Bytes of rows in memory, all stores of an input together, beyond which they are made narrow, and then written to the
scratch file."""
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
    """Rows that came together.

    Attributes:
        rows: how many.
        arrays: the columns as they came; None once they are narrow.
        columns: of narrow rows, per column its lowest value and the type of what is above that; "" for nothing.
        data: what is above; None once it lies in the scratch file.
        start: where it lies there.
        size: bytes of what is in memory, or there.
    """

    rows: int
    arrays: list[npt.NDArray[Any]] | None
    columns: list[tuple[int, str]] = field(default_factory=list)
    data: bytes | None = None
    start: int = 0
    size: int = 0

    @classmethod
    def of(cls, arrays: list[npt.NDArray[Any]]) -> _Segment:
        """Rows as they came."""
        return cls(len(arrays[0]), arrays, size=sum(array.nbytes for array in arrays))

    @property
    def in_memory(self) -> bool:
        """Whether it lies in no file."""
        return self.arrays is not None or self.data is not None

    def narrow(self) -> None:
        """Hold the columns in as few bytes as they take."""
        pieces = []
        for array in self.arrays or ():
            base, above = _narrowed(array)
            self.columns.append((base, "" if above is None else above.dtype.str))
            pieces.append(b"" if above is None else above.tobytes())
        self.arrays, self.data = None, b"".join(pieces)
        self.size = len(self.data)


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
        segment = _Segment.of([arrays[name].astype(kind, copy=False) for name, kind in self.types.items()])
        self._days.setdefault(day, []).append(segment)
        self.scratch.held += segment.size
        if self.scratch.held > HELD_BYTES:
            self._narrow()
        if self.scratch.held > HELD_BYTES:
            self._spill()

    def take(self, day: str) -> dict[str, npt.NDArray[Any]]:
        """All rows of a day, which is empty then."""
        segments = self._days.pop(day, [])
        return dict(zip(self.types, _joined(self._loaded(segments), list(self.types.values())), strict=True))

    def _loaded(self, segments: Sequence[_Segment]) -> Iterable[tuple[_Segment, bytes]]:
        for segment in segments:
            if segment.in_memory:
                self.scratch.held -= segment.size
                yield segment, segment.data or b""
            else:
                yield segment, self.scratch.read(segment.start, segment.size)

    def _narrow(self) -> None:
        for segment in chain.from_iterable(self._days.values()):
            if segment.arrays is not None:
                self.scratch.held -= segment.size
                segment.narrow()
                self.scratch.held += segment.size

    def _spill(self) -> None:
        for segment in chain.from_iterable(self._days.values()):
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
    if len(loaded) == 1 and (only := loaded[0][0].arrays) is not None:
        return only
    rows = sum(segment.rows for segment, _ in loaded)
    columns = [np.empty(rows, dtype=kind) for kind in types]
    first = 0
    for segment, data in loaded:
        place, last = 0, first + segment.rows
        for column, array in zip(columns, segment.arrays or (), strict=False):
            column[first:last] = array
        for column, (base, kind) in zip(columns, segment.columns, strict=False):
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
