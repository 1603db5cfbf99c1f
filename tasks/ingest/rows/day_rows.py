"""Rows of counts, and the statements made of them, by service day: on the way through a `DayStore`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rows.count_rows import Counted, CountRows
from tasks.ingest.rows.day_store import DayStore, Scratch
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.filters import Flags
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.statements import Statements, split_days

Types = dict[str, npt.DTypeLike]
_KEYS: Types = {"station": np.int32, "part": np.int32, "minute": np.int64, "available": np.int64}
_COUNTS: Types = {"values": np.int32, "given": np.bool_, "asked": np.bool_, "wrong": np.bool_}
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Names:
    """Names of all stations and parts of an input, ascending, and the place there of each by its number."""

    stations: Sequence[str]
    parts: Sequence[str]
    station: npt.NDArray[np.int32]
    part: npt.NDArray[np.int32]

    @classmethod
    def of(cls, earlier: EarlierRows) -> Names:
        """Those that all pieces of an input had."""
        (stations, station), (parts, part) = (_rank_names(codes.names) for codes in (earlier.stations, earlier.parts))
        return cls(stations, parts, station, part)


def _place_codes(places: npt.NDArray[np.int32], numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The place of each number, -1 of -1."""
    as_they_are = np.array_equal(places[:-1], np.arange(len(places) - 1))
    return numbers if as_they_are else places[numbers]


def _rank_names(names: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int32]]:
    ordered = sorted(names)
    place = {name: code for code, name in enumerate(ordered)}
    return ordered, np.array([*(place[name] for name in names), -1], dtype=np.int32)  # the last one stands for -1


@dataclass(frozen=True)
class DayPiece:
    """Rows of a service day.

    Attributes:
        rows: in the order of the input.
        rejections: of them; none yet.
    """

    rows: CountRows
    rejections: Rejections
    _skipped: Int  # rows of the input, but not of the day, above each row

    def numbers(self, rows: Int) -> Int:
        """Numbers of some of the rows, from the top of the input."""
        return np.asarray(self._skipped[rows] + rows)


class DayRows:
    """Rows of an input by service day.

    Args:
        targets: those that the input has.
        filtered: those that count some of the rows only.
        timezone: whose days.
        scratch: where rows go that do not fit in memory.
    """

    def __init__(self, targets: Sequence[str], filtered: Sequence[str], timezone: str, scratch: Scratch) -> None:
        self._targets, self._filtered, self._timezone = targets, filtered, timezone
        self._counts = dict[str, int]()
        counts = {f"{target} {name}": kind for target in targets for name, kind in _COUNTS.items()}
        self._store = DayStore({**_KEYS, "number": np.int64, **counts}, scratch)

    def add(self, rows: CountRows, kept: Flags, earlier: EarlierRows, first: int) -> None:
        """Add the rows of a piece that are `kept`.

        Args:
            rows: the piece.
            kept: which [row].
            earlier: numbers of names.
            first: number of the piece's first row, from the top of the input.
        """
        at: Int | slice = slice(None) if kept.all() else np.flatnonzero(kept)
        arrays: dict[str, npt.NDArray[Any]] = {
            "station": earlier.stations.of(rows.station[at], rows.stations),
            "part": earlier.parts.of(rows.part[at], rows.parts),
            "minute": rows.minute[at],
            "available": rows.available[at],
        }
        for target in self._targets:
            counted = rows.counts[target]
            arrays[f"{target} values"], arrays[f"{target} given"] = counted.values[at], counted.given[at]
            for name, flags, usual in (("asked", counted.asked, True), ("wrong", counted.wrong, False)):
                rows_flags = np.broadcast_to(usual, len(arrays["minute"])) if flags is None else flags[at]
                arrays[f"{target} {name}"] = rows_flags
        numbers = range(first, first + len(kept)) if isinstance(at, slice) else at + first
        for day, own in split_days(arrays["minute"], self._timezone):
            piece = {name: array[own] for name, array in arrays.items()}
            before, more = self._counts.get(day, 0), len(piece["minute"])
            piece["number"] = _rows_between(numbers, own, before, more)
            self._counts[day] = before + more
            self._store.add(day, piece)

    def take_days(self) -> Iterator[tuple[str, Arrays]]:
        """Arrays of each service day, ascending; they are here no more."""
        for day in self._store.days:
            yield day, self._store.take(day)

    def rows_of(self, arrays: Arrays, names: Names) -> DayPiece:
        """Rows of such arrays, with codes into `names`."""
        counts = {}
        for target in self._targets:
            values, given, asked, wrong = (arrays[f"{target} {name}"] for name in _COUNTS)
            counts[target] = Counted(values, given, asked if target in self._filtered else None, wrong)
        rows = CountRows(
            _place_codes(names.station, arrays["station"]),
            list(names.stations),
            _place_codes(names.part, arrays["part"]),
            list(names.parts),
            arrays["minute"],
            arrays["available"],
            counts,
        )
        return DayPiece(rows, Rejections(len(rows.minute)), arrays["number"])


def _rows_between(numbers: range | Int, own: Int | slice, before: int, more: int) -> Int:
    """Rows of the input, but not of the day, above each row of a day: the same for rows that follow one another.

    Args:
        numbers: of the rows of a piece, from the top of the input.
        own: rows of the piece that are of the day.
        before: rows of the day before the piece.
        more: rows of the day in the piece.
    """
    if isinstance(numbers, range):
        if isinstance(own, slice):
            return np.broadcast_to(np.int64(numbers[own][0] - before), more)
        return own + numbers.start - np.arange(before, before + more)
    return np.asarray(numbers[own] - np.arange(before, before + more))


class DayStatements:
    """Statements of an input by service day, one batch each.

    Args:
        targets: of the network.
        scratch: where rows go that do not fit in memory.
    """

    def __init__(self, targets: int, scratch: Scratch) -> None:
        counts = {f"{number} {name}": _COUNTS[name] for number in range(targets) for name in ("values", "given")}
        self._store, self._targets = DayStore({**_KEYS, **counts}, scratch), range(targets)

    def add(self, day: str, rows: Statements) -> None:
        """Add all of a day."""
        counts = {f"{number} values": rows.values[number] for number in self._targets}
        given = {f"{number} given": rows.valid[number] for number in self._targets}
        keys: Arrays = {"station": rows.station, "part": rows.part, "minute": rows.minute, "available": rows.available}
        self._store.add(day, {**keys, **counts, **given})

    def take_days(self, stations: Sequence[str], parts: Sequence[str]) -> Iterator[Statements]:
        """Statements of each service day, ascending, with codes into these names; they are here no more."""
        for day in self._store.days:
            arrays = self._store.take(day)
            values, valid = ([arrays[f"{n} {name}"] for n in self._targets] for name in ("values", "given"))
            keys = (arrays["station"], arrays["minute"], arrays["part"], arrays["available"])
            yield Statements(*keys, np.stack(values), np.stack(valid), stations, parts)
