"""Tables of which each row can be read, and which are wrong as a whole: totals among the rows, hours of half a day."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Question
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.samples import Table
from tasks.ingest.rows.parse_times import Times

_FEWEST_DAYS = 2
_DAY, _EVENING, _MORNING = 86_400, 20 * 3600, 6 * 3600
_LEAST_HOURS = 8
_RISES = 12
"""Rises of a day without a fall that are no chance."""
_OF_OTHERS = 0.5
_FEWEST_SHARED, _SHARED = 10, 0.02
"""Rows, and their share, that files hold in common by more than chance."""
_FEWEST_STATIONS, _NEIGHBOURS = 4, 2
"""Stations of a line, and those that one of them stands beside."""
_MINUTE = 60
_FEWEST_COPIES, _BY_CHANCE = 10, 3
"""Rows that are there again, and how many times as many as follow another within a second or minute by chance."""


def check_hours(wall: Times, formats: Sequence[str], names: Sequence[str]) -> None:
    """Whether hours are those of a whole day, or say AM and PM.

    Raises:
        SourceError: if they go from 1 to 12 and say neither.
    """
    known = wall[~np.isnat(wall)]
    hours = {*np.unique((known - known.astype("datetime64[D]")).astype("timedelta64[h]").astype(int)).tolist()}
    if any("%I" in text for text in formats) or not {1, 12} <= hours <= {*range(1, 13)} or len(hours) < _LEAST_HOURS:
        return
    raise SourceError(
        f"the hours of {' + '.join(names)} go from 1 to 12: half a day, or a clock of 12 hours without AM and PM, of "
        "which nothing tells the half: export 24 hours, or AM and PM"
    )


def check_sums_of_days(series: Sequence[Int], wall: Times, numbers: Sequence[npt.NDArray[np.float64]]) -> None:
    """Whether counts are those of their intervals, and not of the day so far.

    Args:
        series: codes [row] of all that tells counters apart.
        wall: time of each row as it was written.
        numbers: counts [row] of each target.

    Raises:
        SourceError: if they only grow within each day.
    """
    for values in numbers:
        known = ~np.isnat(wall) & ~np.isnan(values)
        day = wall[known].astype("datetime64[D]").astype(np.int64)
        keys = [day, *(codes[known] for codes in series)]
        order = np.lexsort((wall[known].astype(np.int64), *keys))
        same = np.all([np.diff(key[order]) == 0 for key in keys], axis=0)
        step = np.where(same, np.diff(values[known][order]), 0)
        which = np.cumsum(~same)
        rises, falls = (np.bincount(which, weights=flags) for flags in (step > 0, step < 0)) if len(step) else ((), ())
        long = np.asarray(rises) >= _RISES
        only = long & (np.asarray(falls) == 0)
        if long.any() and (only | ~long).all() and (long.sum() > 1 or np.max(rises) >= 2 * _RISES):
            raise SourceError(
                "the counts only grow within each day: they are sums of the day so far: export people per interval, "
                "or write the configuration by hand with cumulative = true"
            )


def check_repeats(table: Table, columns: Collection[Column]) -> None:
    """Whether files hold rows of one another, which nothing but their sameness tells.

    Raises:
        SourceError: if they do.
    """
    if len(table.samples) < 2:
        return
    every = np.unique(np.stack([column.codes for column in columns]), axis=1, return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.stack([every, table.files]), axis=1)
    many = np.bincount(pairs[0])
    shared = int(many[every][many[every] > 1].size)
    if shared >= _FEWEST_SHARED and shared > _SHARED * len(every):
        twice = np.unique(table.files[many[every] > 1])[:2]
        names = " and ".join(table.samples[place].file.origin for place in twice)
        raise SourceError(
            f"{shared:,} rows are in several files, such as {names}: they would count twice: give each file once, or "
            "name the column that tells events apart as id"
        )


def check_skipped(wall: Times, utc: Times, timezone: str, *, slots: bool = False) -> None:
    """Whether times are those of the clocks of a time zone, which go over an hour in spring.

    Args:
        wall: time of each row as it was written.
        utc: as it is understood.
        timezone: whose clocks they follow.
        slots: whether they are numbers of slots, which then count the time that passed.

    Raises:
        SourceError: if as many rows are of that hour as of others of the day.
    """
    skipped = np.isnat(utc) & ~np.isnat(wall)
    for day in np.unique(wall[skipped].astype("datetime64[D]")):
        hours = wall[wall.astype("datetime64[D]") == day].astype("datetime64[h]")
        there, many = np.unique(hours, return_counts=True)
        gone = np.isin(there, wall[skipped].astype("datetime64[h]"))
        if (~gone).any() and many[gone].mean() >= _OF_OTHERS * many[~gone].mean():
            if slots:
                raise SourceError(
                    f"the clocks of {timezone} went over an hour on {day}, and its slots go on without a gap: they "
                    "count the time that passed, and say no time of day: export times, or UTC"
                )
            raise SourceError(
                f"{int(skipped.sum()):,} rows are of an hour that the clocks of {timezone} went over on {day}: they "
                "show another zone's time, or standard time all year: give --timezone UTC, or such as Etc/GMT-1"
            )


def check_service_days(place: Int, wall: Times) -> None:
    """Whether dates are those of the calendar, where rows come in order of time.

    Args:
        place: code of the station and the direction of each row.
        wall: time of each row as it was written.

    Raises:
        SourceError: if times after midnight stand behind the evening of the same date, day by day.
    """
    known = ~np.isnat(wall)
    order = np.argsort(place[known], kind="stable")
    places, times = place[known][order], wall[known][order].astype("datetime64[s]").astype(np.int64)
    day, clock = times // _DAY, times % _DAY
    same = np.diff(places) == 0
    fall = same & (np.diff(times) < 0)
    wrapped = fall & (np.diff(day) == 0) & (clock[:-1] >= _EVENING) & (clock[1:] < _MORNING)
    if fall.sum() < _FEWEST_DAYS or (fall != wrapped).any():
        return
    group = np.cumsum(np.append(True, ~same | (np.diff(day) != 0)))
    falls = np.append(0, np.cumsum(fall))
    late = falls > falls[np.searchsorted(group, group)]
    if (np.diff(times + _DAY * late)[same] > 0).all():
        shown = [f"{int(each) // 3600:02}:{int(each) // 60 % 60:02}" for each in (clock[late].min(), clock[late].max())]
        raise SourceError(
            f"times from {shown[0]} to {shown[1]} stand behind the evening of the same date: they are of the next one, "
            "as the day of a service ends after midnight: export them past 24:00, such as 24:15, or with their own date"
        )


def check_months(wall: Times) -> None:
    """Whether dates are days, and not months that are written by their first day.

    Raises:
        SourceError: if all are the first of several months.
    """
    days = np.unique(wall[~np.isnat(wall)].astype("datetime64[D]"))
    if len(days) > 1 and (days == days.astype("datetime64[M]")).all():
        raise SourceError(
            f"all dates are the first of a month ({days[0]}, {days[1]}): they name months, of which the hours are "
            "averages or sums: export the counts of each day"
        )


def check_day_sums(place: Int, wall: Times, numbers: Sequence[npt.NDArray[np.float64]]) -> None:
    """Whether the rows at midnight are counts of their interval.

    Args:
        place: code of the station and the direction of each row.
        wall: time of each row as it was written.
        numbers: counts [row] of each target.

    Raises:
        SourceError: if they are the sums of the rest of their days.
    """
    known = ~np.isnat(wall) & (place >= 0)
    day = wall.astype("datetime64[D]")
    midnight = known & (day == wall)
    if not midnight.any() or (known & ~midnight).sum() == 0:
        return
    series = np.stack([place, np.where(known, day, np.datetime64(0, "D")).astype(np.int64)])
    _, which = np.unique(series, axis=1, return_inverse=True)
    which = which.ravel()
    for values in numbers:
        valid = known & ~np.isnan(values)
        rest, many = (
            np.bincount(which, weights=w) for w in (np.where(valid & ~midnight, values, 0), valid & ~midnight)
        )
        own = np.bincount(which, weights=np.where(valid & midnight, values, 0))
        compared = (many >= _FEWEST_DAYS) & (own > 0)
        if compared.sum() >= _FEWEST_DAYS and (own == rest)[compared].all():
            raise SourceError(
                "the rows at midnight are the sums of their days: they would count everybody twice: leave them out of "
                "the export"
            )


def check_periods(start: Times, end: Times, interval: int) -> None:
    """Whether rows that say when they begin and end count their interval, no more and no less.

    Args:
        start: of each row.
        end: of each row; it may name its last minute or second.
        interval: minutes between the rows of a station.

    Raises:
        SourceError: if most of them overlap, or leave gaps.
    """
    lengths = (end - start)[~np.isnat(start) & ~np.isnat(end)].astype("timedelta64[s]").astype(np.int64)
    if not len(lengths):
        return
    usual = int(np.median(lengths))
    if longer := int((lengths >= 2 * usual).sum() if usual > _MINUTE else 0):
        raise SourceError(
            f"{longer:,} rows count {int(lengths.max()) // 60:,} minutes and the others {usual // 60:,}: those hold "
            "people of several of these, who would count twice: leave them out of the export"
        )
    if usual > interval * 60:
        raise SourceError(
            f"rows count {usual // 60:,} minutes and begin every {interval}: they overlap, and would count people "
            "several times: export people per interval"
        )
    if usual < (interval - 1) * 60:
        raise SourceError(
            f"rows count {usual // 60:,} minutes of every {interval}: nothing was counted between them: write the "
            f"configuration by hand, with interval_minutes = {max(usual // 60, 1)} and gaps = true"
        )


def count_copies(others: Sequence[Int], seconds: Int) -> int:
    """Events that are there again in every column; 0 where so many may have happened at one time.

    Args:
        others: codes [row] of all columns but the time.
        seconds: since 1970, of each row.
    """
    unit = 1 if (seconds % 60).any() else 60
    kind = np.unique(np.stack(others), axis=1, return_inverse=True)[1].reshape(-1) if others else np.zeros_like(seconds)
    cells = np.unique(np.stack([kind, seconds // unit]), axis=1)
    copies = len(seconds) - cells.shape[1]
    follow = int(((np.diff(cells[0]) == 0) & (np.diff(cells[1]) == 1)).sum())
    return copies if copies >= _FEWEST_COPIES and copies > _BY_CHANCE * follow else 0


def ask_copies(copies: int) -> Question:
    """What to ask of events of which so many are there again."""
    text = f"{copies:,} rows are the same as another one in every column: is each of them a person?"
    return Question("--rows", text, [("sum", "each is a person"), ("last", "equal rows count once")])


def check_sections(start: Int, end: Int) -> None:
    """Whether counts of two stations are those of journeys, and not of the section of a line between them.

    Args:
        start: code of the first station of each row.
        end: code of the other one.

    Raises:
        SourceError: if every station goes with one or two others alone, as neighbours do.
    """
    pairs = np.unique(np.stack([start, end])[:, (start >= 0) & (end >= 0)], axis=1)
    beside = [np.unique(side, return_counts=True)[1] for side in pairs]
    if pairs.size and min(map(len, beside)) >= _FEWEST_STATIONS and max(each.max() for each in beside) <= _NEIGHBOURS:
        raise SourceError(
            "every station goes with one or two others alone: the counts may be those of people between neighbouring "
            "stations, who are no entries; where they are journeys, give both columns, --station FROM --station TO"
        )


def check_copies(columns: Collection[Column], counts: Collection[str]) -> None:
    """Whether parts of a sum are there once, where columns tell each of them apart.

    Args:
        columns: of the table.
        counts: names of those that are counts.

    Raises:
        SourceError: if some are there again in every column, and none with another count.
    """
    every = np.unique(np.stack([column.codes for column in columns]), axis=1)
    keys = [row for column, row in zip(columns, every, strict=True) if column.name not in counts]
    copies = len(next(iter(columns)).codes) - every.shape[1]
    if copies and np.unique(np.stack(keys), axis=1).shape[1] == every.shape[1]:
        raise SourceError(
            f"{copies:,} rows are the same as another one in every column, and would count twice in sums: export each "
            'once; where each is people of its own, write the configuration by hand, with rows = "sum"'
        )
