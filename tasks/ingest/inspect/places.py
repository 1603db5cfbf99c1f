"""Which columns say where: the station of a row, or of both ends of a trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.arrays import Int
from tasks.ingest.inspect.answers import Answers, Choice, Question, known_column
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.words import words_of

_WAYS = (("entry", "exit"), ("exit", "entry"))
_SHOWN = 4
_PLACES_IN_A_ROW = frozenset({"sequence", "seq", "order", "position", "rank", "index"})


@dataclass(frozen=True)
class Where:
    """Columns of the station, and of the station of a row's other end where it has two."""

    start: str
    end: str | None = None


def choose_stations(columns: Mapping[str, Column], taken: Sequence[str], answers: Answers) -> Choice[Where]:
    """Columns of the stations.

    Args:
        columns: of the table.
        taken: columns of the time.
        answers: what the user stated.

    Raises:
        ConfigError: if an answer names no column.
    """
    if answers.station:
        names = [known_column(name, columns, "--station") for name in answers.station]
        return _choose(columns, names[0], names[1] if len(names) > 1 else None)
    usable = [c for c in columns.values() if c.name not in taken and _may_name(c)]
    named = [c for c in usable if c.hints_at("station")]
    starts = [c for c in named or usable if c.hints_at("start") and not c.hints_at("end")]
    ends = [c for c in named or usable if c.hints_at("end") and not c.hints_at("start")]
    if not (starts and ends):  # of one journey: where it was entered and left
        ways = [[c for c in named if c.hints_at(way) and not c.hints_at(other)] for way, other in _WAYS]
        starts, ends = ways if all(ways) else (starts, ends)
    if starts and ends:
        start, end = (_identity(group, usable) for group in (starts, ends))
        return _choose(columns, start.name, end.name) if start and end else _ask(usable)
    places = [c for c in usable if c.hints_at("place")]
    for tier in (named, starts, [c for c in places if not c.hints_at("device")], places):
        if tier:
            found = _identity(tier, usable)
            return _choose(columns, found.name, None) if found else _ask(tier)
    return _ask(usable)


def _may_name(column: Column) -> bool:
    """Whether the values may be the names or numbers of stations."""
    if _PLACES_IN_A_ROW & {*words_of(column.name)}:
        return False  # the third stop of a trip is another one on another line
    counted = column.is_whole and column.hints_at("count", "entry", "exit") and not column.hints_at("id")
    return bool(column.texts) and not (
        counted or column.time_formats or column.is_date or column.is_clock or column.hints_at("coordinate")
    )


def _identity(named: Sequence[Column], usable: Sequence[Column]) -> Column | None:
    """The one column that tells the stations apart: an id before a name; None where columns tell them differently."""
    ids = [column for column in named if column.hints_at("id")]
    if len(ids) == 1:
        return ids[0]
    if ids:
        return ids[0] if all(_same(ids[0], other) for other in ids[1:]) else None
    if not all(_same(named[0], other) for other in named[1:]):
        return None
    beside = [c for c in usable if c not in named and c.hints_at("id") and len(c.texts) > 1 and _same(c, named[0])]
    return beside[0] if len(beside) == 1 and beside[0].blank <= named[0].blank else named[0]


def _same(one: Column, other: Column) -> bool:
    """Whether two columns tell the same things apart: each value of one goes with one of the other."""
    both = np.stack([one.codes, other.codes])[:, (one.codes >= 0) & (other.codes >= 0)]
    pairs = np.unique(both, axis=1).shape[1] if both.size else 0
    return pairs == len(np.unique(both[0])) == len(np.unique(both[1])) > 0


def find_alike(stations: Column, when: Int) -> dict[str, str]:
    """Names that differ from another one in capitals and blanks alone, and never come at one time with it.

    Args:
        stations: of each row.
        when: codes [kind, row] of what one station has once: time, direction.

    Returns:
        The more frequent name, by the other.
    """
    alike: dict[str, list[int]] = {}
    for code, name in enumerate(stations.texts):
        alike.setdefault(" ".join(name.casefold().split()), []).append(code)
    many = dict(stations.frequencies)
    found = dict[str, str]()
    for codes in (each for each in alike.values() if len(each) > 1):
        rows = np.isin(stations.codes, codes)
        cells = np.vstack([when, stations.codes])[:, rows]
        at_once = np.unique(cells, axis=1).shape[1] > np.unique(cells[:-1], axis=1).shape[1]
        if not at_once:
            first, *others = sorted((stations.texts[code] for code in codes), key=lambda name: -many[name])
            found |= dict.fromkeys(others, first)
    return found


def _choose(columns: Mapping[str, Column], start: str, end: str | None) -> Choice[Where]:
    notes = {"station": _describe(columns[start])} | ({"station of the end": _describe(columns[end])} if end else {})
    return Choice(Where(start, end), (), notes)


def _ask(columns: Sequence[Column]) -> Choice[Where]:
    shown = [(f"--station {column.name!r}", _describe(column)) for column in columns[:12]]
    text = "Which column names the station?" if columns else "No column names a station: which one does?"
    return Choice(None, [Question("--station COLUMN", text, shown)])


def _describe(column: Column) -> str:
    more = ", ..." if len(column.texts) > _SHOWN else ""
    return f"{column.name}: {len(column.texts):,} of them: {', '.join(v[:30] for v in column.texts[:_SHOWN])}{more}"
