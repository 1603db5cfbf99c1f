"""Settings of sources of files: counts, and events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tasks.errors import ConfigError
from tasks.settings.columns import (
    ColumnName,
    RowFilter,
    TimeColumns,
    Where,
)
from tasks.settings.section import Section
from tasks.settings.shapes import FileShape
from tasks.settings.sources.rows import CountColumns, Moment, RowSource


class FileSource(RowSource, FileShape):
    """A source of files: glob, local path or URL (s3://…), CSV, CSV.GZ or Parquet."""

    path: str = Field(description="File, folder or glob; relative to the configuration's folder.")


class CountsSource(FileSource, CountColumns):
    """Files of one row per (station, minute)."""

    kind: Literal["counts"] = Field("counts", description="Kind of the source.")


class EventColumns(Section):
    """Where an event's time and place stand."""

    time: TimeColumns = Field(description="Column of the time, or several that make one when joined.")
    station_id: ColumnName = Field(description="Column of the station.")
    count: ColumnName | None = Field(None, description="Column with the number of people; one per row without it.")
    where: Where = Field(
        default_factory=dict,
        exclude_if=lambda where: not where,
        description='Column -> values: only rows with one of them count here. { status = ["1"] }',
    )
    where_not: Where = Field(
        default_factory=dict,
        exclude_if=lambda where: not where,
        description='Column -> values: rows with one of them do not count here. { status = ["cancelled"] }',
    )

    @property
    def row_filter(self) -> RowFilter:
        """Rows that count here."""
        return RowFilter(self.where, self.where_not)


class EventsSource(FileSource):
    """One row per tap or trip."""

    kind: Literal["events"] = Field("events", description="Kind of the source.")
    events: dict[str, EventColumns] = Field(min_length=1, description="Target -> the columns of what it counts.")
    covers: Literal["file", "day", "declared"] = Field(
        "file", description="Span in which silence is zero: first to last event, their whole days, or start to end."
    )
    start: Moment | None = Field(None, description='First moment of covers = "declared".')
    end: Moment | None = Field(None, description='End of covers = "declared", exclusive.')
    id: str | None = Field(None, description="Column that names each event: one that comes again counts once.")
    duplicates: Literal["keep", "drop"] = Field("keep", description="Whether equal rows of one file are one event.")

    @model_validator(mode="after")
    def _declared_span(self) -> EventsSource:
        if self.covers == "declared" and not (self.start and self.end):
            raise ConfigError(f'source {self.name!r}: covers = "declared" needs start and end')
        return self
