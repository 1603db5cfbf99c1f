"""Rejection code per row, collected during validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.ingest.reasons import ROW_REASONS

_CODES = tuple(ROW_REASONS)


class Rejections:
    """The first reason found to reject each of `count` rows; rows may also be set aside without one."""

    def __init__(self, count: int) -> None:
        self.codes: npt.NDArray[np.int8] = np.full(count, -1, dtype=np.int8)
        self.aside: npt.NDArray[np.bool_] = np.zeros(count, dtype=bool)

    @classmethod
    def of(cls, codes: npt.NDArray[np.int8]) -> Rejections:
        """Of rows with these codes."""
        rejections = cls(0)
        rejections.codes, rejections.aside = codes, np.zeros(len(codes), dtype=bool)
        return rejections

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Rows that are neither rejected nor set aside."""
        return (self.codes < 0) & ~self.aside

    @property
    def rejected(self) -> npt.NDArray[np.int64]:
        """Positions of the rejected rows, ascending."""
        return np.flatnonzero(self.codes >= 0)

    def reject(self, where: npt.NDArray[np.bool_], reason: str) -> None:
        """Reject the rows of a mask that are good so far."""
        if where.any():
            self.codes[where & self.good] = _CODES.index(reason)

    def reject_rows(self, rows: npt.NDArray[np.int64], reason: str) -> None:
        """Reject rows by position, all of them good."""
        self.codes[rows] = _CODES.index(reason)

    def has(self, reason: str) -> npt.NDArray[np.bool_]:
        """Which rows were rejected for that reason."""
        return np.asarray(self.codes == _CODES.index(reason))

    def set_aside(self, where: npt.NDArray[np.bool_]) -> None:
        """Leave out rows that nobody asked for."""
        self.aside |= where & (self.codes < 0)

    def withdraw(self, where: npt.NDArray[np.bool_]) -> None:
        """Set rejected rows aside instead."""
        self.codes[where] = -1
        self.aside |= where

    @classmethod
    def merge(cls, several: Sequence[Rejections]) -> Rejections:
        """The first reason that any of them has against each row; no row of it is set aside."""
        out = cls(len(several[0].codes))
        for each in several:
            out.codes = np.where(out.codes < 0, each.codes, out.codes)
        return out

    def reasons(self, rows: npt.NDArray[np.int64]) -> pa.Array:
        """Reason of each of these rejected rows."""
        codes = pa.array(self.codes[rows].astype(np.int32))
        return pa.DictionaryArray.from_arrays(codes, pa.array(_CODES)).cast(pa.string())

    def counts(self, rows: npt.NDArray[np.int64]) -> dict[str, int]:
        """Number of these rejected rows per reason."""
        many = np.bincount(self.codes[rows], minlength=len(_CODES))
        return {reason: int(n) for reason, n in zip(_CODES, many, strict=True) if n}
