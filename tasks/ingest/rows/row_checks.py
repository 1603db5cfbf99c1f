"""Inputs whose rows cannot mean what they are read as: parts taken for repetitions, hours taken for minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.ingest.formats.columns import as_text
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


def check_replacements(file: InputColumns, used: Sequence[str], merged: Merged) -> tuple[str, ...]:
    """A warning where some rows replace others about the same interval, though nobody said which one counts.

    Raises:
        FileProblem: if that is so for more than half of the intervals: such rows are parts, not corrections.
    """
    contested = len(np.setdiff1d(merged.winners, merged.contested))
    if not contested:
        return ()
    told = "" if not (names := _differing(file, used, merged)) else f" (they differ in {', '.join(names)})"
    options = 'rows = "sum" adds them up, rows = "last" takes the last one, where chooses some'
    if file.has_readings:
        options = 'device = [...] names the columns that tell counters apart, rows = "last" takes the last reading'
    said = (
        f"{file.origin}: {contested:,} of {len(merged.kept):,} intervals of stations have several rows with different "
        f"counts{told}: {options}"
    )
    if contested >= FEWEST and 2 * contested > len(merged.kept):
        raise FileProblem("several_rows", said)
    return (said,)


def _differing(file: InputColumns, used: Sequence[str], merged: Merged) -> list[str]:
    """Columns in which rows differ from those that replaced them, the first few."""
    lost, won = (pa.array(rows[:_SAMPLE]) for rows in (merged.contested, merged.winners))
    names = []
    for name in [name for name in file.rows.names[:_MOST_COLUMNS] if name not in used]:
        if list(file.rows.names).count(name) == 1 and (column := as_text(file.rows.column(name))) is not None:
            differ = pc.any(pc.not_equal(column.take(lost), column.take(won))).as_py()
            names += [name[:40]] if differ else []
    return names[:4]


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
    elif (coarse := _coarser(file, statements.station, statements.minute)) is not None:
        code, minutes = coarse
        grid = file.network.interval_minutes
        raise FileProblem(
            "coarser_than_grid",
            f"{file.origin}: rows of station {statements.stations[code]!r} are {minutes} minutes apart, coarser than "
            f"interval_minutes = {grid} of [network]: what they count belongs to no single interval; "
            "choose an interval as long as theirs, or say gaps = true where nothing was observed between them",
        )


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


def _coarser(file: InputColumns, station: npt.NDArray[np.integer], minute: Int) -> tuple[int, int] | None:
    """Code of a station whose rows (ascending) are coarser than the grid, and their minutes; None where none are."""
    grid = file.network.interval_minutes
    apart, same = np.diff(minute), np.diff(station) == 0
    used = same & (apart > 0)
    apart, place = apart[used], station[1:][used]
    close = np.zeros(int(station.max(initial=0)) + 1, dtype=bool)
    close[place[apart == grid]] = True
    apart, place = apart[~close[place]], place[~close[place]]
    if not len(apart):
        return None
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    regular, many = np.gcd.reduceat(apart, starts), np.diff(np.append(starts, len(place)))
    surprise = many * np.log10(np.maximum(regular / grid, 1))
    worst = int(surprise.argmax())
    if surprise[worst] < OF_STATION and not _is_file_coarser(minute, grid):
        return None
    return int(place[starts[worst]]), int(regular[worst])


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
