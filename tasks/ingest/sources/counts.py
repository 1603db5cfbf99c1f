"""Sources of counts: one row a (station, minute)."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.ingest.batch import SourceBatch
from tasks.ingest.files.pull import OpenFile, pull_files
from tasks.ingest.rows.counts import validate_counts
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
from tasks.settings.sources import CountsSource
from tasks.settings.tree import Network


@source_kind("counts")
class Counts:
    """Files of minute counts; a file that changes restates what it says."""

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
        validated = validate_counts(file, self._config.columns, pull)
        return file.batch(
            "",
            validated.statements,
            accepted=validated.accepted,
            rejects=validated.rejects,
            warnings=validated.warnings,
            recheck_at=validated.recheck_at,
        )
