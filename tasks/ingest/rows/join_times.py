"""Times that stand in several columns, and dates that stand without their hour."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.formats.columns import as_text, cut_texts
from tasks.ingest.rows.format_numbers import with_plain_digits
from tasks.ingest.rows.parse_values import distinct_texts

_DATE = r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))$"
_MIDNIGHT = r"[T ]00:00(:00(\.0+)?)?(Z|\+00:?00)?$"
_OFFSET = r"(?i)^([+-]\d{2}(:?\d{2})?|Z|UTC|GMT)$"
_CLOCK = r"^([01]?\d|2\d|3[0-6])(:[0-5]\d){1,2}(\.\d+)?( ?[AaPp][Mm])?$"
_CLOCK_OR_HOUR = rf"{_CLOCK}|^([01]?\d|2\d)( ?[AaPp][Mm])?$"
_HOUR_NAMES = "hour|time|heure|stunde|uhr|hora|^hr|^hh|\N{CJK UNIFIED IDEOGRAPH-6642}"
_SAMPLE = 1000
_LATEST_HOUR = 36


def join_times(columns: Sequence[pa.Array], readable: bool = True) -> pa.DictionaryArray:
    """Several columns as one of text, joined by a blank; blank where one of them is blank.

    A date that carries midnight along (2022-01-04T00:00:00) is a date: the hour is in the other column.

    Args:
        columns: of equal length; text, whole numbers, dates, times of day.
        readable: whether midnight is cut from dates of text, too; formats that are configured may need it.
    """
    coded = [_cut_texts(column) for column in columns]
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in coded:
        code = code * len(column.dictionary) + column.indices.to_numpy()
    used, which = np.unique(code, return_inverse=True)
    parts = []
    for place, column in reversed(list(enumerate(coded))):
        used, own = np.divmod(used, max(len(column.dictionary), 1))
        texts = column.dictionary.take(pa.array(own))
        typed = not pa.types.is_string(_value_type(columns[place]))
        cut = place == 0 and (readable or typed) and not _are_offsets(coded[-1].dictionary)
        parts.append(pc.replace_substring_regex(texts, _MIDNIGHT, "") if cut else texts)
    blank = pc.equal(parts[0], "")
    for part in parts[1:]:
        blank = pc.or_(blank, pc.equal(part, ""))
    joined = pc.if_else(blank, "", pc.binary_join_element_wise(*reversed(parts), " "))
    return pa.DictionaryArray.from_arrays(pa.array(which.astype(np.int32)), with_plain_digits(joined))


def clock_digits(joined: pa.DictionaryArray) -> frozenset[int]:
    """How many digits the times of day have that are digits alone; 0 among them if one shows no hour or minute.

    15 beside 1015 may be an hour or 00:15, and 1015 beside 975 is a minute of the day: such are not read unasked.
    """
    clocks = pc.struct_field(pc.extract_regex(joined.dictionary, r" (?P<digits>\d+)(?:\.0+)?$"), "digits").drop_null()
    clocks = pc.unique(clocks).to_pylist()
    wrong = any(int(text[-2:]) > 59 if len(text) > 2 else int(text) > _LATEST_HOUR for text in clocks)
    return frozenset(len(text) if len(text) > 2 else 2 for text in clocks) | ({0} if wrong else set())


def are_plain(digits: Collection[int]) -> bool:
    """Whether times of day of so many digits can be read in one way: as hours, as HHMM or as HHMMSS."""
    return not digits or set(digits) in ({2}, {4}, {6})


def _are_offsets(texts: pa.Array) -> bool:
    """Whether distinct texts are offsets from UTC, so that the time before them has its hour."""
    given = texts.filter(pc.not_equal(texts, ""))
    return len(given) > 0 and bool(pc.all(pc.match_substring_regex(given, _OFFSET)).as_py())


def are_dates(column: pa.Array) -> bool:
    """Whether a column has dates and no hour at all: bare dates, or midnight on every one of several days."""
    values = distinct_dates(column)
    return values is not None and len(values) > 0 and (are_bare(values) or len(values) > 1)


def distinct_dates(column: pa.Array) -> pa.Array | None:
    """Distinct values that are given, where all of them are dates or midnight of one; None where there is an hour."""
    some = _distinct(column, _SAMPLE)
    if len(some) and not _are_midnights(some):  # an hour among the first values decides, as it nearly always does
        return None
    values = _distinct(column)
    return values if not len(values) or _are_midnights(values) else None


def are_bare(dates: pa.Array) -> bool:
    """Whether dates have no hour at all, not even midnight."""
    if pa.types.is_string(dates.type):
        return bool(pc.all(pc.match_substring_regex(dates, _DATE)).as_py())
    return bool(pa.types.is_date(dates.type))


def _are_midnights(values: pa.Array) -> bool:
    """Whether all values are dates, or midnight of one."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        times = values.cast(pa.timestamp("us"), safe=False)
        return bool(pc.all(pc.equal(times.cast(pa.date32(), safe=False).cast(pa.timestamp("us")), times)).as_py())
    if not pa.types.is_string(kind):
        return bool(pa.types.is_date(kind))
    dates = pc.match_substring_regex(pc.replace_substring_regex(values, _MIDNIGHT, ""), _DATE)
    return bool(pc.all(dates).as_py())


def may_be_hours(name: str, column: pa.Array) -> bool:
    """Whether a column looks like times of day, or is named after hours and has whole ones: by its first values."""
    values = _distinct(column, _SAMPLE)
    if pa.types.is_time(values.type):
        return len(values) > 0
    text = as_text(values)
    if text is None or not len(text):
        return False
    form = _CLOCK_OR_HOUR if re.search(_HOUR_NAMES, name, re.IGNORECASE) else _CLOCK
    return bool(pc.all(pc.match_substring_regex(text, form)).as_py())


def first_text(column: pa.Array) -> str:
    """First value that is given, as text, cut to a line."""
    values = _distinct(column)
    text = as_text(values[:1])
    return "" if text is None or not len(text) else str(text[0].as_py())[:60]


def _value_type(column: pa.Array) -> pa.DataType:
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _distinct(column: pa.Array, most: int | None = None) -> pa.Array:
    """Distinct values that are given, of the first `most` alone where that is set; text trimmed, without blanks."""
    values = column.dictionary[:most] if pa.types.is_dictionary(column.type) else pc.unique(column[:most])
    values = values.drop_null()
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    if not pa.types.is_string(values.type):
        return values
    values = pc.utf8_trim_whitespace(values)
    return values.filter(pc.not_equal(values, ""))


def _cut_texts(column: pa.Array) -> pa.DictionaryArray:
    """A column as distinct texts, trimmed and cut, since each is repeated; blank for null and what has no text form."""
    texts, which = distinct_texts(column)
    return pa.DictionaryArray.from_arrays(pa.array(which), cut_texts(texts))
