"""Counts and names as files give them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.ingest.rows.rejections import Rejections

LARGEST = 2**31 - 1
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$"
_BLANK = ("", "nan", "null")
BLANK, UNSAFE, NOWHERE = -1, -2, -3
"""Codes of a name that was not given, of one that is refused, and of one that no row has."""
LONGEST_NAME = 200
_NO_NAME = "\x00"
_SIGNED = r"^[+-]\d{1,18}([.,]\d{1,18})?$"
_UNSAFE = (
    r"[\p{Cc}\p{Zl}\p{Zp}\x{AD}\x{61C}\x{180E}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}"
    r"\x{FFF9}-\x{FFFB}\x{E0000}-\x{E007F}]"
    r"|^[=@+\-\x{FF1D}\x{FF20}\x{FF0B}\x{FF0D}]|^\.+$"
)


def read_counts(
    column: pa.Array, maximum: int, rejections: Rejections
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Whole numbers of a column, and which rows have one; refuses what is none, negative or above `maximum`.

    A blank (also null and NaN) is no count, and no fault.
    """
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    numbers, blank = _numbers(pa.concat_arrays([coded.dictionary, pa.nulls(1, coded.dictionary.type)]))
    which = places(coded)
    given = ~blank
    with np.errstate(invalid="ignore"):
        faults = (
            ("not_a_number", given & np.isnan(numbers)),
            ("negative", given & (numbers < 0)),
            ("absurd", given & (numbers > min(maximum, LARGEST))),
            ("not_whole", given & (numbers != np.floor(numbers))),
        )
    sound = given.copy()
    for reason, wrong in faults:
        sound &= ~wrong
        if wrong.any():
            rejections.reject(wrong[which], reason)
    whole = np.where(sound, numbers, 0).astype(np.int32)
    return whole[which], np.ones(len(which), dtype=bool) if sound[:-1].all() and not coded.null_count else sound[which]


def read_numbers(column: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Numbers of a column, NaN where it has none, and which rows are blank; true is 1 and false 0."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = coded.dictionary
    if pa.types.is_string(values.type):
        for word, digit in (("true", "1"), ("false", "0")):
            values = pc.replace_substring_regex(values, rf"(?i)^\s*{word}\s*$", digit)
    numbers, blank = _numbers(pa.concat_arrays([values, pa.nulls(1, values.type)]))
    which = places(coded)
    return numbers[which], blank[which]


def places(coded: pa.DictionaryArray) -> Int:
    """Which of its distinct values each row has; the place after the last one where it is null."""
    indices = coded.indices if not coded.null_count else pc.fill_null(coded.indices, len(coded.dictionary))
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _numbers(values: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Values as float64, NaN where they are no numbers; and which are blank."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = np.array(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        return numbers, np.isnan(numbers)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        nothing = np.asarray(values.is_null().to_numpy(zero_copy_only=False), dtype=bool)
        return np.full(len(values), np.nan), nothing
    text = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(values.cast(pa.string()), "")))
    blank = np.asarray(pc.is_in(text, pa.array(_BLANK)).to_numpy(zero_copy_only=False), dtype=bool)
    endless = pc.match_substring_regex(text, r"^[+-]?inf(inity)?$")
    formed = pc.or_(pc.match_substring_regex(text, _NUMBER), endless)
    digits = pc.if_else(formed, pc.utf8_ltrim(text, "+"), None)
    return np.array(digits.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64), blank


def read_names(column: pa.Array) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Trimmed names of a column as codes into a list without duplicates; `BLANK` or `UNSAFE` where there is none.

    A name is unsafe if it is longer than `LONGEST_NAME` characters, has control or invisible formatting characters
    (line breaks, overrides of the writing direction, zero-width spaces; joiners between letters are writing), is made
    of dots alone, or begins as a formula of a spreadsheet does: with = or @, or with + or - and is no number.
    """
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = coded.dictionary
    if pa.types.is_floating(values.type):  # whole numbers that met a null on their way
        whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**63))
        values = pc.if_else(whole, values.cast(pa.int64(), safe=False), None)
    trimmed = pc.fill_null(pc.utf8_trim_whitespace(values.cast(pa.string())), "")
    unsafe = pc.or_(pc.match_substring_regex(trimmed, _UNSAFE), pc.greater(pc.utf8_length(trimmed), LONGEST_NAME))
    unsafe = pc.and_not(unsafe, pc.match_substring_regex(trimmed, _SIGNED))
    text = pc.if_else(unsafe, _NO_NAME, trimmed).to_pylist()
    names = sorted({*text} - {"", _NO_NAME})
    place = {name: code for code, name in enumerate(names)} | {"": BLANK, _NO_NAME: UNSAFE}
    codes = np.array([*(place[name] for name in text), BLANK], dtype=np.int32)
    return codes[places(coded)], names


def code_of(names: Sequence[str], name: str | None) -> int:
    """Code of a name among those of a column, `NOWHERE` where it is not there."""
    return names.index(name) if name is not None and name in names else NOWHERE
