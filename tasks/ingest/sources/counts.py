"""Sources of counts: one row a (station, minute)."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.ingest.batch import SourceBatch
from tasks.ingest.files.pull import OpenFile, pull_files
from tasks.ingest.rows.counts import RowRules, validate_counts
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
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
        """One batch a file.

        Raises:
            SourceError: if no file matches.
        """
        return pull_files(self._config, self._network, pull, self._parse)

    def _parse(self, file: OpenFile, pull: Pull) -> Iterator[SourceBatch]:
        yield self._batch(file, pull)  # what it was made of is freed before it goes on

    def _batch(self, file: OpenFile, pull: Pull) -> SourceBatch:
        """Statements of a file; what it leaves unknown is a part of its own, which goes with the file."""
        has_parts = "part" in {*self._config.columns, *file.rows.names} and not self._config.cumulative
        adds_up, key = self._config.rows == "sum" and not has_parts, file.file.key
        share = key if adds_up else ""
        own = key if adds_up or has_parts else None
        validated = validate_counts(
            file, RowRules(self._config.columns, self._config.rows, share=share, unknown_part=own, file=True), pull
        )
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
