"""Times by strptime formats: parse a column, and suggest the formats that fit one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.time_formats import (
    AFTERNOON,
    EPOCHS,
    ERAS,
    FIRST_SECONDS,
    NUMBERS,
    SERIAL,
    TICKS,
    format_regex,
)
from tasks.weekday_names import WEEKDAY_NUMBERS

Times = npt.NDArray[np.datetime64]

LAST_HOUR = 47
"""Hours run on past 24 where a service day ends after midnight."""
_MONTHS = (
    "january jan januar januari janvier janv enero ene gennaio gen janeiro",
    "february feb februar februari f\u00e9vrier f\u00e9vr fevrier fevr febrero febbraio fevereiro fev",
    "march mar m\u00e4rz m\u00e4r marz mars marzo mar\u00e7o marco maart mrt",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag maio mei maj",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug ao\u00fbt aout agosto ago augustus augusti",
    "september sep sept septembre septiembre settembre set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "december dec dezember dez d\u00e9cembre d\u00e9c decembre diciembre dic dicembre dezembro",
)
"""Names of each month in English, German, French, Spanish, Italian, Portuguese, Dutch and Swedish; none means two."""
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_WIDE_BLANKS = "[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]"
_FIRST_YEAR = "\N{CJK UNIFIED IDEOGRAPH-5143}"
_SERIAL_OF_1970, _FIRST_WEEKDAY = 25_569, 3
"""Number of a spreadsheet, and of the weekday, of the first of January 1970."""
_NEAR_MINUTE = 15
"""Seconds by which a rounded part of an hour or a day may miss the minute that it means."""
_TICKS_PER_MINUTE = 600_000_000
_FARTHEST = 10**11
"""Seconds from 1970 beyond which there are no times."""
_LONG = r"^-?(\d{1,18}|[1-8]\d{18})$"
_COARSE = 5
"""Seconds by which four digits of a day may miss."""


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
        values: text, or numbers for formats of `NUMBERS`.
        formats: strptime formats or names of `NUMBERS`, in this order.
    """
    wall, utc = _nothing(len(values)), _nothing(len(values))
    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if not is_number:
        values = pc.replace_substring_regex(pc.fill_null(values.cast(pa.string()), ""), _WIDE_BLANKS, " ")
        values = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    for text in formats:
        if is_number and text not in NUMBERS:
            if not pa.types.is_integer(values.type):
                continue
            read = _parse_format(values.cast(pa.string()), text)
        elif text == SERIAL:
            read = _parse_serial(values)
        elif text == TICKS:
            read = ParsedTimes(_parse_epoch(values, text), _nothing(len(values)))
        elif text in EPOCHS:
            read = ParsedTimes(_nothing(len(values)), _parse_epoch(values, text))
        else:
            read = _parse_format(values, text)
        missing = np.isnat(wall) & np.isnat(utc)
        wall, utc = np.where(missing, read.wall, wall), np.where(missing, read.utc, utc)
    return ParsedTimes(wall, utc)


def _nothing(rows: int) -> Times:
    return np.full(rows, np.datetime64("NaT"), dtype="datetime64[s]")


def _parse_epoch(values: pa.Array, name: str) -> Times:
    """Seconds, floored, of numbers that count from a moment on; whole numbers are read without rounding."""
    per_minute = EPOCHS.get(name, _TICKS_PER_MINUTE)
    if pa.types.is_integer(values.type):
        whole, parts = values.cast(pa.int64(), safe=False), pa.nulls(len(values), pa.float64())
    elif pa.types.is_floating(values.type):
        whole, parts = pa.nulls(len(values), pa.int64()), values.cast(pa.float64())
    else:
        digits = pc.replace_substring_regex(values, r"\.0*$", "")
        whole = pc.if_else(pc.match_substring_regex(digits, _LONG), digits, None).cast(pa.int64())
        parts = pc.if_else(pc.match_substring_regex(digits, r"^-?\d{1,18}\.\d{1,9}$"), digits, None).cast(pa.float64())
    given = np.asarray(whole.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    exact = np.asarray(pc.fill_null(whole, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    given &= (per_minute >= 60) | (np.abs(exact) < _FARTHEST)
    exact = np.where(given, exact, 0) * 60 if per_minute < 60 else exact // (per_minute // 60)
    rounded = np.floor(np.asarray(parts.to_numpy(zero_copy_only=False), dtype=np.float64) * 60 / per_minute)
    near = np.abs(rounded) < _FARTHEST  # NaN is not
    seconds = np.where(given, exact, np.where(near, rounded, 0).astype(np.int64)) + FIRST_SECONDS.get(name, 0)
    known = (given | near) & (np.abs(seconds) < _FARTHEST)
    return np.where(known, np.where(known, seconds, 0).astype("datetime64[s]"), np.datetime64("NaT", "s"))


def _parse_serial(values: pa.Array) -> ParsedTimes:
    """Days of a spreadsheet; one with so few digits that its minute is not sure is none unless near a full minute."""
    coarse = np.zeros(len(values), dtype=bool)
    if not pa.types.is_integer(values.type) and not pa.types.is_floating(values.type):
        values = pc.if_else(pc.match_substring_regex(values, r"^\d{5,6}([.,]\d{1,17})?$"), values, None)
        values = pc.replace_substring(values, ",", ".")
        digits = pc.match_substring_regex(values, r"\.\d{5}")
        coarse = ~np.asarray(pc.fill_null(digits, False).to_numpy(zero_copy_only=False), dtype=bool)
    days = np.array(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    known = (days >= 1) & (days < 200_000)  # NaN is not
    seconds = np.rint(np.where(known, days, 0) * 86_400)
    minute = np.rint(seconds / 60) * 60
    known &= ~coarse | (np.abs(seconds - minute) <= _COARSE)
    seconds = np.where(coarse, minute, seconds)
    wall = np.datetime64("1899-12-30", "s") + seconds.astype(np.int64)
    return ParsedTimes(np.where(known, wall, np.datetime64("NaT", "s")), _nothing(len(values)))


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
        late = pc.or_(pc.starts_with(fields["half"], "p"), pc.is_in(fields["half"], pa.array(AFTERNOON)))
        afternoon = np.asarray(late.to_numpy(zero_copy_only=False), dtype=bool)
        valid &= (twelve >= 1) & (twelve <= 12)
        hour = twelve % 12 + 12 * afternoon
    if "dayminute" in fields or "daysecond" in fields:
        second = _whole(fields.get("daysecond"), rows) + 60 * _whole(fields.get("dayminute"), rows)
        hour, minute, second = second // 3600, second // 60 % 60, second % 60
    for name, length in (("dayhour", 3600), ("dayfraction", 86_400)):
        if name in fields:
            passed, sure = _whole_minutes(fields[name], length)
            hour, minute, valid = passed // 60, passed % 60, valid & sure
    for name in fields:
        if name.startswith("slot"):
            length, first = map(int, name.removeprefix("slot").split("_"))
            passed = (_whole(fields[name], rows) - first) * length
            valid &= (passed >= 0) & (passed < (60 if {"hour", "hour12"} & {*fields} else 24 * 60))
            hour, minute = hour + passed // 60, minute + passed % 60
    valid &= (hour <= LAST_HOUR) & (minute < 60) & (second <= 60)  # 60: a leap second, counted with the one before
    return ((days * 24 + hour) * 60 + minute) * 60 + np.minimum(second, 59), valid


def _whole_minutes(parts: pa.Array, length: int) -> tuple[Int, npt.NDArray[np.bool_]]:
    """Minutes of parts of so many seconds, and which are near a full one: 7.33 is 07:20, and 7.34 is none."""
    seconds = pc.replace_substring(parts, ",", ".").cast(pa.float64()).to_numpy(zero_copy_only=False) * length
    minutes = np.rint(seconds / 60)
    return minutes.astype(np.int64), np.abs(seconds - 60 * minutes) <= _NEAR_MINUTE


def _days(fields: dict[str, pa.Array], rows: int) -> tuple[Int, npt.NDArray[np.bool_]]:
    """Days since 1970, and which of them the calendar has."""
    if "isoweek" in fields:
        return _iso_days(fields, rows)
    days, valid = _calendar_days(fields, rows)
    for name in ("weekday", "weekdaybefore"):
        if name in fields:
            ahead = (_weekday(fields[name]) - (days + _FIRST_WEEKDAY)) % 7  # from the date on
            days = days + ahead - (7 * (ahead > 0) if name == "weekdaybefore" else 0)
    return days, valid


def _calendar_days(fields: dict[str, pa.Array], rows: int) -> tuple[Int, npt.NDArray[np.bool_]]:
    if "serialday" in fields:
        return _whole(fields["serialday"], rows) - _SERIAL_OF_1970, np.ones(rows, dtype=bool)
    if era := {*ERAS} & {*fields}:
        name = era.pop()
        year = _whole(pc.replace_substring(fields[name], _FIRST_YEAR, "1"), rows) + ERAS[name]
    elif "year2" in fields:
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


def _iso_days(fields: dict[str, pa.Array], rows: int) -> tuple[Int, npt.NDArray[np.bool_]]:
    """Days of weeks of ISO 8601, and which of them the calendar has: a year has 52 or 53 weeks."""
    year, week = (_whole(fields.get(name), rows) for name in ("isoyear", "isoweek"))
    weekday = _weekday(fields["weekday"]) + 1 if "weekday" in fields else _whole(fields.get("isoday"), rows)
    fourth = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64) + 3  # is in the first week
    monday = fourth - (fourth + 3) % 7 + 7 * (week - 1)  # 1970 began on a Thursday
    own = (monday + 3).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return monday + weekday - 1, (week >= 1) & (own == year)


def _weekday(names: pa.Array) -> Int:
    """Number of the names of weekdays; Monday is 0."""
    return np.array([WEEKDAY_NUMBERS[name] for name in names.to_pylist()], dtype=np.int64)


def _month(names: pa.Array) -> Int:
    """Number of months' names, 0 for what is none."""
    return np.array([_MONTH.get(name, 0) for name in names.to_pylist()], dtype=np.int64)


def _offset(texts: pa.Array) -> npt.NDArray[np.timedelta64]:
    plain = pc.replace_substring(pc.if_else(pc.equal(texts, "z"), "+0000", texts), ":", "")
    plain = pc.if_else(pc.equal(pc.utf8_length(plain), 3), pc.binary_join_element_wise(plain, "00", ""), plain)
    number = pc.utf8_ltrim(plain, "+").cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds = np.sign(number) * (np.abs(number) // 100 * 3600 + np.abs(number) % 100 * 60)
    return np.asarray(seconds.astype("timedelta64[s]"))


def _whole(digits: pa.Array | None, rows: int, default: int = 0) -> Int:
    if digits is None:
        return np.full(rows, default, dtype=np.int64)
    given = pc.if_else(pc.equal(digits, ""), "0", digits)  # the hour of 15, which is 00:15
    return np.asarray(given.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
