"""Counts of a file that comes in pieces: validated piece by piece, put together day by day.

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
from tasks.ingest.rows.merge import Merged, last_of_each
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.row_checks import Replacements, SpacingCheck
from tasks.ingest.rows.validated_rows import RowValidator, ValidatedRows, add_in_order
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


def validate_pieces(validator: RowValidator, pieces: Iterable[Columns], folder: str | None = None) -> FileCounts:
    """Validate rows of counts: of several about one station, minute, part and availability the last one lands.

    Args:
        validator: of the file.
        pieces: its rows, which can be gone through more than once.
        folder: where rows lie that do not fit in memory; None for the system's own place.

    Raises:
        FileProblem: if a column is missing, most rows are parts but not declared so, coarser than the grid, or
            readings of counters.
        PiecesProblem: if a piece alone does not tell what its rows mean.
    """
    scratch = Scratch(folder)
    validated = ValidatedRows.of(validator, pieces, scratch, EarlierRows())
    if validated.earlier.spellings.late:  # rows were validated before a second spelling of their station came
        scratch = Scratch(folder)
        validated = ValidatedRows.of(validator, pieces, scratch, EarlierRows(spellings=validated.earlier.spellings))
    names = Names.of(validated.earlier)
    merged = _MergedDays.of(validator, validated, names, scratch)
    rejects, warnings = merged.conclude(validator, validated, names, pieces)
    parts = [validator.rules.share] if names.parts == [""] else names.parts
    return FileCounts(
        merged.statements.take_days(names.stations, parts),
        merged.accepted,
        rejects,
        (
            *warnings,
            *(validated.unmatched or {}).values(),
            *repeated_hour(validated.repeated, validator.file.timezone, "in the order of the file"),
        ),
        validated.recheck_at,
        validated.left_out,
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
    def of(cls, validator: RowValidator, validated: ValidatedRows, names: Names, scratch: Scratch) -> _MergedDays:
        """Merge the rows of every day, several days at once."""
        network = validator.file.network

        def merge(day: tuple[str, Arrays]) -> tuple[str, DayPiece, Merged]:
            piece = validated.days.rows_of(day[1], names)
            return day[0], piece, last_of_each(piece.rows, piece.rejections, network.interval_minutes)

        whole = cls(
            DayStatements(len(network.targets), scratch),
            CounterSearch(),
            SpacingCheck(network.interval_minutes, len(names.stations)),
        )
        for name, piece, merged in map_ahead(merge, validated.days.take_days()):
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
        self, validator: RowValidator, validated: ValidatedRows, names: Names, pieces: Iterable[Columns]
    ) -> tuple[Rejects, tuple[str, ...]]:
        """All rejected rows, and warnings, once the whole has been looked at.

        Raises:
            FileProblem: if it cannot mean what it is read as.
        """
        rejects, origin = validated.rejects, validator.file.origin
        if len(self.late.numbers):
            rejects, in_order, stations = self._read_again(validator, validated, pieces)
            in_order.check(origin, validator.columns, stations)  # several counters of one station are rows of their own
        self.counters.check(origin, validator.columns, names.stations)
        warnings = () if validator.rules.rows else self.replaced.check(origin)
        if (
            2 * validated.rejected <= self.accepted and not validator.file.gaps
        ):  # the few left of many tell nothing of distances
            self.spacing.check(origin, names.stations)
        return rejects, warnings

    def _read_again(
        self, validator: RowValidator, validated: ValidatedRows, pieces: Iterable[Columns]
    ) -> tuple[Rejects, CounterSearch, list[str]]:
        """All rejected rows; and the search for counters in the order of the file, with names of its stations."""
        rejects, search = validated.rejects, CounterSearch()
        earlier = EarlierRows(spellings=validated.earlier.spellings)
        for piece in validator.pieces(pieces, earlier):
            late = self.late.of_piece(piece.first, len(piece.rows.minute))
            if len(late.rejected):
                rejects = rejects.merge(validator.rejects(piece, late, torn=False))
            self.replaced.compare(piece.file.rows, piece.first, validator.deciding_columns)
            add_in_order(search, piece, earlier)
        return rejects.counting(self.late.beyond), search, earlier.stations.names
