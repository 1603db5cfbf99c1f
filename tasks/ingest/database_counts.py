"""The way of a database's rows into the judgement that all rows of counts get."""

from __future__ import annotations

from typing import Any, cast

from tasks.ingest.decoding import Decoded
from tasks.ingest.files import OpenFile
from tasks.ingest.pieces import Piece
from tasks.ingest.reading import SourceFile
from tasks.ingest.source import Pull
from tasks.ingest.sources.counts import Counts
from tasks.settings import Network
from tasks.source_settings import CountsSource, SqlSource


def counts_piece(config: SqlSource, network: Network, origin: str, key: str, rows: Decoded, pull: Pull) -> Piece:
    """A piece of some rows.

    Raises:
        FileProblem: if a column is missing.
    """
    as_counts = cast(CountsSource, config)
    file = SourceFile(key, origin, None, 0, "", cast(Any, None))
    return Counts(as_counts, network)._piece(OpenFile(as_counts, network, file, "", rows), pull)
