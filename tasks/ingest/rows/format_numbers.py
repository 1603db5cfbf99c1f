"""Numbers as people write them: thousands in groups, decimal commas, words that stand for no count."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.digits import plain_digits

_MARKS = {",": ",", ".": r"\.", " ": r"[\p{Zs}\t]", "'": r"['\x{2019}]"}
"""Regular expression of each mark: a blank stands for every blank, an apostrophe for a typeset one, too."""
_LAKHS = r"|\d?(,\d{2})+,\d{3}"
"""Groups of two digits above the first one of three, as India writes them: 2,09,878."""


def plain_numbers(text: pa.Array, thousands: Collection[str], decimal: Collection[str]) -> pa.Array:
    """Numbers with a point for the decimal mark and nothing between the digits; null where a mark stands wrong.

    A mark of thousands parts groups of three digits: 12,0 is not 120. Where one mark is given for both,
    1,653 can only be thousands and 12,5 only a fraction; 1,000 may be either, and is null.

    Args:
        text: trimmed, lower case.
        thousands: marks between groups, of `,`, `.`, blank and `'`.
        decimal: marks before the fraction, of `,` and `.`; without one it is the point, unless that parts thousands.
    """
    decimal = decimal or {"."} - {*thousands}
    plain = text
    for mark in thousands:
        other = "".join(re.escape(each) for each in decimal if each != mark)
        fraction = rf"([{other}]\d*)?" if other else ""
        groups = rf"\d{{0,2}}({_MARKS[mark]}\d{{3}})+" + (_LAKHS if mark == "," else "")
        grouped = pc.match_substring_regex(text, rf"^[+-]?[1-9]({groups}){fraction}$")
        plain = pc.if_else(grouped, pc.replace_substring_regex(text, _MARKS[mark], ""), plain)
        if mark in decimal:
            plain = pc.if_else(pc.match_substring_regex(text, rf"^[+-]?[1-9]\d{{0,2}}{_MARKS[mark]}000$"), None, plain)
    if "." not in decimal:
        plain = pc.if_else(pc.match_substring(plain, "."), None, plain)
    return pc.replace_substring(plain, ",", ".") if "," in decimal else plain


def with_plain_digits(texts: pa.Array) -> pa.Array:
    """Texts of numbers or times with the digits 0 to 9, see `plain_digits`; distinct values of a column."""
    if pc.all(pc.string_is_ascii(texts)).as_py() is not False:
        return texts
    return pa.array([None if text is None else plain_digits(text) for text in texts.to_pylist()], texts.type)


def is_missing(text: pa.Array, words: Collection[str]) -> npt.NDArray[np.bool_]:
    """Which texts (trimmed, lower case) are one of some words, in any case."""
    known = pc.utf8_lower(pc.utf8_trim_whitespace(pa.array([*words], pa.string())))
    return np.asarray(pc.is_in(text, known).to_numpy(zero_copy_only=False), dtype=bool)


def may_be_thousands(text: pa.Array) -> npt.NDArray[np.bool_]:
    """Which texts may be thousands though they read as whole numbers: 1.000, where others have neither mark nor zeros.

    Args:
        text: distinct values of a column, trimmed, of a source that names no marks.
    """
    zeros = np.asarray(pc.match_substring_regex(text, r"^[+-]?[1-9]\d{0,2}\.000$").to_numpy(zero_copy_only=False))
    plain = np.asarray(pc.match_substring_regex(text, r"^[+-]?[1-9]\d*$").to_numpy(zero_copy_only=False))
    return np.asarray(zeros & plain.any(), dtype=bool)
