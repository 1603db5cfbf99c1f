"""Inputs whose rows cannot mean what they are read as: parts taken for repetitions, hours taken for minutes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, as_text, cut_texts
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.merge import Merged
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.statements import Statements
from tasks.settings.tree import Network

FEWEST = 3
"""Contested intervals that are no chance."""
OF_STATION, OF_FILE = 12.0, 6.0
"""Powers of ten against chance from which times of one station, or of a file, are coarser than the grid."""
REGULAR_TIMES, OF_REGULAR = 6, 4.5
"""Times of a file that are no chance where most are equally far apart, and the powers of ten against it."""
INTERVALS: tuple[int, ...] = get_args(Network.model_fields["interval_minutes"].annotation)
_SAMPLE, _MOST_COLUMNS = 1000, 60


@dataclass
class Replacements:
    """Rows that others replaced, numbered from the top of the input, though the source does not say which one counts.

    Attributes:
        intervals: of stations, with rows.
        contested: those of them that have several rows with different counts.
        lost, won: some rows, and those that replaced them.
    """

    intervals: int = 0
    contested: int = 0
    lost: list[int] = field(default_factory=list)
    won: list[int] = field(default_factory=list)
    _texts: dict[str, dict[int, str]] = field(default_factory=dict)

    def add(self, merged: Merged, numbers: Callable[[Int], Int]) -> None:
        """Add what was merged of some rows; `numbers` gives those of rows by their positions."""
        self.intervals += len(merged.kept)
        self.contested += len(np.setdiff1d(merged.winners, merged.contested))
        room = _SAMPLE - len(self.lost)
        self.lost += numbers(merged.contested[:room]).tolist()
        self.won += numbers(merged.winners[:room]).tolist()

    def compare(self, rows: Columns, first: int, used: Collection[str]) -> None:
        """Look at what rows say beside the columns that are `used`; they are numbered on from `first`."""
        numbers = np.unique(np.array([*self.lost, *self.won], dtype=np.int64))
        numbers = numbers[(numbers >= first) & (numbers < first + rows.rows)]
        for name in [name for name in rows.names[:_MOST_COLUMNS] if name not in used and len(numbers)]:
            if list(rows.names).count(name) == 1:
                texts = as_text(cut_texts(rows.column(name).take(pa.array(numbers - first))))
                if texts is not None:
                    pairs = zip(numbers.tolist(), texts.to_pylist(), strict=True)
                    self._texts.setdefault(name, {}).update(pairs)

    def check(self, origin: str, are_readings: bool = False) -> tuple[str, ...]:
        """A warning where there are any; what to do is another thing for readings of counters.

        Raises:
            FileProblem: if that is so for more than half of the intervals: such rows are parts, not corrections.
        """
        if not self.contested:
            return ()
        columns = "" if not (names := self._differing()) else f" (they differ in {', '.join(names)})"
        options = 'rows = "sum" adds them up, rows = "last" takes the last one, where chooses some'
        if are_readings:
            options = 'device = [...] names the columns that tell counters apart, rows = "last" takes the last reading'
        warning = (
            f"{origin}: {self.contested:,} of {self.intervals:,} intervals of stations have several rows with "
            f"different counts{columns}: {options}"
        )
        if self.contested >= FEWEST and 2 * self.contested > self.intervals:
            raise FileProblem("several_rows", warning)
        return (warning,)

    def _differing(self) -> list[str]:
        """Columns in which rows differ from those that replaced them, the first few."""
        pairs = list(zip(self.lost, self.won, strict=True))
        differ = [n for n, texts in self._texts.items() if any(texts.get(a) != texts.get(b) for a, b in pairs)]
        return [name[:40] for name in differ][:4]


class SpacingCheck:
    """Whether rows lie as close as the grid, measured on rows that come day by day.

    Args:
        grid: minutes of an interval.
        stations: how many there are.
    """

    def __init__(self, grid: int, stations: int) -> None:
        self._grid, self._minutes = grid, list[Int]()
        self._close, self._last = np.zeros(stations, dtype=bool), np.full(stations, -1, dtype=np.int64)
        self._regular, self._gaps = np.zeros(stations, dtype=np.int64), np.zeros(stations, dtype=np.int64)

    def add(self, station: npt.NDArray[np.int32], minute: Int) -> None:
        """Add rows later than those before; ascending by station and minute."""
        if not len(minute):
            return
        starts = np.append(0, np.flatnonzero(station[1:] != station[:-1]) + 1)
        own, ends = station[starts], np.append(starts[1:], len(minute)) - 1
        second = np.minimum(starts + 1, ends)
        self._close[own] |= minute[second] - minute[starts] == self._grid
        if not self._close[own].all():
            self._add_gaps(own, starts, minute)
        self._last[own] = minute[ends]
        if not self._close.any():  # else two times of the file are as close as the grid
            self._minutes.append(np.unique(minute))

    def _add_gaps(self, own: npt.NDArray[np.int32], starts: Int, minute: Int) -> None:
        """Add how far rows are apart; those of each of the stations `own` begin at `starts`."""
        apart = np.diff(minute, prepend=0)
        last = self._last[own]
        apart[starts] = np.where(last < 0, 0, minute[starts] - last)
        self._close[own] |= np.logical_or.reduceat(apart == self._grid, starts)
        wide = ~self._close[own]
        if not wide.any():
            return
        far = (apart > 0) & np.repeat(wide, np.diff(np.append(starts, len(minute))))
        apart, place = apart[far], np.repeat(own, np.diff(np.append(starts, len(minute))))[far]
        if len(apart):
            heads = np.append(0, np.flatnonzero(place[1:] != place[:-1]) + 1)
            coarse = place[heads]
            self._regular[coarse] = np.gcd(self._regular[coarse], np.gcd.reduceat(apart, heads))
            self._gaps[coarse] += np.diff(np.append(heads, len(place)))

    def check(self, origin: str, stations: Sequence[str]) -> None:
        """Whether they do, after the last rows.

        Raises:
            FileProblem: if they are regularly further apart, which chance does not bring.
        """
        if (coarse := self._coarse_station()) is not None:
            raise FileProblem(
                "coarser_than_grid",
                f"{origin}: rows of station {stations[coarse]!r} are {int(self._regular[coarse])} minutes apart, "
                f"coarser than interval_minutes = {self._grid} of [network]: what they count belongs to no single "
                "interval; choose an interval as long as theirs, or say gaps = true where nothing was observed between "
                "them",
            )

    def _coarse_station(self) -> int | None:
        """The station whose rows are coarser than the grid by the most; None where none are."""
        apart = ~self._close & (self._gaps > 0)
        if not apart.any():
            return None
        steps = np.maximum(self._regular / self._grid, 1)
        surprise = np.where(apart, self._gaps * np.log10(steps), -1)
        worst = int(surprise.argmax())
        if surprise[worst] < OF_STATION and (
            self._close.any() or not _is_file_coarser(np.concatenate(self._minutes), self._grid)
        ):
            return None
        return worst


def check_spacing(file: InputColumns, statements: Statements) -> None:
    """Whether rows lie as close as the grid.

    Args:
        file: where they are from.
        statements: what they say, ascending by station and minute.

    Raises:
        FileProblem: if they are regularly further apart, which chance does not bring.
    """
    if file.gaps:
        return
    if file.has_readings:
        _check_readings(file, statements)
    else:
        check = SpacingCheck(file.network.interval_minutes, len(statements.stations))
        check.add(statements.station, statements.minute)
        check.check(file.origin, statements.stations)


def _check_readings(file: InputColumns, readings: Statements) -> None:
    """Whether intervals begin and end with readings.

    Raises:
        FileProblem: if most readings are further apart than an interval, or none are at its start and its end.
    """
    grid, readings = file.network.interval_minutes, readings.take(np.lexsort((readings.minute, *_series(readings))))
    same = np.all([np.diff(codes) == 0 for codes in _series(readings)], axis=0)
    apart = np.diff(readings.minute)
    if same.sum() < FEWEST:
        return
    lengths, many = np.unique(apart[same], return_counts=True)
    usual = int(lengths[many.argmax()])
    first = int(np.flatnonzero(same & (apart == usual))[0])
    device = readings.parts[readings.part[first]] or readings.stations[readings.station[first]]
    if 2 * (apart[same] > grid).sum() > same.sum():
        finer = (
            f"choose interval_minutes = {usual}" if usual in INTERVALS else "export readings at most 60 minutes apart"
        )
        raise FileProblem(
            "coarser_than_grid",
            f"{file.origin}: readings of counter {device!r} are {usual} minutes apart, coarser than interval_minutes = "
            f"{grid} of [network]: what is counted between them belongs to no single interval; {finer}",
        )
    if not _meet(readings, grid):
        moment = np.datetime64(int(readings.minute[first]), "m")
        raise FileProblem(
            "off_grid",
            f"{file.origin}: readings of counter {device!r} are {usual} minutes apart, such as {moment}Z, and none is "
            f"at the start and one at the end of an interval of {grid} minutes: choose interval_minutes that they are "
            "at, or export readings at full intervals",
        )


def _series(readings: Statements) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    return readings.part, readings.station


def _meet(readings: Statements, grid: int) -> bool:
    """Whether any counter has readings at the start and at the end of an interval."""
    at = readings.minute % grid == 0
    series = readings.station[at].astype(np.int64) * len(readings.parts) + readings.part[at]
    keys = series << 32 | readings.minute[at]
    return bool(np.isin(keys + grid, keys).any())


def _is_file_coarser(minute: Int, grid: int) -> bool:
    """Whether all times of a file lie on a coarser grid by more than chance."""
    apart = np.diff(np.unique(minute))
    if not len(apart):
        return False
    regular = int(np.gcd.reduce(apart))
    steps = max(regular / grid, 1)
    if len(apart) * np.log10(steps) >= OF_FILE:
        return True
    equal = int((apart == regular).sum())
    # Where times come by chance, a gap of so many steps is likeliest if one interval in so many has rows.
    once = -np.log10((1 - 1 / steps) ** (steps - 1) / steps) if steps > 1 else 0.0
    return len(apart) + 1 >= REGULAR_TIMES and 4 * equal >= 3 * len(apart) and bool(equal * once >= OF_REGULAR)
