"""Times as files give them: text by its formats, timestamps or numbers, with an offset or on a wall clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.clock import to_utc
from tasks.ingest.rows.format_numbers import with_plain_digits
from tasks.ingest.rows.format_times import ParsedTimes, parse_times
from tasks.ingest.rows.parse_values import distinct_values
from tasks.ingest.rows.suggest_formats import are_periods
from tasks.ingest.rows.zone_names import dot_net_times, may_name_zone, split_zone_names, without_brackets
from tasks.time_formats import CLOCKS, ISO

EARLIEST, LATEST = np.datetime64("1990-01-01", "s"), np.datetime64("2200-01-01", "s")
_FORM = (
    r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
    r"( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?$"
)
_BARE = r"^\d{4}-\d{2}-\d{2}$"
_LATE = r"^\d{4}-\d{2}-\d{2}[T ](2[4-9]|3\d|4[0-7]):\d{2}(:\d{2}([.]\d{1,9})?)?$"
_OFFSET = r"[T ]\d{2}:\d{2}.*(Z|UTC|[+-]\d{2}(:?\d{2})?)$"
YEAR_FIRST = (ISO, *map(" ".join, product(("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"), CLOCKS)))
"""Formats of a date and a time of day from two columns: none of them leaves open which number is the day."""
NO_DIGITS = tuple(text for text in YEAR_FIRST if not text.endswith((" %H", " %H%M", " %H%M%S")))
"""Those of them that read no times of day of digits alone."""
_PAST_24 = tuple(f"%Y-%m-%d{between}%H:%M{second}" for between in " T" for second in ("", ":%S", ":%S.%f"))
_SAMPLE = 1000
Times = npt.NDArray[np.datetime64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Moments:
    """Times of a column, one each row.

    Attributes:
        utc: datetime64[s], floored; NaT where unreadable, blank, skipped by the clocks, or not of 1990 to 2199.
        blank: nothing was given.
        skipped: a wall-clock time that the clocks went over.
        repeated: a wall-clock time that happened twice, and the file does not say which is meant.
    """

    utc: Times
    blank: Flags
    skipped: Flags
    repeated: Flags

    @cached_property
    def unknown(self) -> Flags:
        """Rows without a time."""
        return np.isnat(self.utc)

    def minutes(self, interval: int = 1) -> Int:
        """UTC minutes since 1970, floored to the interval; 0 where there is no time."""
        known = np.where(self.unknown, np.datetime64(0, "s"), self.utc) if self.unknown.any() else self.utc
        steps = known.astype(np.int64, copy=False) // (60 * interval)
        return np.asarray(steps if interval == 1 else steps * interval)


class RepeatedTimes:
    """Places and wall-clock minutes that came in an hour that the clocks repeat."""

    def __init__(self) -> None:
        self._places = np.zeros(0, dtype=np.int64)
        self._minutes = np.zeros(0, dtype="datetime64[m]")

    def came_before(self, place: Int, minute: Times) -> Flags:
        """Which rows name a place and minute that a row before them, of this piece or an earlier one, names too."""
        places, minutes = np.concatenate([self._places, place]), np.concatenate([self._minutes, minute])
        order = np.lexsort((minutes, places))
        same = np.zeros(len(order), dtype=bool)
        same[1:] = (np.diff(places[order]) == 0) & (minutes[order][1:] == minutes[order][:-1])
        again = np.zeros(len(order), dtype=bool)
        again[order] = same
        known = len(self._places)
        self._places, self._minutes = places[~again], minutes[~again]
        return again[known:]


def read_times(
    column: pa.Array,
    timezone: str,
    place: Callable[[], Int] | None = None,
    formats: Sequence[str] = (),
    shift: int = 0,
    came_before: Callable[[Int, Times], Flags] | None = None,
    dates: bool = True,
) -> Moments:
    """Times of a column; those without an offset stand on the wall clock of `timezone`.

    A wall-clock minute that happens twice is the first one where it comes first at its place in the order of the
    file, and the second one from then on.

    Args:
        column: text, timestamps, dates, or numbers where a format is for numbers.
        timezone: IANA name.
        place: gives the code of each row's place; without it repeated times are the first occurrence.
        formats: of text, tried in order; ISO 8601 without any.
        shift: seconds that each time is put back, before the wall clock is looked at.
        came_before: which places and minutes a row before names too; without it, rows of this column.
        dates: whether a date without an hour is midnight; else it is no time.
    """
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return _read_instants(column, shift)
    values, which = distinct_values(column)
    if pa.types.is_string(values.type):
        values = with_plain_digits(values)
    aware, naive, blank = _by_kind(values, formats or (ISO,))
    named = _read_named_zones(values, formats or (ISO,), timezone, np.isnat(aware) & np.isnat(naive) & ~blank)
    aware = np.where(np.isnat(named), aware, named)
    if not dates and pa.types.is_string(values.type):
        naive[_are_bare(values)] = np.datetime64("NaT")
    aware, naive = (times - np.timedelta64(shift, "s") for times in (aware, naive))
    utc, skipped = aware, np.zeros(len(aware), dtype=bool)
    on_wall = np.flatnonzero(~np.isnat(naive))
    second = np.full(len(aware), np.datetime64("NaT"), dtype="datetime64[s]")
    if len(on_wall):
        utc[on_wall] = to_utc(naive[on_wall], timezone, 0)
        second[on_wall] = to_utc(naive[on_wall], timezone, 1)
        skipped = ~np.isnat(naive) & np.isnat(utc)
    twice = (utc != second) & ~np.isnat(second)
    moments = Moments(utc[which], blank[which], skipped[which], twice[which])
    if place is not None and moments.repeated.any():
        rows = np.flatnonzero(moments.repeated)
        again = (came_before or RepeatedTimes().came_before)(place()[rows], naive[which[rows]].astype("datetime64[m]"))
        later = rows[again]
        moments.utc[later] = second[which[later]]
    return moments


def _read_named_zones(values: pa.Array, formats: Sequence[str], timezone: str, unread: Flags) -> Times:
    """UTC of times that name their zone, of those that were not read; NaT elsewhere.

    A short name counts where the clocks of `timezone` stood as far from UTC as it may mean: EST is another time in
    Sydney than in New York, and none in summer.
    """
    utc = np.full(len(values), np.datetime64("NaT"), dtype="datetime64[s]")
    if not unread.any() or not pa.types.is_string(values.type):
        return utc
    texts = pc.utf8_trim_whitespace(pc.fill_null(values, ""))
    rows = np.flatnonzero(unread & may_name_zone(texts))
    texts = without_brackets(texts.take(pa.array(rows)))
    plain, offsets = split_zone_names(texts)
    moments, wall, _ = _by_kind(plain, formats)
    found = np.where(np.isnat(moments), _in_reach(dot_net_times(texts)), moments)
    for fold in (1, 0):
        read = to_utc(wall, timezone, 1 if fold else 0)
        apart = (wall - read).astype(np.int64)
        fits = [int(each) in may for each, may in zip(apart, offsets, strict=True)]
        found = np.where(np.array(fits, dtype=bool) & ~np.isnat(read), read, found)
    utc[rows] = found
    return utc


def _read_instants(column: pa.Array, shift: int) -> Moments:
    """Times with an offset, of which none is on a wall clock."""
    utc = _in_reach(np.asarray(column.to_numpy(zero_copy_only=False)).astype("datetime64[s]"))
    never = np.broadcast_to(np.False_, len(column))
    blank = np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool) if column.null_count else never
    return Moments(utc - np.timedelta64(shift, "s") if shift else utc, blank, never, never)


def _are_bare(values: pa.Array) -> Flags:
    """Which texts are dates alone."""
    bare = pc.match_substring_regex(pc.utf8_trim_whitespace(pc.fill_null(values, "")), _BARE)
    return np.asarray(bare.to_numpy(zero_copy_only=False), dtype=bool)


def _by_kind(values: pa.Array, formats: Sequence[str]) -> tuple[Times, Times, Flags]:
    """UTC times, wall-clock times (each NaT where the value is not of that kind), and which are blank."""
    none = np.full(len(values), np.datetime64("NaT"), dtype="datetime64[s]")
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = _in_reach(np.asarray(values.to_numpy(zero_copy_only=False)).astype("datetime64[s]"))
        blank = np.asarray(values.is_null().to_numpy(zero_copy_only=False), dtype=bool)
        return (none, times, blank) if getattr(kind, "tz", None) is None else (times, none, blank)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        read = parse_times(values, formats) if number else ParsedTimes(none, none.copy())
        return _in_reach(read.utc), _in_reach(read.wall), np.asarray(values.is_null().to_numpy(zero_copy_only=False))
    text = pc.utf8_upper(pc.utf8_trim_whitespace(pc.fill_null(values.cast(pa.string()), "")))
    blank = np.asarray(pc.equal(text, "").to_numpy(zero_copy_only=False), dtype=bool)
    aware, naive = none, none.copy()
    for name in formats:
        missing = np.isnat(aware) & np.isnat(naive)
        read = _read_iso(text) if name == ISO else parse_times(text, [name])
        aware = np.where(missing, _in_reach(read.utc), aware)
        naive = np.where(missing, _in_reach(read.wall), naive)
        if not (np.isnat(aware) & np.isnat(naive) & ~blank).any():
            break
    return aware, naive, blank


def _read_iso(text: pa.Array) -> ParsedTimes:
    """ISO 8601, upper case; hours past 24 belong to the next date. Periods (07:00-08:00) are none."""
    formed = pc.match_substring_regex(text, _FORM)
    offset = pc.and_(formed, pc.match_substring_regex(text, _OFFSET))
    if are_periods(text.filter(offset)[:_SAMPLE].to_pylist()):  # 07:00-08:00 is no time with an offset
        formed = pc.and_not(formed, offset)
        offset = pc.and_(formed, offset)
    aware, naive = _parse_subset(text, offset), _parse_subset(text, pc.and_not(formed, offset))
    unread = np.flatnonzero(np.isnat(naive) & np.isnat(aware))
    late = unread[
        np.asarray(pc.match_substring_regex(text.take(pa.array(unread)), _LATE).to_numpy(zero_copy_only=False))
    ]
    if len(late):
        naive[late] = parse_times(text.take(pa.array(late)), _PAST_24).wall
    return ParsedTimes(naive, aware)


def _parse_subset(text: pa.Array, chosen: pa.Array) -> Times:
    """The chosen texts as datetime64[s], UTC where they have an offset; NaT elsewhere."""
    out = np.full(len(text), np.datetime64("NaT"), dtype="datetime64[s]")
    rows = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
    if len(rows):
        plain = pc.replace_substring(text if len(rows) == len(text) else text.take(pa.array(rows)), ",", ".")
        for pattern, put in ((" ?UTC$", "Z"), (" ([+-][0-9:]+)$", r"\1")):
            plain = pc.replace_substring_regex(plain, pattern, put)
        out[rows] = _in_reach(_moments(plain))
    return out


def _moments(text: pa.Array) -> Times:
    """ISO 8601 texts, all with an offset or all without, as datetime64[s]; NaT for what the calendar lacks."""
    for zone in ("UTC", None):
        try:
            times = text.cast(pa.timestamp("us", zone)).cast(pa.timestamp("us"))
            return np.asarray(times.to_numpy(zero_copy_only=False)).astype("datetime64[s]")
        except pa.ArrowInvalid:
            continue
    import pandas as pd

    some = pd.to_datetime(pd.Series(text.to_pylist()), format="ISO8601", utc=True, errors="coerce")
    return np.asarray(some.dt.tz_localize(None).to_numpy()).astype("datetime64[s]")


def _in_reach(times: Times) -> Times:
    """NaT for what no counter can have counted."""
    ticks = times.astype("datetime64[s]", copy=False).view(np.int64)
    if len(times) and ticks.min() >= EARLIEST.astype(np.int64) and ticks.max() < LATEST.astype(np.int64):
        return times
    return np.where((times >= EARLIEST) & (times < LATEST), times, np.datetime64("NaT", "s"))
