"""Digits and marks of other scripts, as numbers and times have them: Arabic, Persian, Devanagari, full width."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_MARKS = {
    "\N{ARABIC DECIMAL SEPARATOR}": ".",
    "\N{ARABIC THOUSANDS SEPARATOR}": ",",
    "\N{FULLWIDTH FULL STOP}": ".",
    "\N{FULLWIDTH COMMA}": ",",
    "\N{FULLWIDTH COLON}": ":",
    "\N{FULLWIDTH SOLIDUS}": "/",
    "\N{FULLWIDTH HYPHEN-MINUS}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{IDEOGRAPHIC SPACE}": " ",
}
_DIRECTIONS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e"
"""Invisible marks of the writing direction, which spreadsheets put around numbers."""
_OF_TIMES = frozenset("\u5e74\u6708\u65e5\u6642\u65f6\u5206\u79d2\u70b9\u9ede\uc2dc\ubd84")


def plain_digits(text: str) -> str:
    """A number or a time with the digits 0 to 9 and plain marks; superscripts and fractions stay as they are."""
    return text if text.isascii() else text.translate(_table(text))


def plain_numeral(text: str) -> str:
    """As `plain_digits` for what has no letters but those of times; a name is as it is."""
    named = any(sign.isalpha() and sign not in _OF_TIMES for sign in text)
    return text if text.isascii() or named else plain_digits(text)


def _table(signs: Iterable[str]) -> dict[int, str]:
    """What each sign is replaced by."""
    digits = {ord(sign): str(unicodedata.decimal(sign)) for sign in signs if sign.isdecimal()}
    return {
        **digits,
        **{ord(mark): plain for mark, plain in _MARKS.items()},
        **dict.fromkeys(map(ord, _DIRECTIONS), ""),
    }
