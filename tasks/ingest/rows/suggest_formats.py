"""Formats of times that fit the values of a column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

import pyarrow as pa

from tasks.ingest.rows.format_times import parse_times
from tasks.time_formats import CLOCK_FIRST, CLOCKS, PERIODS, dates_like, format_regex

_BETWEEN = (" ", "T", ", ", "-", "_", ":", "")
_ZONES = ("", "%z", " %z", " %Z")
_TOUCHING = ("%H%M", "%H%M%S")
_CLOCK = r"(\d{1,2})(?:[:h.]?(\d{2}))?(?::\d{2})?h?(?: ?([ap])\.? ?m\.?)?"
_BETWEEN_CLOCKS = "-|\N{EN DASH}|to|a|\N{LATIN SMALL LETTER A WITH GRAVE}|bis"
_PERIOD = re.compile(rf"(?<![\d:]){_CLOCK} ?(?:{_BETWEEN_CLOCKS}) ?{_CLOCK}$")


def fitting_formats(values: Sequence[str], formats: Sequence[str]) -> list[str]:
    """Those of some formats that read every value."""
    distinct = sorted({value.strip().lower() for value in values} - {""})
    if not distinct:
        return []
    texts = pa.array(distinct, pa.string())
    likely = [text for text in formats if _pattern(text).match(distinct[0]) is not None]
    return [text for text in likely if bool(parse_times(texts, [text]).found.all())]


def suggest_formats(values: Sequence[str]) -> list[str]:
    """Formats of date and time that read every value; several where it stays open which number is the day.

    Periods are read by their start.

    Args:
        values: samples of one column; blank ones are passed over.
    """
    texts = sorted({value.strip() for value in values} - {""})
    if not texts:
        return []
    clocks = PERIODS if are_periods(texts) else CLOCKS
    return fitting_formats(texts, [*_whole_formats(texts[0].lower(), clocks)]) or fitting_formats(texts, CLOCK_FIRST)


def are_periods(texts: Sequence[str]) -> bool:
    """Whether texts end with periods, such as 07:00-07:15: two times of day, always the same minutes apart.

    One alone, or several that begin at the same time of day, may as well be times with an offset from UTC.
    """
    starts, lengths = set[int](), set[int]()
    for text in texts:
        found = _PERIOD.search(text.lower())
        if not found:
            return False
        start, end = (_minute_of_day(*found.group(*groups)) for groups in ((1, 2, 3), (4, 5, 6)))
        starts.add(start)
        lengths.add((end - start) % (24 * 60))
    return len(starts) > 1 and len(lengths) == 1 and 1 <= lengths.pop() <= 60


def _minute_of_day(hour: str, minute: str | None, half: str | None) -> int:
    twelve = int(hour) % 12 + (12 if half == "p" else 0) if half else int(hour)
    return twelve * 60 + int(minute or 0)


def _whole_formats(sample: str, clocks: Sequence[str]) -> Iterator[str]:
    """Formats of date and time by the shape of one value: a date first, so that few of the many are compiled."""
    for date in dates_like(sample):
        if not (start := _pattern(date, whole=False).match(sample)):
            continue
        rest = sample[start.end() :]
        for clock, between, zone in product(clocks, _BETWEEN, _ZONES if clocks == CLOCKS else ("",)):
            if (between or clock in _TOUCHING) and _pattern(between + clock + zone).match(rest):
                yield date + between + clock + zone


@lru_cache(maxsize=4096)
def _pattern(text: str, whole: bool = True) -> re.Pattern[str]:
    """What a format reads, or what begins as it; there are more of them than `re` keeps compiled."""
    pattern = format_regex(text)
    return re.compile(pattern if whole else pattern.rstrip("$"))


def read_both_ways(formats: Sequence[str]) -> bool:
    """Whether the formats differ in which number is the day, which the month and which the year of two digits."""
    plain = {re.sub("%[dmy]", "%d", text) for text in formats}
    return len(plain) < len(set(formats))
