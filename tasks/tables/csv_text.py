"""Rows of a table as CSV, without pandas, which takes a process seconds to import."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from tasks.tables.schemas import TIME, one_array
from tasks.tables.tides import local_texts

_SPECIAL = re.compile(r'[",\r\n]')


def csv_bytes(table: pa.Table, timezone: str = "UTC") -> bytes:
    """A header and a line per row, UTF-8; null is an empty field, and times are ISO 8601.

    Args:
        table: no nested columns.
        timezone: of the columns whose times are not in UTC; these carry their offset.
    """
    columns = [_texts(one_array(column), timezone) for column in table.columns]
    lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="").to_pylist()
    return "\n".join((",".join(str(_quote(name)) for name in table.column_names), *lines, "")).encode()


def _texts(column: pa.Array, timezone: str) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        if column.type != TIME:
            return local_texts(pa.chunked_array([column]), timezone).cast(pa.string())
        return pc.strftime(column.cast(pa.timestamp("s"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if not pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    values = [_quote(text) for text in column.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(values, pa.string())).cast(pa.string())


def _quote(text: str | None) -> str | None:
    """A field, in quotes where it needs them; an empty text is two quotes, which tells it from null."""
    if text is None or (text and not _SPECIAL.search(text)):
        return text
    return '"' + text.replace('"', '""') + '"'
