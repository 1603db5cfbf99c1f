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
        arrays: the columns as they came, the first value alone where all are alike; None once they are narrow.
        columns: of narrow rows, per column its lowest value, the type of what is above that ("" for nothing), and
            where that begins.
        data: what is above; None once it lies in the scratch file.
        start: where it lies there.
        size: bytes of what is in memory, or there.
    """

    rows: int
    arrays: list[npt.NDArray[Any]] | None
    columns: list[tuple[int, str, int]] = field(default_factory=list)
    data: bytes | None = None
    start: int = 0
    size: int = 0

    @classmethod
    def of(cls, arrays: list[npt.NDArray[Any]]) -> _Segment:
        """Rows as they came."""
        held = [array[:1].copy() if array.strides == (0,) else array for array in arrays]
        return cls(len(arrays[0]), held, size=sum(array.nbytes for array in held))

    @property
    def in_memory(self) -> bool:
        """Whether it lies in no file."""
        return self.arrays is not None or self.data is not None

    def narrow(self) -> None:
        """Hold the columns in as few bytes as they take."""
        pieces, start = list[bytes](), 0
        for array in self.arrays or ():
            base, above = _split_offsets(array)
            self.columns.append((base, "" if above is None else above.dtype.str, start))
            pieces.append(b"" if above is None else above.tobytes())
            start += len(pieces[-1])
        self.arrays, self.data = None, b"".join(pieces)
        self.size = len(self.data)

    def constant(self, number: int) -> int | None:
        """The value of a column that is known to be the same in all rows."""
        if self.arrays is not None:
            array = self.arrays[number]
            return int(array[0]) if len(array) == 1 else None
        base, kind, _ = self.columns[number]
        return None if kind else base

    def fill(self, number: int, data: bytes, out: npt.NDArray[Any]) -> None:
        """Write a column; `data` is what is above the lowest values."""
        if self.arrays is not None:
            out[:] = self.arrays[number]
            return
        base, kind, start = self.columns[number]
        out[:] = np.frombuffer(data, dtype=kind, count=self.rows, offset=start) if kind else base
        if kind and base:
            out += out.dtype.type(base)


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
        """Add rows, arrays of equal length by column; one value stands for an array that `broadcast_to` made."""
        segment = _Segment.of([arrays[name].astype(kind, copy=False) for name, kind in self.types.items()])
        self._days.setdefault(day, []).append(segment)
        self.scratch.held += segment.size
        if self.scratch.held > HELD_BYTES:
            self._narrow()
        if self.scratch.held > HELD_BYTES:
            self._spill()

    def take(self, day: str) -> dict[str, npt.NDArray[Any]]:
        """All rows of a day, which is empty then."""
        loaded = list(self._load_segments(self._days.pop(day, [])))
        return {name: _join_segments(loaded, number, kind) for number, (name, kind) in enumerate(self.types.items())}

    def _load_segments(self, segments: Sequence[_Segment]) -> Iterable[tuple[_Segment, bytes]]:
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


def _split_offsets(array: npt.NDArray[Any]) -> tuple[int, npt.NDArray[Any] | None]:
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


def _join_segments(loaded: Sequence[tuple[_Segment, bytes]], number: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """A column of all segments, one after the other; read-only where all values are alike."""
    rows = sum(segment.rows for segment, _ in loaded)
    only = loaded[0][0].arrays if len(loaded) == 1 else None
    if only is not None and len(only[number]) == rows:
        return only[number]
    values = {segment.constant(number) for segment, _ in loaded}
    if len(values) == 1 and None not in values:
        return np.broadcast_to(np.array(values.pop(), dtype=kind), rows)
    column, first = np.empty(rows, dtype=kind), 0
    for segment, data in loaded:
        segment.fill(number, data, column[first : first + segment.rows])
        first += segment.rows
    return column
