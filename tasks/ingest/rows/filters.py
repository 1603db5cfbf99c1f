"""Filters: which rows of an input are read, by the values of its columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.rows.parse_values import distinct_texts
from tasks.ingest.rows.rows_in import InputColumns
from tasks.settings.columns import Where

Flags = npt.NDArray[np.bool_]
NONE_OF = "has none of"
"""Words of the warning about a filter that nothing passes."""
_SHOWN = 8


def matching(file: InputColumns, where: Where, key: str) -> tuple[Flags, dict[str, str]]:
    """Rows in which every column of a filter has one of its values; a warning per column where none of them occurs.

    Args:
        file: the rows.
        where: the filter; empty for all rows.
        key: what the configuration calls it, for messages.

    Raises:
        FileProblem: if a column is not there.
    """
    chosen, warnings = np.ones(file.rows.rows, dtype=bool), dict[str, str]()
    for column, values in where.items():
        name = file.require(column, f'{key} = {{ "..." = [...] }}')
        texts, which = distinct_texts(file.rows.column(name))
        texts = pc.replace_substring_regex(texts, r"^([+-]?\d+)\.0+$", r"\1")
        has = np.asarray(pc.is_in(texts, pa.array(values, pa.string())).to_numpy(zero_copy_only=False), dtype=bool)
        if not has[which].any() and len(which):
            occurring = sorted({str(texts[int(place)].as_py()) for place in np.unique(which)[: 10 * _SHOWN]})
            more = ", ..." if len(occurring) > _SHOWN else ""
            warnings[f"{key}.{column}"] = (
                f"{file.origin}: column {column!r} {NONE_OF} {list(values)}: "
                f"its values are {', '.join(repr(text[:40]) for text in occurring[:_SHOWN])}{more}: correct {key}"
            )
        chosen &= has[which]
    return chosen, warnings
