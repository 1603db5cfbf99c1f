"""Headers of several rows, as pivot tables have them: a station over its directions, both in the name of a column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest


def join_header(rows: Sequence[Sequence[str]]) -> list[str]:
    """One name per column: the cells of all rows above one another, joined by a blank.

    A blank cell of a row above the last one is what stands to its left, as a merged cell is written. Cells that say
    the same text are written once.
    """
    width = max(map(len, rows))
    filled = [*(_fill_right(row, width) for row in rows[:-1]), [*map(str.strip, rows[-1])]]
    return [" ".join(dict.fromkeys(cell for cell in column if cell)) for column in zip_longest(*filled, fillvalue="")]


def _fill_right(row: Sequence[str], width: int) -> list[str]:
    cells, last = list[str](), ""
    for cell in [*row, *[""] * (width - len(row))]:
        last = cell.strip() or last
        cells.append(last)
    return cells
