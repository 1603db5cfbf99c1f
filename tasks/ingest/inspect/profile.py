"""What the values of a column are: times, dates, hours, whole numbers, words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from tasks.arrays import Int
from tasks.digits import plain_numeral
from tasks.ingest.inspect.number_clocks import find_number_clocks
from tasks.ingest.inspect.words import hints_at, is_value_of, words_of
from tasks.ingest.rows.parse_times import read_times
from tasks.ingest.rows.suggest_formats import are_periods, fitting_formats, suggest_formats
from tasks.ingest.rows.zone_names import without_zone_name
from tasks.time_formats import CLOCKS, EPOCHS, ISO, PERIODS, SERIAL, SERIAL_DAY, TICKS, dates_like

LOOKED_AT = 4000
"""Distinct values that are tried; the rest of a column is held to what they showed when the files are read."""
NEARLY = 0.98
"""Share of values that must be of a kind; the others are rejected one by one when the files are read."""
_SHAPES = 12
_DIGITS_ALONE = ("%H%M", "%H%M%S", "%H.%M", "%H")
"""Clocks that may be other numbers."""
_NUMBERED, _LATEST_HOUR = 20, 31
_EPOCHS = (
    *(("epoch", 9e8, 3e9), ("epoch_ms", 9e11, 3e12), ("epoch_us", 9e14, 3e15), ("epoch_ns", 9e17, 3e18)),
    *(("epoch_min", 2.2e7, 5e7), ("filetime", 1.2e17, 1.5e17), (TICKS, 6.2e17, 6.6e17)),
)
"""Formats of numbers, and what these are from 1998 on to 2065, of minutes from 2011 on: no two overlap, nor dates."""
_DATE_WORDS = frozenset({"date", "datum", "fecha", "data", "dato"})
_FIRST_SERIAL, _LAST_SERIAL = 32_874, 73_051
_HOURLY = "%Y%m%d%H"
_TIME_WITHIN = re.compile("time|date|stamp|zeit|fecha|hora|ticks", re.IGNORECASE)
_WHOLE = re.compile(r"^\d+(\.0+)?$")
_FRACTION = re.compile(r"^(-\d.*|\d+[.,](?!\d{3}$)(?!0*$)\d+)$")
_OFFSET = re.compile(r"((Z|UTC|GMT|[+-]\d{2}:?\d{2})(\[[\w/+-]+\])?|\)/)$", re.IGNORECASE)
_LAKHS = re.compile(r"[1-9]\d?(,\d{2})+,\d{3}")
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?$")


@dataclass(frozen=True)
class Column:
    """A column of a table and what its values show.

    Attributes:
        name: as the files have it.
        texts: distinct values that are not blank, in the order in which they come.
        codes: which distinct value each row has, -1 for blank.
    """

    name: str
    texts: tuple[str, ...]
    codes: Int

    @classmethod
    def of(cls, name: str, coded: pa.DictionaryArray) -> Column:
        """The column of that name and those texts; a header that comes again among the rows is no value."""
        values = [
            "" if value == name else plain_numeral(value) for value in coded.dictionary.to_pylist()
        ]  # a header within the rows
        place = np.cumsum([value != "" for value in values]) - 1
        place = np.where([value != "" for value in values], place, -1) if values else np.zeros(0, dtype=np.int64)
        codes = coded.indices.to_numpy(zero_copy_only=False)
        return cls(name, tuple(value for value in values if value), place[codes] if len(codes) else place)

    def hints_at(self, *roles: str) -> bool:
        """Whether the name has a word of one of the roles."""
        return any(hints_at(self.name, role) for role in roles)

    @cached_property
    def sample(self) -> list[str]:
        """Distinct values that are looked at, spread over the column."""
        step = -(-len(self.texts) // LOOKED_AT) or 1
        return list(self.texts[::step])

    @cached_property
    def blank(self) -> float:
        """Share of rows without a value."""
        return float((self.codes < 0).mean()) if len(self.codes) else 1.0

    @cached_property
    def time_formats(self) -> tuple[str, ...]:
        """Formats of date and hour that read the column: "iso", "epoch", strptime; several where it stays open."""
        if not self.sample or self.is_date:
            return ()
        if all(value.startswith(("19", "20")) for value in self.sample) and fitting_formats(self.sample, [_HOURLY]):
            return (_HOURLY,)  # which seconds of 2031 to 2036 would be, too
        for name, low, high in _EPOCHS:
            if self._is_named_time and all(_within(v, low, high) for v in self.sample):
                return (name,)
        if self._is_named_time and _are_serials(self.sample):
            return (SERIAL,)
        return formats_of(self.sample)

    @property
    def _is_named_time(self) -> bool:
        return self.hints_at("time", "start", "end", "known at") or bool(_TIME_WITHIN.search(self.name))

    @cached_property
    def date_formats(self) -> tuple[str, ...]:
        """Formats of a date alone that read every value; one that carries midnight along is a date."""
        bare = sorted({_MIDNIGHT.sub("", value) for value in self.sample if value not in self._notes})
        if _DATE_WORDS & {*words_of(self.name)} and bare and all(map(_is_serial_day, bare)):
            return (SERIAL_DAY,)
        return (
            () if not bare or _all_whole_below(bare, 10_000_000) else tuple(fitting_formats(bare, dates_like(bare[0])))
        )

    @cached_property
    def _notes(self) -> frozenset[str]:
        """Words for totals, and rare texts without a digit, as the footer of a report."""
        least = min((many for text, many in self.frequencies if re.search(r"\d", text)), default=0)
        rare = {
            text for text, many in self.frequencies if (many == 1 or 2 * many <= least) and not re.search(r"\d", text)
        }
        return frozenset(rare | {text for text in self.sample if is_value_of(text, "total value")})

    @cached_property
    def is_date(self) -> bool:
        """Whether the values are dates without an hour."""
        return bool(self.date_formats)

    @cached_property
    def is_clock(self) -> bool:
        """Whether the values are times of day, or the hour where the name says so."""
        if not self.sample or self.is_date:
            return False
        clocks = [text for text in CLOCKS if text not in _DIGITS_ALONE]
        if are_periods(self.sample) and fitting_formats(self.sample, PERIODS):
            return True
        if any(fitting_formats(self.sample, [text]) for text in clocks):
            return True
        named = self.hints_at("hour") and not re.search("interval", self.name, re.IGNORECASE)
        return named and bool(fitting_formats(self.sample, ["%H"]))

    @cached_property
    def is_hour(self) -> bool:
        """Whether the values are hours alone."""
        return _all_whole_below(self.sample, _LATEST_HOUR) and not self.is_date

    @cached_property
    def number_clocks(self) -> tuple[str, ...]:
        """What the values may be as times of day without signs (915, 555 or 33300 for 09:15); none where they cannot.

        Several where both fit, as the values span too little of a day.
        """
        return find_number_clocks(self.name, self.sample)

    @cached_property
    def has_offset(self) -> bool:
        """Whether every time says its offset from UTC."""
        formats = self.time_formats
        if formats == (ISO,):
            return all(_OFFSET.search(value) for value in self.sample)
        return bool(formats) and all(text in EPOCHS or "%z" in text.lower() for text in formats)

    @cached_property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers from 0 on."""
        return bool(self.sample) and _share(self.sample, [bool(_WHOLE.match(v)) for v in self.sample]) >= NEARLY

    @cached_property
    def fractions(self) -> tuple[str, ...]:
        """Values that are numbers and not whole, or below zero, the most frequent first."""
        return tuple(value for value, _ in self.frequencies if _FRACTION.match(value))

    @cached_property
    def is_written_number(self) -> bool:
        """Whether rows hold numbers as people write them: 1,653 or 1 204, some of them withheld in words."""
        looked = self.frequencies[:LOOKED_AT]
        digits = sum(many for value, many in looked if re.match(r"^\d[\d ,.'’\u00a0\u202f]*$", value))
        least = 0.2 if self.hints_at("count", "entry", "exit") else 0.6
        return digits >= least * max(sum(many for _, many in looked), 1)

    @cached_property
    def is_measured(self) -> bool:
        """Whether most values begin with a number, whatever comes behind it: 12 %, 7 people."""
        begun = sum(many for value, many in self.frequencies if re.match(r"^[~<>+-]?\s*\d", value))
        return 2 * begun > sum(many for _, many in self.frequencies)

    @cached_property
    def is_number(self) -> bool:
        """Whether the values are numbers, with a sign or a fraction."""
        return (
            bool(self.sample)
            and _share(self.sample, [bool(_WHOLE.match(v) or _FRACTION.match(v)) for v in self.sample]) >= NEARLY
        )

    @cached_property
    def is_row_number(self) -> bool:
        """Whether the rows are numbered one by one."""
        numbers = np.sort(self.numbers)
        counts = self.hints_at("count", "entry", "exit") or len(numbers) < _NUMBERED
        return not counts and len(self.texts) == len(numbers) and bool((np.diff(numbers) == 1).all())

    @cached_property
    def frequencies(self) -> list[tuple[str, int]]:
        """Distinct values and how many rows have them, the most frequent first."""
        many = np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))
        return Counter(dict(zip(self.texts, many.tolist(), strict=True))).most_common()

    @cached_property
    def numbers(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Value of each row as a number, NaN where it is none."""
        known = np.array([*map(_number, self.texts), np.nan])
        return known[self.codes]


def _number(text: str) -> float:
    """A whole number, also one whose thousands are parted; NaN for other text."""
    text = text.replace(",", "") if _LAKHS.fullmatch(text) else text
    plain = re.sub(r"(?<=\d)[ ,.'’\u00a0\u202f](?=\d{3}(\D|$))", "", text)
    return float(plain) if _WHOLE.match(plain) else np.nan


def _share(values: list[str], flags: list[bool]) -> float:
    return sum(flags) / len(values) if values else 0.0


def _is_iso(values: Sequence[str]) -> list[bool]:
    times = read_times(pa.array(list(values), pa.string()), "UTC").utc
    return [not nothing for nothing in np.isnat(times).tolist()]


def _within(value: str, low: float, high: float) -> bool:
    return bool(re.match(r"^\d+(\.\d+)?$", value)) and low <= float(value) < high


def _are_serials(values: list[str]) -> bool:
    """Whether values are days of a spreadsheet, 1990 to 2099, with their time of day."""
    days = [value.replace(",", ".") for value in values if re.match(r"^\d{5}([.,]\d+)?$", value)]
    return (
        len(days) == len(values)
        and all(_FIRST_SERIAL <= float(d) < _LAST_SERIAL for d in days)
        and any("." in d for d in days)
    )


def _is_serial_day(value: str) -> bool:
    return bool(re.fullmatch(r"\d{5}(\.0+)?", value)) and _FIRST_SERIAL <= float(value) < _LAST_SERIAL


def _all_whole_below(values: list[str], limit: int) -> bool:
    return all(value.isdecimal() and int(value) < limit for value in values)


def formats_of(values: Sequence[str]) -> tuple[str, ...]:
    """Formats of date and hour that read nearly every value, those of each shape that values have in turn.

    Values of a shape that no format reads are passed over while they are few; none at all where they are not.
    """
    shapes: dict[str, list[str]] = {}
    for value in values:
        plain = without_zone_name(value)
        shapes.setdefault(_shape(plain), []).append(plain)
    found, unread = list[str](), 0
    for alike in sorted(shapes.values(), key=len, reverse=True)[:_SHAPES]:
        formats = [ISO] if all(_is_iso(alike)) else suggest_formats(alike)
        unread += 0 if formats else len(alike)
        found += [text for text in formats if text not in found]
    return tuple(found) if found and unread <= (1 - NEARLY) * len(values) else ()


def _shape(value: str) -> str:
    """What is left of a value when its digits and letters are all the same."""
    return re.sub(r"\d+", lambda run: "9" if len(run[0]) <= 2 else "9" * len(run[0]), re.sub(r"[^\W\d_]+", "a", value))
