"""How far apart the rows of a station are, which moment a time names, whether rows add up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import get_args

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.words import is_value_of
from tasks.ingest.rows.parse_times import Times
from tasks.settings.tree import Network, intervals_of

INTERVALS: tuple[int, ...] = get_args(Network.model_fields["interval_minutes"].annotation)
_ON_GRID = 0.98
_DRIFT, _SHORT = 5, 15
"""Seconds that a logger may be off, and seconds between readings of which one more in a minute is little."""
_TO_24 = re.compile(r"(^|[T ])24((:00)+|[.h]00?|$)")
_FROM_0_OR_ON = re.compile(r"(^|[T ])(0{1,2}(:00|[.h]|$)|24[:.h](?!00)|2[5-9]([:.h]|$)|[34]\d([:.h]|$))")
"""Times that go to 24:00, not on from there, and not from 0:00, as those do that name the end of an interval."""
_MOST_CATEGORIES, _MOST_VALUES, _FEWEST_SUMS = 400, 40, 3
Numbers = npt.NDArray[np.float64]


def seconds_apart(station: Int, utc: Times) -> Int:
    """Seconds between successive different times of a station, over all of them."""
    known = ~np.isnat(utc) & (station >= 0)
    seconds, place = utc[known].astype(np.int64), station[known]
    order = np.lexsort((seconds, place))
    apart, same = np.diff(seconds[order]), np.diff(place[order]) == 0
    return np.asarray(apart[same & (apart > 0)])


def choose_interval(
    station: Int, utc: Times, answers: Answers, zone: str, *, events: bool, counted: bool = True
) -> Choice[int]:
    """Minutes of an interval.

    Args:
        station: code of each row's station, -1 for none.
        utc: time of each row.
        answers: what the user stated.
        zone: of the network's clocks.
        events: whether rows are events, which may happen at any moment.
        counted: whether a row of them stands for several people, those of an interval.

    Raises:
        SourceError: if rows are further apart than any interval, or than any of the time zone.
    """
    known = utc[~np.isnat(utc)].astype(np.int64)
    if events and not answers.interval:
        grids = sorted(intervals_of(zone), reverse=True) if counted and len(known) else []
        whole = next((n for n in grids if not (known % (n * 60)).any()), 1)
        return Choice(whole, (), {"interval": f"{whole} minutes" if whole > 1 else "1 minute"})
    apart = seconds_apart(station, utc)
    if answers.interval and (events or not len(apart)):
        return Choice(answers.interval)
    if not len(apart):
        return Choice(None, [Question("--interval", "No station has two times: how many minutes does a row count?")])
    lengths, many = np.unique(apart, return_counts=True)
    usual = _without_drift(int(lengths[many.argmax()]))
    if usual > 60 * max(INTERVALS) * 1.5:
        raise SourceError(
            f"rows of a station are {usual // 60:,} minutes apart: coarser than {max(INTERVALS)} minutes, and "
            "not spread over them: ask whoever exports for finer readings"
        )
    shown = f"rows of a station are {_length(usual)} apart ({many.max() / many.sum():.0%} of them)"
    if usual % 60 == 0 and usual // 60 in {*INTERVALS} - {*intervals_of(zone)}:
        raise SourceError(
            f"{shown}, and the clocks of {zone} are not whole such intervals from UTC, on which all tables stand: "
            f"export counts of {max(intervals_of(zone))} minutes or less, which add up to the hours of those clocks"
        )
    filled = _filled_by(usual) if 2 * many.max() >= many.sum() else INTERVALS
    if not filled or (answers.interval and answers.interval not in filled):
        fit = f"give one of {', '.join(map(str, filled))}" if filled else f"export readings that fill {INTERVALS[-1]}"
        raise SourceError(f"{shown}, and do not fill intervals of {answers.interval or INTERVALS[-1]} minutes: {fit}")
    if answers.interval:
        return Choice(answers.interval)
    step = filled[0] if usual < 120 and 1 in filled else _on_grid(known, usual)
    if step is None:
        text = f"How many minutes does a row count? {shown[0].upper()}{shown[1:]}."
        return Choice(None, [Question("--interval", text, [(str(n), "") for n in filled])])
    return Choice(step, (), {"interval": f"{step} minutes: {shown}" if step > 1 else f"1 minute: {shown}"})


def _without_drift(seconds: int) -> int:
    """Seconds between rows, those of a logger whose clock is some seconds off as whole minutes."""
    minutes = round(seconds / 60) * 60
    return minutes if minutes and abs(seconds - minutes) <= _DRIFT else seconds


def _filled_by(seconds: int) -> tuple[int, ...]:
    """Intervals that rows so many seconds apart fill without a rest, or that rows longer than any are compared with."""
    short = seconds <= _SHORT
    return tuple(n for n in INTERVALS if short or n * 60 % seconds == 0 or seconds > 60 * max(INTERVALS))


def _on_grid(seconds: Int, usual: int) -> int | None:
    """Minutes of the interval on whose grid, or its last minutes, nearly all times are."""
    every = gcd(*np.unique(seconds - seconds.min()).tolist())
    for step in dict.fromkeys((usual // 60 if usual % 60 == 0 else 0, every // 60)):
        offsets = seconds % (step * 60) if step in INTERVALS else np.zeros(0)
        if len(offsets) and max((offsets == at).mean() for at in (0, step * 60 - 60, step * 60 - 1)) >= _ON_GRID:
            return step
    return None


def _length(seconds: int) -> str:
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"


def choose_moment(utc: Times, wall: Times, interval: int, columns: Sequence[Column], answers: Answers) -> Choice[str]:
    """Which moment of its interval a time names: "start", "end" or "last_minute".

    Args:
        utc: time of each row.
        wall: as it was written.
        interval: minutes.
        columns: of the time.
        answers: what the user stated.
    """
    if answers.time_is:
        return Choice(answers.time_is)
    minutes = utc[~np.isnat(utc)].astype("datetime64[m]").astype(np.int64)
    offset, last = minutes % interval, interval - 1
    if interval > 1 and (offset == last).mean() >= _ON_GRID:
        return Choice("last_minute", (), {"a time is": "the last minute of its interval"})
    late = any(any(map(_TO_24.search, c.texts)) and not any(map(_FROM_0_OR_ON.search, c.texts)) for c in columns)
    if late or _ends_days(wall, interval) or any(c.hints_at("finish") and not c.hints_at("start") for c in columns):
        named = " + ".join(column.name for column in columns)
        first = str(utc[~np.isnat(utc)].min())[11:16]
        text = f"Do the times of {named!r} name the start or the end of their {interval} minutes?"
        why = ("end", f"the row of {first} counts what came before {first}"), ("start", "what came after it")
        return Choice(None, [Question("--time-is", text, why)])
    return Choice("start", (), {"a time is": "the start of its interval"})


def _ends_days(wall: Times, interval: int) -> bool:
    """Whether times go from the end of a day's first interval to the midnight that ends a day."""
    first, last = (edge(wall[~np.isnat(wall)]).astype("datetime64[m]") for edge in (np.min, np.max))
    begun, ended = ((each - each.astype("datetime64[D]")).astype(int) for each in (first, last))
    return bool(begun == interval and ended == 0 and (last - first).astype(int) >= 1440 - interval)


def check_order(place: Int, wall: Times, utc: Times) -> None:
    """Whether rows of an hour that the clocks showed twice come in order, which alone tells the two apart.

    Args:
        place: codes [row] of station and direction.
        wall: time of each row as it was written.
        utc: as it is understood.

    Raises:
        SourceError: if they do not.
    """
    shift, known = wall - utc, ~np.isnat(utc)
    if len(np.unique(shift[known])) < 2:
        return
    cells = np.stack([place[known], wall[known].astype(np.int64)])
    _, which, many = np.unique(cells, axis=1, return_inverse=True, return_counts=True)
    twice = many[which.ravel()] > 1
    days = np.unique(wall[known][twice].astype("datetime64[D]"))
    for day in days:
        there = wall[known].astype("datetime64[D]") == day
        if len(np.unique(shift[known][there])) > 1 and not _in_order(cells[:, there & twice]):
            hour = wall[known][there & twice].min()
            raise SourceError(
                f"the clocks went back on {day}, and the rows from {str(hour)[11:16]} on are there twice and in no "
                "order: nothing tells which hour they are of; sort the file as it was written, or export UTC"
            )


def _in_order(cells: Int) -> bool:
    """Whether the times of each place go up, and begin again once at the most."""
    order = np.argsort(cells[0], kind="stable")
    down = (np.diff(cells[1][order]) < 0) & (np.diff(cells[0][order]) == 0)
    return bool((np.bincount(cells[0][order][1:][down].astype(int)) <= 1).all())


@dataclass(frozen=True)
class Repeats:
    """Rows that share station and interval.

    Attributes:
        rows: "sum" or "last"; None where no two do.
    """

    rows: str | None = None


def choose_rows(
    key: Sequence[Int],
    seconds: Int,
    interval: int,
    rest: Mapping[str, Column],
    numbers: Sequence[Numbers],
    answers: Answers,
) -> Choice[Repeats]:
    """Whether several rows of a station and interval add up.

    Args:
        key: codes [row] of all that tells series apart: station, direction.
        seconds: since 1970, of each row.
        interval: minutes.
        rest: columns that are neither time, station nor counts.
        numbers: counts [row] of each target.
        answers: what the user stated.
    """
    if answers.rows:
        return Choice(Repeats(answers.rows))
    cells = np.stack([*key, seconds // (interval * 60)])
    again = _count_repeats(cells)
    if not again:
        return Choice(Repeats())
    within = _count_repeats(np.stack([*key, seconds]))
    share = f"{again:,} of {len(seconds):,} rows share station and interval with a row before them"
    parts = [c for c in rest.values() if 2 <= len(c.texts) <= _MOST_CATEGORIES and not c.time_formats]
    parts = [c for c in parts if c.hints_at("share") or not (c.is_number and c.hints_at("other number"))]
    explained = [c for c in parts if _count_repeats(np.stack([*cells, c.codes])) < again]
    whole = explained and not _count_repeats(np.stack([*cells, *(c.codes for c in explained)]))
    totals = [(c.name, total) for c in explained if (total := find_total(cells, c, numbers)) is not None]
    mixed = totals or any(map(_is_mixed, explained))
    if whole and not mixed and within == again and all(c.hints_at("share") for c in explained):
        by = " and ".join(c.name for c in explained[:4])
        return Choice(Repeats("sum"), (), {"rows": f"add up: one per {by} ({share})"})
    why = f"they differ in {', '.join(c.name for c in explained[:4])}" if explained else "no column tells them apart"
    finer = "" if within == again else "; their times differ within the interval"
    shown = [("sum", f"{why}{finer}"), ("last", "the last row corrects the ones before")]
    shown += [(f"--where-not '{name}={total}'", "it is the sum of the others") for name, total in totals if total]
    return Choice(None, [Question("--rows", f"{share}: do they add up, or does the last one count?", shown)])


def find_total(cells: Int, column: Column, numbers: Sequence[Numbers]) -> str | None:
    """Value, or blank, of a column whose rows are totals of the others, by its name or by their sums; None without."""
    if named := [value for value in column.texts if is_value_of(value, "total value")]:
        return named[0]
    _, cell = np.unique(cells, axis=1, return_inverse=True)
    cell = cell.reshape(-1)
    for values, code in product(numbers, np.unique(column.codes)[:_MOST_VALUES]):
        known, own = np.nan_to_num(values), column.codes == code
        mine, others = (np.bincount(cell, weights=known * rows) for rows in (own, ~own))
        both = (np.bincount(cell, weights=own) > 0) & (np.bincount(cell, weights=~own) > 0) & (mine > 0)
        differ = len(np.unique(mine[both])) > 1
        if differ and both.sum() >= _FEWEST_SUMS and (mine == others)[both].all():
            return str(column.texts[code]) if code >= 0 else ""
    return None


def _is_mixed(column: Column) -> bool:
    """Whether values are kinds of traffic of which not all are people."""
    return any(is_value_of(value, "kind of traffic") for value in column.texts)


def _count_repeats(columns: Int) -> int:
    return int(columns.shape[1] - np.unique(columns, axis=1).shape[1]) if columns.size else 0
