"""What a `[[sources]]` table may say, a class a kind of source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tasks.clock import parse_moment, zone
from tasks.errors import ConfigError, about, nearest_key

RESERVED = ("station_id", "minute", "minute_utc", "part", "source", "available_at", "received_at")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


def _text(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value


Moment = Annotated[str, BeforeValidator(_text)]


class Section(BaseModel):
    """A table of the TOML."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseSource(Section):
    """What every source has."""

    name: Name
    latency_seconds: int = Field(0, ge=0, description="How long after its minute a row is known.")


class FileSource(BaseSource):
    """A source of files: glob, local path or URL (s3://…), CSV, CSV.GZ or Parquet."""

    path: str = Field(description="File, folder or glob; relative to the configuration's folder.")
    timezone: str | None = Field(None, description="Of times without an offset; default the network's.")
    maximum: int = Field(1_000_000, gt=0, description="Counts above it are refused as absurd.")
    max_bytes: int = Field(1 << 30, gt=0, description="A file that is larger, stored or unpacked, is refused.")

    @model_validator(mode="after")
    def _known_zone(self) -> FileSource:
        if self.timezone is not None:
            with about(f"source {self.name!r}: timezone"):
                zone(self.timezone)
        return self


class CountsSource(FileSource):
    """One row a (station, minute)."""

    kind: Literal["counts"] = "counts"
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Our name -> the file's: station_id, minute or minute_utc, targets, part, available_at.",
    )


class EventColumns(Section):
    """Where an event's time and place stand."""

    time: str
    station_id: str
    count: str | None = Field(None, description="Column with the number of people; one a row without it.")


class EventsSource(FileSource):
    """One row a tap or trip."""

    kind: Literal["events"] = "events"
    events: dict[str, EventColumns] = Field(min_length=1)
    covers: Literal["file", "day", "declared"] = "file"
    start: Moment | None = None
    end: Moment | None = None
    duplicates: Literal["keep", "drop"] = Field("keep", description="Whether equal rows of one file are one event.")

    @model_validator(mode="after")
    def _declared_span(self) -> EventsSource:
        if self.covers == "declared" and not (self.start and self.end):
            raise ConfigError(f'source {self.name!r}: covers = "declared" needs start and end')
        return self


class SimulateSource(BaseSource):
    """The built-in city."""

    kind: Literal["simulate"] = "simulate"
    stations: int = Field(20, ge=1, le=5000)
    seed: int = 7
    weeks: int = Field(20, ge=1, le=520, description="History of the first ingest.")


SourceSettings = Annotated[CountsSource | EventsSource | SimulateSource, Field(discriminator="kind")]


def check_source(source: BaseSource, targets: tuple[str, ...], timezone: str) -> None:
    """Whether a source can serve a network of these targets and this time zone.

    Raises:
        ConfigError: if it cannot; names the key.
    """
    _check_targets(source, targets)
    if isinstance(source, EventsSource):
        _check_span(source, timezone)


def _check_span(source: EventsSource, timezone: str) -> None:
    with about(f"source {source.name!r}: start or end"):
        edges = [parse_moment(t, source.timezone or timezone) for t in (source.start, source.end) if t is not None]
    if len(edges) == 2 and edges[0] >= edges[1]:
        raise ConfigError(f"source {source.name!r}: end {source.end} is not after start {source.start}")


def _check_targets(source: BaseSource, targets: tuple[str, ...]) -> None:
    if isinstance(source, EventsSource):
        strange = sorted(set(source.events) - set(targets))
        if strange:
            raise ConfigError(f"source {source.name!r}: events.{strange[0]} is no target of [network] {list(targets)}")
    if isinstance(source, CountsSource):
        known = (*targets, "station_id", "minute", "minute_utc", "part", "available_at")
        for key in source.columns:
            if key not in known:
                raise ConfigError(f"source {source.name!r}: columns.{key} is unknown{nearest_key(key, known)}")
