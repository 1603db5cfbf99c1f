"""Rows of a file as its source wants them: columns turned into rows, and what its path and its source say added."""

from __future__ import annotations

from tasks.ingest.formats.added import add_columns
from tasks.ingest.formats.columns import Columns
from tasks.ingest.formats.unpivot import unpivot_columns
from tasks.settings.columns import names_of
from tasks.settings.sources.files import EventsSource, FileSource
from tasks.settings.sources.rows import CountColumns

_OURS = ("station_id", "minute", "minute_utc", "part", "available_at")


def reshape(rows: Columns, config: FileSource, origin: str) -> Columns:
    """Rows with all columns that the source may name.

    Raises:
        FileProblem: if the file does not fit what is configured.
    """
    if config.unpivot is not None:
        rows = unpivot_columns(rows, origin, config.unpivot, _configured_columns(config), config.max_bytes)
    return add_columns(rows, origin, config)


def _configured_columns(config: FileSource) -> set[str]:
    """Columns that the source names, which stay as they are."""
    named = {*_OURS, *config.row_filter.columns}
    if isinstance(config, CountColumns):
        for column in config.columns.values():
            named |= {*names_of(column)}
    if isinstance(config, EventsSource):
        for side in config.events.values():
            named |= {*names_of(side.time), *names_of(side.station_id), *names_of(side.count or ())}
            named |= {*side.row_filter.columns}
    return named
