"""Formats of times as strptime writes them: what they mean, and whether one says a date and an hour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import product

from tasks.errors import ConfigError
from tasks.weekday_names import WEEKDAY_NUMBERS

EPOCHS = {
    "epoch": 60,
    "epoch_min": 1,
    "epoch_ms": 60_000,
    "epoch_us": 60_000_000,
    "epoch_ns": 60_000_000_000,
    "filetime": 600_000_000,
}
"""Names of formats for numbers since 1970, or 1601 for those of Windows, in UTC, and how many of them make a minute."""
TICKS = "ticks"
"""Name of the format of the ticks of .NET: tenths of microseconds since the year 1, on the wall clock."""
FIRST_SECONDS = {"filetime": -11_644_473_600, TICKS: -62_135_596_800}
"""Seconds since 1970 at which numbers begin that do not begin then."""
SERIAL = "excel"
"""Name of the format of a spreadsheet's numbers: days since 30 December 1899, on the wall clock."""
MINUTE_OF_DAY, SECOND_OF_DAY = "minute_of_day", "second_of_day"
"""Words that stand in a format for a time of day as one number: 555 or 33300 for 09:15."""
HOUR_OF_DAY, DAY_FRACTION = "decimal_hour", "day_fraction"
"""Words that stand in a format for a time of day with a fraction: 9.25 or 0.3854167 for 09:15."""
SLOT = re.compile(r"slot_(\d{1,4})min_from_([01])")
"""Word that stands in a format for the number of a slot of the day, or of the hour if the format has one: its minutes,
and whether the first one is 0 or 1. 38 is 09:15 as slot_15min_from_1."""
ERAS = {"buddhist": -543, "roc": 1911, "reiwa": 2018, "heisei": 1988}
"""Eras whose years stand in a format as buddhist_year, and the years between theirs and ours."""
NUMBERS = (*EPOCHS, TICKS, SERIAL)
"""Names of formats that are for numbers."""
SERIAL_DAY = "excel_day"
"""Word that stands in a format for a date as a spreadsheet's number of days, beside a time of day."""
WEEKDAY, WEEKDAY_BEFORE = "weekday", "weekday_before"
"""Words that stand in a format for the name of a day of the week, behind the date of its first day, or its last one."""
ISO = "iso"
"""Name of the format of ISO 8601, which is read where none is configured."""
_COMPOUND = {
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
    "%F": "%Y-%m-%d",
    "%D": "%m/%d/%y",
    "%c": "%a %b %d %H:%M:%S %Y",
    "%x": "%m/%d/%y",
    "%X": "%H:%M:%S",
    MINUTE_OF_DAY: "%1",
    SECOND_OF_DAY: "%2",
    HOUR_OF_DAY: "%9",
    DAY_FRACTION: "%0",
    SERIAL_DAY: "%~",
    WEEKDAY_BEFORE: "%<",
    WEEKDAY: "%>",
    "buddhist_year": "%5",
    "roc_year": "%6",
    "reiwa_year": "%7",
    "heisei_year": "%8",
}
_MORNING = (
    "\u4e0a\u5348",
    "\u5348\u524d",
    "\uc624\uc804",
    "\u03c0.\u03bc.",
    "\u03c0\u03bc",
    "\u0635",
    "\xf6\xf6",
    "de.",
    "fm",
)
AFTERNOON = (
    "\u4e0b\u5348",
    "\u5348\u5f8c",
    "\uc624\ud6c4",
    "\u03bc.\u03bc.",
    "\u03bc\u03bc",
    "\u0645",
    "\xf6s",
    "du.",
    "em",
)
"""Words for PM, lower case: Chinese, Japanese, Korean, Greek twice, Arabic, Turkish, Hungarian, Swedish."""
_WEEKDAY_NAMES = "|".join(re.escape(name) for name in sorted(WEEKDAY_NUMBERS, key=len, reverse=True))
_DIGITS = {"m": "month", "d": "day", "H": "hour", "I": "hour12", "M": "minute", "S": "second"}
_LETTER = "[a-z\u00e0-\u00ff]"
_TEXTS = {
    "Y": r"(?P<year>\d{4})",
    "y": r"(?P<year2>\d{2})",
    "j": r"(?P<yearday>\d{1,3})",
    "f": r"(?P<fraction>\d{1,9})",
    "b": rf"(?P<name>{_LETTER}{{3,10}})\.?",
    "B": rf"(?P<name>{_LETTER}{{3,10}})\.?",
    "p": rf"(?P<half>[ap](?:\.? ?m)?\.?|{'|'.join(map(re.escape, (*_MORNING, *AFTERNOON)))})",
    "z": r"(?P<offset>z|[+-]\d{2}:?\d{2}|[+-]\d{2})",
    "Z": r"(?P<zone>utc|gmt|z)",
    "a": rf"{_LETTER}{{2,10}}\.?",
    "A": rf"{_LETTER}{{2,10}}\.?",
    "w": r"\d",
    "u": r"(?P<isoday>[1-7])",
    "G": r"(?P<isoyear>\d{4})",
    "V": r"(?P<isoweek>\d{2})",
    "%": "%",
    "1": r"(?P<dayminute>\d{1,4})(?:\.0+)?",
    "2": r"(?P<daysecond>\d{1,6})(?:\.0+)?",
    "9": r"(?P<dayhour>\d{1,2}(?:[.,]\d{1,17})?)",
    "0": r"(?P<dayfraction>[01](?:[.,]\d{1,17})?|[.,]\d{1,17})",
    "3": r"(?P<hour>\d{0,2}?)(?P<minute>\d{1,2})(?:\.0+)?",
    "4": r"(?P<hour>\d{0,2}?)(?P<minute>\d{0,2}?)(?P<second>\d{1,2})(?:\.0+)?",
    "5": r"(?P<buddhist>2[45]\d{2})",
    "6": r"(?P<roc>\d{2,3})",
    "7": "(?P<reiwa>[0-9]{1,2}|\u5143)",
    "8": "(?P<heisei>[0-9]{1,2}|\u5143)",
    "~": r"(?P<serialday>\d{5})(?:\.0+)?",
    ">": rf"(?P<weekday>{_WEEKDAY_NAMES})\.?",
    "<": rf"(?P<weekdaybefore>{_WEEKDAY_NAMES})\.?",
}
_PIECES = re.compile(rf"%.|\s+|{SLOT.pattern}|(?:(?!{SLOT.pattern})[^%\s])+|%$")
_SHORT_CLOCKS = {"%H%M%S": "%4", "%H%M": "%3"}
"""Clocks of digits alone, and the directives by which they are read where a tool cut the zeros in front."""
_NUMERIC = {*_DIGITS, "Y", "y", "j", "f", "w", "u", "G", "V", "5", "6", "7", "8"}
_HOUR = re.compile("%[HI]")
_WEEKS = frozenset("UW")
_REST = "*"
"""At the end of a format: what follows is passed over, such as the end of a period (07:00 - 07:15)."""
_DASHES = (" - ", "-", " \N{EN DASH} ", "\N{EN DASH}", " to ", " a ")

DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y %m %d"),
    *(f"{a}{sep}{b}{sep}{year}" for sep, year in product("/.-", ("%Y", "%y")) for a, b in (("%d", "%m"), ("%m", "%d"))),
    *("%y-%m-%d", "%y/%m/%d", "%y.%m.%d"),
    *("%d%b%Y", "%d%b%y"),
    *("%Y. %m. %d.", "%Y.%m.%d."),
    *("%Y\u5e74%m\u6708%d\u65e5", "%Y\ub144 %m\uc6d4 %d\uc77c"),
    *("%G-W%V-%u", "%GW%V%u"),
    *("%d %b %Y", "%d. %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y", "%a %d %b %Y", "%A, %d %B %Y"),
)
"""Formats of a date that are suggested."""
CLOCKS = (
    *("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p", "%I %p", "%I%p"),
    *("%p %I:%M:%S", "%p %I:%M", "%p%I:%M:%S", "%p%I:%M", "%H.%M", "%Hh%M", "%Hh", "%H%M", "%H%M%S", "%H"),
    *("%H.%M.%S", "%H.%M.%S.%f", "%I.%M.%S %p", "%I.%M.%S.%f %p", "%H:%M Uhr", "%H:%M:%S Uhr", "%H.%M Uhr"),
    *("%H\u6642%M\u5206", "%H\u65f6%M\u5206", "%H\uc2dc %M\ubd84", "%H\u6642", "%H\u65f6", "%H\uc2dc"),
)
"""Formats of a time of day that are suggested."""
CLOCK_FIRST = (
    *("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Z %Y"),
    *(f"{clock} {date}" for clock, date in product(("%H:%M", "%H:%M:%S"), DATES)),
)
"""Formats of a date and a time of day, the latter not behind the former, that are suggested."""
PERIODS = tuple(
    f"{clock}{between}*"
    for clock, between in product(
        ("%H:%M:%S", "%H:%M", "%Hh%M", "%Hh", "%H%M", "%H", "%I:%M %p", "%I:%M%p", "%I %p", "%I%p"), _DASHES
    )
)
"""Formats of a period by its start that are suggested: 07:00 - 07:15."""


_BUDDHIST = re.compile(r"(?<!\d)2[45]\d\d(\d{4})?(?!\d)")
_OUR_YEAR = re.compile(r"(?<!\d)(19|20)\d\d")
_ROC = re.compile(r"1[0-2]\d([/.-]\d|\u5e74)")
_REIGN = re.compile(r"(r|\u4ee4\u548c|h|\u5e73\u6210) ?(\d|\u5143)", re.IGNORECASE)


def dates_like(sample: str) -> tuple[str, ...]:
    """Formats of a date that may read one value: of the era that its year can only be of, else of ours."""
    if _BUDDHIST.search(sample) and not _OUR_YEAR.search(sample):
        return tuple(text.replace("%Y", "buddhist_year") for text in DATES if "%Y" in text)
    if _ROC.match(sample):
        return tuple("roc_year" + rest for rest in ("/%m/%d", "-%m-%d", ".%m.%d", "\u5e74%m\u6708%d\u65e5"))
    if found := _REIGN.match(sample.upper()):
        era = "reiwa" if found[1].lower() in ("r", "\u4ee4\u548c") else "heisei"
        return tuple(f"{found[1]}{era}_year{rest}" for rest in ("/%m/%d", "-%m-%d", ".%m.%d", "\u5e74%m\u6708%d\u65e5"))
    return DATES


@lru_cache(maxsize=4096)
def format_regex(text: str) -> str:
    """The regular expression of a strptime format, over lower-case text; a * at its end stands for any text.

    Raises:
        ConfigError: if a directive is unknown, or stands twice.
    """
    for short, long in _COMPOUND.items():
        text = text.replace(short, long)
    rest = text.endswith(_REST)
    pieces = [found[0] for found in _PIECES.finditer(text.removesuffix(_REST))]
    pattern = []
    for place, piece in enumerate(pieces):
        if slot := SLOT.fullmatch(piece):
            pattern.append(_slot(text, int(slot[1]), slot[2]))
        elif not piece.startswith("%"):
            pattern.append(r"\s+" if piece.isspace() else re.escape(piece.lower()))
        else:
            fraction = piece == "%M" and pieces[place - 1 : place] == ["."]  # 7.3 is 7.30 without its zero, and no 7:03
            pattern.append(_directive(text, piece[1:], fraction or _has_digit_beside(pieces, place)))
    joined = "".join(pattern)
    if twice := {name for name in re.findall(r"\?P<(\w+)>", joined) if joined.count(f"?P<{name}>") > 1}:
        raise ConfigError(f"time format {text!r} gives the {min(twice)} twice: leave one out")
    return f"^{joined}.*$" if rest else f"^{joined}$"


def with_short_clocks(formats: Sequence[str]) -> tuple[str, ...]:
    """Formats whose %H%M reads 915 and 15, too, as whole numbers are written that say 09:15 and 00:15.

    That needs a blank around it, and no other of the formats that takes such numbers for hours (%H).
    """
    return tuple(_with_short_clock(text, formats) for text in formats)


def _with_short_clock(text: str, formats: Sequence[str]) -> str:
    for clock, short in _SHORT_CLOCKS.items():
        changed, times = re.subn(rf"(?<!\S){clock}(?!\S)", short, text)
        if times and not {text.replace(clock, "%H"), text.replace(clock, "%I")} & {*formats}:
            return changed
    return text


def _slot(text: str, minutes: int, first: str) -> str:
    if not minutes or (60 if _HOUR.search(text) else 1440) % minutes:
        raise ConfigError(f"time format {text!r}: {minutes} minutes do not divide the day, or the hour that it has")
    return rf"(?P<slot{minutes}_{first}>\d{{1,4}})(?:\.0+)?"


def _directive(text: str, letter: str, fixed: bool) -> str:
    if letter in _DIGITS:
        return rf"(?P<{_DIGITS[letter]}>\d{{2}})" if fixed else rf"(?P<{_DIGITS[letter]}>\d{{1,2}})"
    if letter in _TEXTS:
        return _TEXTS[letter]
    if letter in _WEEKS:
        raise ConfigError(f"time format {text!r}: weeks (%{letter}) are not read: write the date with %m and %d or %j")
    raise ConfigError(f"time format {text!r}: %{letter} is no directive of strptime: write %% for a per cent sign")


def _has_digit_beside(pieces: Sequence[str], place: int) -> bool:
    """Whether a number touches another one, so that its digits must be two."""
    beside = [pieces[i] for i in (place - 1, place + 1) if 0 <= i < len(pieces)]
    return any(piece.startswith("%") and piece[1:] in _NUMERIC for piece in beside)


def check_format(text: str) -> None:
    """Whether a format says a date and an hour.

    Raises:
        ConfigError: if it does not, or cannot be read.
    """
    if text in NUMBERS or text == ISO:
        return
    if own := re.search(r"%[\d~<>]", text.replace("%%", "")):
        raise ConfigError(f"time format {text!r}: {own[0]} is no directive of strptime")
    pattern = format_regex(text)
    years = ("year", "year2", *ERAS)
    dated = any(f"<{year}>" in pattern for year in years) and (
        "<yearday>" in pattern or (("<month>" in pattern or "<name>" in pattern) and "<day>" in pattern)
    )
    dated = (
        dated or "<serialday>" in pattern or all(f"<{name}>" in pattern for name in ("isoyear", "isoweek", "isoday"))
    )
    dated = dated or all(f"<{name}>" in pattern for name in ("isoyear", "isoweek", "weekday"))
    if not dated:
        raise ConfigError(
            f"time format {text!r} has no whole date: give year, month and day, as in %d/%m/%Y %H:%M "
            f"(numbers since 1970 are {', '.join(EPOCHS)}; days of a spreadsheet are {SERIAL}, ticks of .NET {TICKS})"
        )
    hours = ("hour", "hour12", "dayminute", "daysecond", "dayhour", "dayfraction")
    if not any(f"<{name}>" in pattern for name in hours) and "<slot" not in pattern:
        raise ConfigError(f"time format {text!r} has no hour, and would put everyone at midnight: add %H:%M")
    if ("<hour12>" in pattern) != ("<half>" in pattern):
        raise ConfigError(f"time format {text!r}: %I and %p need one another (05:00 PM), %H stands alone (17:00)")
