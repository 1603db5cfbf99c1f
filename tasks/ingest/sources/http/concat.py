"""Rows of several documents as those of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.decode import Columns, Malformed
from tasks.ingest.formats.json_records import malformed_rows


@dataclass(frozen=True)
class JoinedColumns(Columns):
    """Rows of several documents, one after the other; see `Columns`. Lines are counted on.

    Attributes:
        pages: the documents.
        lengths: lines (or records) of each.
    """

    pages: Sequence[Columns]
    lengths: Sequence[int]

    @property
    def names(self) -> Sequence[str]:  # type: ignore[override]
        """Columns that any of them has; one that a document has twice is there twice."""
        first = list(self.pages[0].names)
        return first + list(dict.fromkeys(name for page in self.pages[1:] for name in page.names if name not in first))

    @property
    def rows(self) -> int:
        """Of all of them."""
        return int(self.edges[-1])

    @property
    def edges(self) -> Int:
        """First row of each, and the number of all."""
        return np.concatenate([[0], np.cumsum([page.rows for page in self.pages])]).astype(np.int64)

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """Some columns."""
        return pa.table([self.column(name) for name in columns], names=list(columns))

    def column(self, name: str) -> pa.Array:
        """One column as text, null where a document lacks it."""
        parts = [page.column(name) if name in page.names else pa.nulls(page.rows, pa.string()) for page in self.pages]
        return pa.concat_arrays([part.cast(pa.string()) for part in parts])

    def lines(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Lines, counted over all of them."""
        return np.concatenate([before + page.lines(own) for page, own, before in self._shares(rows)])

    def texts(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Array:
        """Texts of the rows."""
        return pa.concat_arrays(
            [
                page.texts(own, [name for name in columns if name in page.names]).cast(pa.string())
                for page, own, _ in self._shares(rows)
            ]
        )

    def unreadable(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows of which a value is no text."""
        return np.concatenate([page.unreadable([n for n in columns if n in page.names]) for page in self.pages])

    def malformed_lines(self) -> Malformed:
        """What is no row in any of them."""
        malformed = [page.malformed_lines() for page in self.pages]
        starts = np.cumsum([0, *self.lengths])
        lines = [int(start) + int(line) for torn, start in zip(malformed, starts, strict=False) for line in torn.lines]
        reasons, texts = ([one for torn in malformed for one in getattr(torn, name)] for name in ("reasons", "texts"))
        return replace(
            malformed_rows(list(zip(lines, reasons, texts, strict=True))),
            beyond=dict(sum((Counter(torn.beyond) for torn in malformed), Counter[str]())),
        )

    def _shares(self, rows: npt.NDArray[np.int64]) -> list[tuple[Columns, npt.NDArray[np.int64], int]]:
        """Each document that has some of the rows (ascending), their places in it, and the lines before it."""
        edges, starts = self.edges, np.cumsum([0, *self.lengths])
        shares = []
        for number, page in enumerate(self.pages):
            own = rows[(rows >= edges[number]) & (rows < edges[number + 1])] - edges[number]
            if len(own):
                shares.append((page, own, int(starts[number])))
        return shares
