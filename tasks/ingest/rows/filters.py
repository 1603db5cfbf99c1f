"""Filters: which rows of an input are read, by the values of its columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.digits import plain_numeral
from tasks.ingest.rows.parse_values import distinct_texts
from tasks.ingest.rows.rows_in import InputColumns
from tasks.settings.columns import RowFilter

Flags = npt.NDArray[np.bool_]
NONE_OF = "has none of"
"""Words of the warning about a filter that nothing passes."""
_SHOWN = 8


def matching(file: InputColumns, rows: RowFilter, prefix: str = "") -> tuple[Flags, dict[str, str]]:
    """Rows that a filter lets through; a warning per column in which it misses all values.

    A column of `where` misses them where it has none. One of `where_not` may well have none; it misses them where it
    has one that differs in capitals alone.

    Args:
        file: the rows.
        rows: the filter; empty for all rows.
        prefix: what stands before its keys in the configuration, for messages: "columns.entries.".

    Raises:
        FileProblem: if a column is not there.
    """
    chosen, warnings = np.ones(file.rows.rows, dtype=bool), dict[str, str]()
    for key, leaves_out in (("where", False), ("where_not", True)):
        for column, values in (rows.where_not if leaves_out else rows.where).items():
            texts, which = _values_of(file, column, f"{prefix}{key}")
            has = _are_among(texts, values)
            alike = _are_among(pc.utf8_lower(texts), [value.lower() for value in values]) if leaves_out else ~has
            if len(which) and not has[which].any() and alike[which].any():
                warnings[f"{prefix}{key}.{column}"] = (
                    f"{file.origin}: column {column!r} {NONE_OF} {list(values)}: its values are "
                    f"{_examples(texts, which)}: correct {prefix}{key}"
                )
            chosen &= has[which] != leaves_out
    return chosen, warnings


def _values_of(file: InputColumns, column: str, key: str) -> tuple[pa.Array, Int]:
    name = file.require(column, f'{key} = {{ "..." = [...] }}')
    texts, which = distinct_texts(file.rows.column(name))
    if not pc.all(pc.string_is_ascii(texts)).as_py():
        texts = pa.array(map(plain_numeral, texts.to_pylist()), pa.string())
    return pc.replace_substring_regex(texts, r"^([+-]?\d+)\.0+$", r"\1"), which


def _are_among(texts: pa.Array, values: Sequence[str]) -> Flags:
    return np.asarray(pc.is_in(texts, pa.array(values, pa.string())).to_numpy(zero_copy_only=False), dtype=bool)


def _examples(texts: pa.Array, which: Int) -> str:
    occurring = sorted({str(texts[int(place)].as_py()) for place in np.unique(which)[: 10 * _SHOWN]})
    return ", ".join(repr(text[:40]) for text in occurring[:_SHOWN]) + (", ..." if len(occurring) > _SHOWN else "")
