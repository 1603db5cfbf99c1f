"""Rows of counts of a file that comes in pieces, each validated by itself; they do not add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from tasks.ingest.formats.columns import Columns
from tasks.ingest.formats.csv_pieces import PlainColumns
from tasks.ingest.rejects import Rejects
from tasks.ingest.rows.check_times import next_due
from tasks.ingest.rows.count_rows import CountRows, filter_rows, find_columns, read_rows
from tasks.ingest.rows.counters import CounterSearch
from tasks.ingest.rows.counts import RowRules, deciding_columns, roles_of
from tasks.ingest.rows.day_rows import DayRows
from tasks.ingest.rows.day_store import Scratch
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.rows.samples import sample_rejects
from tasks.ingest.source import Pull
from tasks.settings.columns import filter_of


@dataclass(frozen=True)
class ValidatedPiece:
    """Rows of a piece.

    Attributes:
        file: the piece.
        first: number of its first row, from the top of the file.
        rows: what they say.
        rejections: of them.
        unmatched: warnings of filters that nothing passes.
        left_out: rows that filters or the list of excluded stations leave out.
    """

    file: InputColumns
    first: int
    rows: CountRows
    rejections: Rejections
    unmatched: dict[str, str]
    left_out: int


@dataclass(frozen=True)
class RowValidator:
    """What it takes to validate rows of a file.

    Attributes:
        file: its rows are not looked at, those of the pieces are.
        rules: how they are read.
        pull: what is asked for.
        columns: our name -> the file's.
    """

    file: InputColumns
    rules: RowRules
    pull: Pull
    columns: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, file: InputColumns, rules: RowRules, pull: Pull) -> RowValidator:
        """For a file whose columns are those of `file`.

        Raises:
            FileProblem: if a column is missing.
        """
        return cls(file, rules, pull, find_columns(file, rules.columns, file.network.targets))

    @property
    def targets(self) -> tuple[str, ...]:
        """Those that the file has."""
        return tuple(target for target in self.file.network.targets if target in self.columns)

    @property
    def filtered(self) -> tuple[str, ...]:
        """Those of them that count some of the rows only."""
        return tuple(target for target in self.targets if filter_of(self.rules.columns.get(target, target)))

    @property
    def deciding_columns(self) -> list[str]:
        """Columns that decide over a row."""
        return [*deciding_columns(self.file, self.columns, self.rules.columns)]

    @property
    def plain(self) -> PlainColumns:
        """Columns of which plain times and whole numbers may be parsed at once, for they are read the same."""
        config, columns = self.file.config, self.columns
        time = columns["minute_utc" if "minute_utc" in columns else "minute"]
        counts = dict.fromkeys(columns[target][0] for target in self.targets)
        if config.time_format or len(time) > 1 or config.thousands or config.decimal or config.missing:
            return PlainColumns()
        return PlainColumns(time[0], tuple(counts), tuple({*self.deciding_columns} - {time[0], *counts}))

    def pieces(self, all_rows: Iterable[Columns], earlier: EarlierRows) -> Iterator[ValidatedPiece]:
        """Validate the rows of each piece, in their order.

        Raises:
            FileProblem: if all times are dates without an hour, after the last piece.
            PiecesProblem: if a piece alone does not tell what its rows mean.
        """
        first, pieces = 0, iter(all_rows)
        begin = list(islice(pieces, 2))
        earlier.whole = len(begin) < 2
        for rows in chain(begin, pieces):
            yield self._validate(replace(self.file, rows=rows), first, earlier)
            first += rows.rows
        earlier.dates.check()

    def _validate(self, file: InputColumns, first: int, earlier: EarlierRows) -> ValidatedPiece:
        chosen, asked, unmatched = filter_rows(file, self.rules.columns, self.columns)
        rejections = Rejections(file.rows.rows)
        rejections.reject(file.rows.unreadable(self.deciding_columns), "not_utf8")
        rejections.set_aside(~chosen)
        left_out = int(np.count_nonzero(rejections.aside))
        rows = read_rows(file, self.columns, asked, rejections, self.pull, False, earlier)
        return ValidatedPiece(file, first, rows, rejections, unmatched, left_out + rows.excluded)

    def rejects(self, piece: ValidatedPiece, rejections: Rejections, torn: bool = True) -> Rejects:
        """Some rejected rows of a piece, with their texts as they are written; and lines that are `torn`."""
        written = replace(piece.file, rows=piece.file.rows.as_written()) if len(rejections.rejected) else piece.file
        samples = sample_rejects(written.rows, rejections, roles_of(self.file, self.columns))
        return written.rejects(rejections, self.deciding_columns, samples, torn)


@dataclass
class ValidatedRows:
    """What all rows of a file come to, each validated by itself.

    Attributes:
        days: rows that count, by day.
        earlier: names of stations and parts.
        rejects: rows that are rejected.
        rejected, repeated, left_out: how many.
        unmatched: warnings of filters that nothing passes, by filter; None before any row.
        recheck_at: when the first of the rows of the future counts.
    """

    days: DayRows
    earlier: EarlierRows
    rejects: Rejects
    rejected: int = 0
    repeated: int = 0
    left_out: int = 0
    unmatched: dict[str, str] | None = None
    recheck_at: np.datetime64 | None = None

    @classmethod
    def of(
        cls, validator: RowValidator, pieces: Iterable[Columns], scratch: Scratch, earlier: EarlierRows
    ) -> ValidatedRows:
        """Of all pieces; see `RowValidator.pieces`."""
        file = validator.file
        days = DayRows(validator.targets, validator.filtered, file.network.timezone, scratch)
        validated = cls(days, earlier, Rejects(file.config.name, file.origin))
        for piece in validator.pieces(pieces, earlier):
            validated._add(piece, validator)
        return validated

    def _add(self, piece: ValidatedPiece, validator: RowValidator) -> None:
        rows, rejections = piece.rows, piece.rejections
        self.rejected += len(rejections.rejected)
        self.repeated += rows.repeated
        self.left_out += piece.left_out
        if len(rows.minute):
            before = self.unmatched
            self.unmatched = {key: names for key, names in piece.unmatched.items() if before is None or key in before}
        available = None if "available_at" not in validator.columns else rows.available // 1_000_000
        due = next_due(rejections, rows.minute, validator.file.grid, available)
        self.recheck_at = min((moment for moment in (self.recheck_at, due) if moment is not None), default=None)
        self.rejects = self.rejects.merge(validator.rejects(piece, rejections))
        self.days.add(rows, rejections.good, self.earlier, piece.first)


def add_in_order(search: CounterSearch, piece: ValidatedPiece, earlier: EarlierRows) -> None:
    """Add the rows of a piece that count to a search for counters in the order of the file."""
    rows = piece.rows
    station, part = earlier.stations.of(rows.station, rows.stations), earlier.parts.of(rows.part, rows.parts)
    search.add(rows, np.flatnonzero(piece.rejections.good), station, part, near=True)
