"""Counts of a file that comes in pieces: judged piece by piece, put together day by day.

Memory is bounded whatever the size of the file. What only the whole tells (whether rows are parts, coarser than the
grid, or readings of counters) is added up, and decided before anything lands. What is rejected in the end only, such as
rows that another one replaces, is read a second time for its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns
from tasks.ingest.prefetch import map_ahead
from tasks.ingest.rejects import KEPT, Rejects
from tasks.ingest.rows.check_times import repeated_hour
from tasks.ingest.rows.counters import CounterSearch
from tasks.ingest.rows.day_rows import Arrays, DayPiece, DayStatements, Names
from tasks.ingest.rows.day_store import Scratch
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.judged_rows import Judge, JudgedRows, add_in_order
from tasks.ingest.rows.merge import Merged, last_of_each
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.row_checks import Replacements, SpacingCheck
from tasks.ingest.statements import Statements


@dataclass(frozen=True)
class FileCounts:
    """What the rows of a file say, and what was rejected of them; fields as of `SourceBatch`.

    Attributes:
        days: statements of each service day, ascending; to be gone through once.
    """

    days: Iterator[Statements]
    accepted: int
    rejects: Rejects
    warnings: tuple[str, ...]
    recheck_at: np.datetime64 | None
    left_out: int


def validate_pieces(judge: Judge, pieces: Iterable[Columns], folder: str | None = None) -> FileCounts:
    """Judge rows of counts: of several about one station, minute, part and availability the last one lands.

    Args:
        judge: of the file.
        pieces: its rows, which can be gone through more than once.
        folder: where rows lie that do not fit in memory; None for the system's own place.

    Raises:
        FileProblem: if a column is missing, most rows are parts but not declared so, coarser than the grid, or
            readings of counters.
        PiecesProblem: if a piece alone does not tell what its rows mean.
    """
    scratch = Scratch(folder)
    judged = JudgedRows.of(judge, pieces, scratch, EarlierRows())
    if judged.earlier.spellings.late:  # rows were judged before a second spelling of their station came
        scratch = Scratch(folder)
        judged = JudgedRows.of(judge, pieces, scratch, EarlierRows(spellings=judged.earlier.spellings))
    names = Names.of(judged.earlier)
    merged = _MergedDays.of(judge, judged, names, scratch)
    rejects, warnings = merged.conclude(judge, judged, names, pieces)
    parts = [judge.rules.share] if names.parts == [""] else names.parts
    return FileCounts(
        merged.statements.take_days(names.stations, parts),
        merged.accepted,
        rejects,
        (
            *warnings,
            *(judged.unmatched or {}).values(),
            *repeated_hour(judged.repeated, judge.file.timezone, "in the order of the file"),
        ),
        judged.recheck_at,
        judged.left_out,
    )


@dataclass
class _LateRejects:
    """Rows that were rejected for what other rows say, numbered from the top: the first `KEPT`, more by reason."""

    numbers: Int = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    codes: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, dtype=np.int8))
    beyond: dict[str, int] = field(default_factory=dict)

    def add(self, numbers: Int, codes: npt.NDArray[np.int8]) -> None:
        """Add some."""
        numbers, codes = np.concatenate([self.numbers, numbers]), np.concatenate([self.codes, codes])
        order = np.argsort(numbers)
        self.numbers, self.codes = numbers[order[:KEPT]], codes[order[:KEPT]]
        more = Rejections.of(codes[order[KEPT:]])
        for reason, many in more.counts(more.rejected).items():
            self.beyond[reason] = self.beyond.get(reason, 0) + many

    def of_piece(self, first: int, rows: int) -> Rejections:
        """Those of a piece whose first row has the number `first`."""
        start, end = np.searchsorted(self.numbers, [first, first + rows])
        codes = np.full(rows, -1, dtype=np.int8)
        codes[self.numbers[start:end] - first] = self.codes[start:end]
        return Rejections.of(codes)


@dataclass
class _MergedDays:
    """What lands of each day, and what all of it comes to."""

    statements: DayStatements
    counters: CounterSearch
    spacing: SpacingCheck
    replaced: Replacements = field(default_factory=Replacements)
    late: _LateRejects = field(default_factory=_LateRejects)
    accepted: int = 0

    @classmethod
    def of(cls, judge: Judge, judged: JudgedRows, names: Names, scratch: Scratch) -> _MergedDays:
        """Merge the rows of every day, several days at once."""
        network = judge.file.network

        def merge(day: tuple[str, Arrays]) -> tuple[str, DayPiece, Merged]:
            piece = judged.days.rows_of(day[1], names)
            return day[0], piece, last_of_each(piece.rows, piece.rejections, network.interval_minutes)

        whole = cls(
            DayStatements(len(network.targets), scratch),
            CounterSearch(),
            SpacingCheck(network.interval_minutes, len(names.stations)),
        )
        for name, piece, merged in map_ahead(merge, judged.days.take_days()):
            if len(late := piece.rejections.rejected):
                whole.late.add(piece.numbers(late), piece.rejections.codes[late])
            whole._add(name, piece, merged, network.targets)
        return whole

    def _add(self, day: str, piece: DayPiece, merged: Merged, targets: tuple[str, ...]) -> None:
        self.accepted += merged.accepted
        self.replaced.add(merged, piece.numbers)
        self.counters.add(merged.rows, merged.kept, merged.rows.station, merged.rows.part)
        statements = merged.rows.statements(merged.kept, targets)
        self.spacing.add(statements.station, statements.minute)
        self.statements.add(day, statements)

    def conclude(
        self, judge: Judge, judged: JudgedRows, names: Names, pieces: Iterable[Columns]
    ) -> tuple[Rejects, tuple[str, ...]]:
        """All rejected rows, and warnings, once the whole has been looked at.

        Raises:
            FileProblem: if it cannot mean what it is read as.
        """
        rejects, origin = judged.rejects, judge.file.origin
        if len(self.late.numbers):
            rejects, in_order, stations = self._read_again(judge, judged, pieces)
            in_order.check(origin, judge.columns, stations)  # several counters of one station are rows of their own
        self.counters.check(origin, judge.columns, names.stations)
        warnings = () if judge.rules.rows else self.replaced.check(origin)
        if (
            2 * judged.rejected <= self.accepted and not judge.file.gaps
        ):  # the few left of many tell nothing of distances
            self.spacing.check(origin, names.stations)
        return rejects, warnings

    def _read_again(
        self, judge: Judge, judged: JudgedRows, pieces: Iterable[Columns]
    ) -> tuple[Rejects, CounterSearch, list[str]]:
        """All rejected rows; and the search for counters in the order of the file, with names of its stations."""
        rejects, search = judged.rejects, CounterSearch()
        earlier = EarlierRows(spellings=judged.earlier.spellings)
        for piece in judge.pieces(pieces, earlier):
            late = self.late.of_piece(piece.first, len(piece.rows.minute))
            if len(late.rejected):
                rejects = rejects.merge(judge.rejects(piece, late, torn=False))
            self.replaced.compare(piece.file.rows, piece.first, judge.deciding_columns)
            add_in_order(search, piece, earlier)
        return rejects.counting(self.late.beyond), search, earlier.stations.names
