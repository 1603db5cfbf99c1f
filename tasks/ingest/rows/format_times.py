"""Times by strptime formats: parse a column, and suggest the formats that fit one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.time_formats import CLOCKS, DATES, EPOCHS, format_regex

Times = npt.NDArray[np.datetime64]

LAST_HOUR = 47
"""Hours run on past 24 where a service day ends after midnight."""
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_BETWEEN = (" ", "T", ", ", "-", "_", "")
_ZONES = ("", "%z", " %z", " %Z")
_TOUCHING = ("%H%M", "%H%M%S")


@dataclass(frozen=True)
class ParsedTimes:
    """Times of a column, arrays [row] of datetime64[s], NaT where there is none.

    Attributes:
        wall: times without an offset, as the wall clock showed them.
        utc: times with an offset, in UTC.
    """

    wall: Times
    utc: Times

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Rows with a time."""
        return ~(np.isnat(self.wall) & np.isnat(self.utc))


def parse_times(values: pa.Array, formats: Sequence[str]) -> ParsedTimes:
    """Times of a column by the first format that fits each value.

    Args:
        values: text, or numbers for formats of `EPOCHS`.
        formats: strptime formats or names of `EPOCHS`, in this order.
    """
    wall, utc = _nothing(len(values)), _nothing(len(values))
    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if not is_number:
        values = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(values.cast(pa.string()), "")))
    for text in formats:
        if is_number and text not in EPOCHS:
            if not pa.types.is_integer(values.type):
                continue
            read = _parse_format(values.cast(pa.string()), text)
        else:
            read = _parse_epoch(values, EPOCHS[text]) if text in EPOCHS else _parse_format(values, text)
        missing = np.isnat(wall) & np.isnat(utc)
        wall, utc = np.where(missing, read.wall, wall), np.where(missing, read.utc, utc)
    return ParsedTimes(wall, utc)


def _nothing(rows: int) -> Times:
    return np.full(rows, np.datetime64("NaT"), dtype="datetime64[s]")


def _parse_epoch(values: pa.Array, per_second: int) -> ParsedTimes:
    if not pa.types.is_integer(values.type) and not pa.types.is_floating(values.type):
        values = pc.if_else(pc.match_substring_regex(values, r"^-?\d{1,18}(\.\d{0,9})?$"), values, None)
    numbers = np.array(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    seconds = np.floor(numbers / per_second)
    known = np.abs(seconds) < 1e11  # NaN is not
    utc = np.where(known, np.where(known, seconds, 0).astype("datetime64[s]"), np.datetime64("NaT", "s"))
    return ParsedTimes(_nothing(len(values)), utc)


def _parse_format(values: pa.Array, text: str) -> ParsedTimes:
    pattern = format_regex(text)
    names = re.findall(r"\?P<(\w+)>", pattern)
    found = pc.extract_regex(values, pattern)
    matched = np.asarray(found.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    rows = np.flatnonzero(matched)
    fields = {name: pc.struct_field(found, [i]).take(pa.array(rows)) for i, name in enumerate(names)}
    seconds, valid = _seconds(fields, len(rows))
    wall, utc = _nothing(len(values)), _nothing(len(values))
    moments = np.where(valid, seconds.astype("datetime64[s]"), np.datetime64("NaT", "s"))
    if "offset" in fields:
        utc[rows] = moments - _offset(fields["offset"])
    elif "zone" in fields:
        utc[rows] = moments
    else:
        wall[rows] = moments
    return ParsedTimes(wall, utc)


def _seconds(fields: dict[str, pa.Array], rows: int) -> tuple[Int, npt.NDArray[np.bool_]]:
    """Seconds since 1970 of the wall clock, and which of them the calendar has."""
    days, valid = _days(fields, rows)
    hour, minute, second = (_whole(fields.get(name), rows) for name in ("hour", "minute", "second"))
    if "hour12" in fields:
        twelve = _whole(fields["hour12"], rows)
        afternoon = np.asarray(pc.equal(fields["half"], "p").to_numpy(zero_copy_only=False), dtype=bool)
        valid &= (twelve >= 1) & (twelve <= 12)
        hour = twelve % 12 + 12 * afternoon
    valid &= (hour <= LAST_HOUR) & (minute < 60) & (second <= 60)  # 60: a leap second, counted with the one before
    return ((days * 24 + hour) * 60 + minute) * 60 + np.minimum(second, 59), valid


def _days(fields: dict[str, pa.Array], rows: int) -> tuple[Int, npt.NDArray[np.bool_]]:
    if "year2" in fields:
        year = _whole(fields["year2"], rows)
        year = year + np.where(year < 69, 2000, 1900)  # as POSIX reads %y
    else:
        year = _whole(fields.get("year"), rows, 1970)
    if "yearday" in fields:
        start = (year - 1970).astype("datetime64[Y]")
        day = _whole(fields["yearday"], rows)
        end = start + 1
    else:
        month = _month(fields["name"]) if "name" in fields else _whole(fields.get("month"), rows, 1)
        start = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
        day = _whole(fields.get("day"), rows, 1)
        day = np.where((month < 1) | (month > 12), 0, day)
        end = start + 1
    first = start.astype("datetime64[D]")
    length = (end.astype("datetime64[D]") - first).astype(np.int64)
    return (first.astype(np.int64) + day - 1), (day >= 1) & (day <= length)


def _month(names: pa.Array) -> Int:
    """Number of English month names, 0 for others; abbreviated to three letters or written out."""
    known = {name: number for number, name in enumerate(_MONTHS, 1)}
    known |= {name[:3]: number for name, number in known.items()} | {"sept": 9}
    return np.array([known.get(name, 0) for name in names.to_pylist()], dtype=np.int64)


def _offset(texts: pa.Array) -> npt.NDArray[np.timedelta64]:
    plain = pc.replace_substring(pc.if_else(pc.equal(texts, "z"), "+0000", texts), ":", "")
    plain = pc.if_else(pc.equal(pc.utf8_length(plain), 3), pc.binary_join_element_wise(plain, "00", ""), plain)
    number = pc.utf8_ltrim(plain, "+").cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds = np.sign(number) * (np.abs(number) // 100 * 3600 + np.abs(number) % 100 * 60)
    return np.asarray(seconds.astype("timedelta64[s]"))


def _whole(digits: pa.Array | None, rows: int, default: int = 0) -> Int:
    if digits is None:
        return np.full(rows, default, dtype=np.int64)
    return np.asarray(digits.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def fitting_formats(values: Sequence[str], formats: Sequence[str]) -> list[str]:
    """Those of some formats that read every value."""
    distinct = sorted({value.strip().lower() for value in values} - {""})
    if not distinct:
        return []
    texts = pa.array(distinct, pa.string())
    likely = [text for text in formats if re.match(format_regex(text), distinct[0]) is not None]
    return [text for text in likely if bool(_parse_format(texts, text).found.all())]


def suggest_formats(values: Sequence[str]) -> list[str]:
    """Formats of date and time that read every value; several where it stays open which number is the day.

    Args:
        values: samples of one column; blank ones are passed over.
    """
    texts = sorted({value.strip() for value in values} - {""})
    return fitting_formats(texts, list(_whole_formats(texts[0].lower()))) if texts else []


def _whole_formats(sample: str) -> Iterator[str]:
    """Formats of date and time by the shape of one value: a date first, so that few of the many are compiled."""
    for date in DATES:
        if not (start := re.match(format_regex(date).rstrip("$"), sample)):
            continue
        rest = sample[start.end() :]
        for clock, between, zone in product(CLOCKS, _BETWEEN, _ZONES):
            if (between or clock in _TOUCHING) and re.match(format_regex(between + clock + zone), rest):
                yield date + between + clock + zone


def read_both_ways(formats: Sequence[str]) -> bool:
    """Whether the formats differ in which number is the day and which the month."""
    plain = {re.sub("%[dm]", "%d", text) for text in formats}
    return len(plain) < len(set(formats))
