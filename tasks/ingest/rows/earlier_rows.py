"""What the earlier pieces of an input have shown that decides over rows of the present one.

An input that is read piece by piece must be validated as if read whole: which spelling of a station came before,
which of two hours a repeated time belongs to, whether any time has an hour at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.rejects import FileProblem, PiecesProblem
from tasks.ingest.rows.join_times import are_bare, are_plain, distinct_dates
from tasks.ingest.rows.parse_times import RepeatedTimes
from tasks.ingest.rows.parse_values import Spellings

_PARTS = 1 << 31


class Codes:
    """Numbers of names, in the order in which they came."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """The names by number."""
        return list(self._numbers)

    def of(self, codes: npt.NDArray[np.int32], names: Sequence[str]) -> npt.NDArray[np.int32]:
        """Numbers of codes into `names`; negative codes stay."""
        own = np.array([self._numbers.setdefault(name, len(self._numbers)) for name in names] or [0], dtype=np.int32)
        if np.array_equal(own, np.arange(len(own))):
            return codes
        return np.where(codes >= 0, own[np.maximum(codes, 0)], codes)


class DatesAlone:
    """Whether the times of an input are dates without any hour."""

    def __init__(self) -> None:
        self._has_hours, self._bare, self._values = False, True, set[object]()
        self._problem: FileProblem | None = None

    def add(self, column: pa.Array, describe: Callable[[], FileProblem]) -> None:
        """Look at the times of a piece; `describe` makes the problem that they are where nothing else comes."""
        if self._has_hours:
            return
        dates = distinct_dates(column)
        if dates is None:
            self._has_hours = True
        elif len(dates):
            self._bare &= are_bare(dates)
            self._values |= {*dates[:2].to_pylist()}
            self._problem = self._problem or describe()

    def check(self) -> None:
        """Whether there is an hour, after the last piece.

        Raises:
            FileProblem: if all times are bare dates, or midnight of several.
        """
        if self._problem and not self._has_hours and (self._bare or len(self._values) > 1):
            raise self._problem


class EarlierRows:
    """All of it.

    Attributes:
        whole: whether the input comes in one piece.
        spellings: of station ids; known ahead where the input is read again because of them.
        stations, parts: numbers of their names.
        dates: whether times lack their hour.
    """

    def __init__(self, whole: bool = True, spellings: Spellings | None = None) -> None:
        self.whole, self.spellings = whole, spellings or Spellings()
        self.stations, self.parts = Codes(), Codes()
        self.dates, self._repeated = DatesAlone(), RepeatedTimes()
        self._clock_digits: frozenset[int] = frozenset()

    def add_clocks(self, digits: frozenset[int]) -> frozenset[int]:
        """Digits of the times of day of a piece, see `clock_digits`, and of all before it.

        Raises:
            PiecesProblem: if those before it were read, and all together cannot be.
        """
        known = digits | self._clock_digits
        if self._clock_digits and are_plain(self._clock_digits) and not are_plain(known):
            raise PiecesProblem("it has times of day of different numbers of digits")
        self._clock_digits = known
        return known

    def later(self, place: Int, minute: npt.NDArray[np.datetime64]) -> npt.NDArray[np.bool_]:
        """See `RepeatedTimes`; `place` as `place_of` gives it, with or without a second."""
        return self._repeated.came_before(place, minute)

    def place_of(self, station: npt.NDArray[np.int32], part: npt.NDArray[np.int32]) -> Int:
        """One number per station and part, given by their numbers."""
        return station.astype(np.int64) * _PARTS + part
