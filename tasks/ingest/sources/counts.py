"""Sources of counts: one row a (station, minute)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tasks.ingest.batch import SourceBatch
from tasks.ingest.files.pull import OpenFile, pull_files
from tasks.ingest.rejects import PiecesProblem
from tasks.ingest.rows.counts import RowRules, validate_counts
from tasks.ingest.rows.counts_in_pieces import FileCounts, validate_pieces
from tasks.ingest.rows.validated_rows import RowValidator
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
from tasks.ingest.statements import Statements
from tasks.settings.sources.files import CountsSource
from tasks.settings.tree import Network


@source_kind("counts")
class Counts:
    """Files of minute counts; a file that changes restates what it says.

    Where rows add up, those of several files do, too: each file is a share of its own, unless rows name their part.
    """

    def __init__(self, config: CountsSource, network: Network) -> None:
        self.name, self._config, self._network = config.name, config, network

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        """One batch per file.

        Raises:
            SourceError: if no file matches.
        """
        adds_up = self._config.rows == "sum" and "part" not in self._config.columns
        return pull_files(self._config, self._network, pull, self._parse, None, self._may_be_cut, adds_up)

    @property
    def _may_be_cut(self) -> bool:
        """Whether rows tell piece by piece what they mean: none is a part of a sum, or the reading of a counter."""
        return self._config.rows != "sum" and not self._config.cumulative and "part" not in self._config.columns

    def _parse(self, file: OpenFile, pull: Pull) -> Iterator[SourceBatch]:
        if file.pieces is not None:
            try:
                yield from self._batches(*_read_pieces(file, self._rules(), pull))
                return
            except PiecesProblem as problem:
                file = file.whole(str(problem))
        yield self._batch(file, pull)  # what it was made of is released before it goes on

    def _rules(self, **more: Any) -> RowRules:
        return RowRules(self._config.columns, self._config.rows, file=True, **more)

    def _batches(self, file: OpenFile, counts: FileCounts) -> Iterator[SourceBatch]:
        """A batch per service day of a file that was read in pieces."""
        nothing = Statements.empty(len(self._network.targets))
        about = file.batch("", next(counts.days, nothing), recheck_at=counts.recheck_at)
        yield replace(
            about,
            accepted=counts.accepted,
            rejects=counts.rejects,
            warnings=counts.warnings,
            left_out=counts.left_out,
        )
        for statements in counts.days:
            yield replace(about, statements=statements)

    def _batch(self, file: OpenFile, pull: Pull) -> SourceBatch:
        """Statements of a file; what it leaves unknown is a part of its own, which goes with the file."""
        has_parts = "part" in {*self._config.columns, *file.rows.names} and not self._config.cumulative
        adds_up, key = self._config.rows == "sum" and not has_parts, file.file.key
        share = key if adds_up else ""
        own = key if adds_up or has_parts else None
        validated = validate_counts(file, self._rules(share=share, unknown_part=own), pull)
        return file.batch(
            own or "",
            validated.statements,
            accepted=validated.accepted,
            rejects=validated.rejects,
            warnings=validated.warnings,
            recheck_at=validated.recheck_at,
            left_out=validated.left_out,
            readings=validated.readings,
            silence_is_zero=adds_up,
        )


def _read_pieces(file: OpenFile, rules: RowRules, pull: Pull) -> tuple[OpenFile, FileCounts]:
    """A file and its counts, read in pieces.

    Raises:
        FileProblem: if it cannot be used.
        PiecesProblem: if it is to be read whole.
    """
    assert file.pieces is not None  # else there is nothing to read
    validator = RowValidator.of(file, rules, pull)
    if "part" in validator.columns:
        raise PiecesProblem("its rows are parts of sums")
    pieces = replace(file.pieces, plain=validator.plain)
    return replace(file, pieces=pieces), validate_pieces(validator, pieces)
