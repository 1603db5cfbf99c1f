"""What speaks against each row of a file, while it is judged."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.ingest.rejects import ROW_REASONS


class Verdicts:
    """The first reason found against each of `count` rows; rows may also be set aside without one."""

    def __init__(self, count: int) -> None:
        self.codes: npt.NDArray[np.int8] = np.full(count, -1, dtype=np.int8)
        self.aside: npt.NDArray[np.bool_] = np.zeros(count, dtype=bool)

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Rows that nothing speaks against."""
        return (self.codes < 0) & ~self.aside

    @property
    def refused(self) -> npt.NDArray[np.int64]:
        """Positions of the rows with a reason, ascending."""
        return np.flatnonzero(self.codes >= 0)

    def refuse(self, where: npt.NDArray[np.bool_], reason: str) -> None:
        """Refuse the rows of a mask that are good so far."""
        if where.any():
            self.codes[where & self.good] = ROW_REASONS.index(reason)

    def refuse_rows(self, rows: npt.NDArray[np.int64], reason: str) -> None:
        """Refuse some rows by position, good ones all."""
        self.codes[rows] = ROW_REASONS.index(reason)

    def has(self, reason: str) -> npt.NDArray[np.bool_]:
        """Which rows were refused for that reason."""
        return np.asarray(self.codes == ROW_REASONS.index(reason))

    def set_aside(self, where: npt.NDArray[np.bool_]) -> None:
        """Leave out rows that nobody asked for."""
        self.aside |= where & (self.codes < 0)

    def pardon(self, where: npt.NDArray[np.bool_]) -> None:
        """Set refused rows aside after all."""
        self.codes[where] = -1
        self.aside |= where

    def reasons(self, rows: npt.NDArray[np.int64]) -> pa.Array:
        """Reason of each of these refused rows."""
        codes = pa.array(self.codes[rows].astype(np.int32))
        return pa.DictionaryArray.from_arrays(codes, pa.array(ROW_REASONS)).cast(pa.string())

    def counts(self, rows: npt.NDArray[np.int64]) -> dict[str, int]:
        """How many of these refused rows have each reason."""
        many = np.bincount(self.codes[rows], minlength=len(ROW_REASONS))
        return {reason: int(n) for reason, n in zip(ROW_REASONS, many, strict=True) if n}
