"""One settings tree: environment over TOML over defaults. Frozen; unknown keys are refused by name.

`nexthour.toml` says what the network is; the environment (`NEXTHOUR_…`, nested with `__`) carries secrets
and what differs by machine. Every default works. `config_file.py` reads it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.clock import parse_moment, zone
from tasks.contracts import HORIZON_MINUTES
from tasks.errors import ConfigError, about
from tasks.errors import nearest_key as nearest_key

RESERVED = ("station_id", "minute", "minute_utc", "part", "source", "available_at", "received_at")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


def _text(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value


Moment = Annotated[str, BeforeValidator(_text)]


class Section(BaseModel):
    """A table of the TOML."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Section):
    """What is counted, and where its clocks stand."""

    name: str = Field("network", description="Shown on the board and in MLflow.")
    timezone: str = Field("UTC", description="IANA name; service days and weekly lags follow it.")
    country: str | None = Field(None, description="ISO 3166 code for holidays; none without it.")
    subdivision: str | None = None
    interval_minutes: Literal[1, 5, 10, 15] = 1
    targets: tuple[Name, ...] = Field(("entries", "exits"), min_length=1, max_length=8)

    @model_validator(mode="after")
    def _consistent(self) -> Network:
        with about("[network] timezone"):
            zone(self.timezone)
        if len(set(self.targets)) != len(self.targets):
            raise ConfigError(f"[network] targets {list(self.targets)} names one twice")
        for taken in set(self.targets) & set(RESERVED):
            raise ConfigError(f"[network] targets: {taken!r} is a column of every table: name the target otherwise")
        return self


class BaseSource(Section):
    """What every source has."""

    name: Name
    latency_seconds: int = Field(0, ge=0, description="How long after its minute a row is known.")


class FileSource(BaseSource):
    """A source of files: glob, local path or URL (s3://…), CSV, CSV.GZ or Parquet."""

    path: str = Field(description="File, folder or glob; relative to the configuration's folder.")
    timezone: str | None = Field(None, description="Of times without an offset; default the network's.")
    maximum: int = Field(1_000_000, gt=0, description="Counts above it are refused as absurd.")

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


class FeatureSettings(Section):
    """How lags become a profile and a level."""

    weeks: int = Field(14, ge=1, le=52)
    recent_minutes: int = Field(120, ge=15, le=720)
    level_minutes: int = Field(60, ge=5, le=720)
    level_prior: float = Field(10.0, gt=0, description="People added to observed and expected.")
    smooth_minutes: int = Field(11, ge=1, le=61)
    recency: float = Field(0.82, gt=0, le=1, description="Weight of a week over the one after it.")


class RetrainSettings(Section):
    """What a night's training sees."""

    model: Name = "next_hour_lstm"
    train_days: int = Field(70, ge=1)
    validation_days: int = Field(7, ge=1)
    holdout_days: int = Field(7, ge=1)
    minimum_days: int = Field(21, ge=2, description="Days of history without which nothing is trained.")
    origin_minutes: int = Field(15, ge=1, le=1440, description="Distance of the training origins.")
    seed: int = 7


class GateSettings(Section):
    """When a challenger becomes champion."""

    confidence: float = Field(0.8, gt=0.5, lt=1)
    margin: float = Field(0.03, ge=0, description="How much worse any station tier may get.")
    minimum_days: int = Field(3, ge=1)


class PublishSettings(Section):
    """Where forecasts go besides the table."""

    targets: tuple[Name, ...] = ("latest_json",)


class MlflowSettings(Section):
    """Where runs are logged; the default is SQLite under the data root."""

    tracking_uri: str | None = None
    experiment: str = "nexthour"
    registered_model: Name = "nexthour"


class ScoreSettings(Section):
    """How matured forecasts are scored."""

    bands: tuple[int, ...] = Field((5, 15, 30, 60), description="Last horizon minute of each band.")
    back_days: int = Field(3, ge=1, description="How far back a scheduled run looks for late truth.")

    @model_validator(mode="after")
    def _ascending(self) -> ScoreSettings:
        edges = (0, *self.bands)
        if len(edges) < 2 or edges[-1] > HORIZON_MINUTES or any(a >= b for a, b in pairwise(edges)):
            raise ConfigError(f"[score] bands {list(self.bands)} must ascend within 1 to {HORIZON_MINUTES}")
        return self


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="NEXTHOUR_", env_nested_delimiter="__", env_ignore_empty=True
    )

    data_root: str = Field(".nexthour", min_length=1, description="Folder or URL that holds every table.")
    network: Network = Network()
    sources: tuple[SourceSettings, ...] = Field((SimulateSource(name="city"),), min_length=1)
    features: FeatureSettings = FeatureSettings()
    retrain: RetrainSettings = RetrainSettings()
    models: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="[models.NAME]: config of an architecture; see its file."
    )
    gate: GateSettings = GateSettings()
    publish: PublishSettings = PublishSettings()
    score: ScoreSettings = ScoreSettings()
    mlflow: MlflowSettings = MlflowSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what the TOML said."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ConfigError(f"[[sources]] names must differ: {names}")
        for source in self.sources:
            _targets_known(source, self.network.targets)
            if isinstance(source, EventsSource):
                _check_span(source, self.network.timezone)
        return self


def _check_span(source: EventsSource, timezone: str) -> None:
    with about(f"source {source.name!r}: start or end"):
        edges = [parse_moment(t, source.timezone or timezone) for t in (source.start, source.end) if t is not None]
    if len(edges) == 2 and edges[0] >= edges[1]:
        raise ConfigError(f"source {source.name!r}: end {source.end} is not after start {source.start}")


def _targets_known(source: Any, targets: tuple[str, ...]) -> None:
    if isinstance(source, EventsSource):
        strange = sorted(set(source.events) - set(targets))
        if strange:
            raise ConfigError(f"source {source.name!r}: events.{strange[0]} is no target of [network] {list(targets)}")
    if isinstance(source, CountsSource):
        known = (*targets, "station_id", "minute", "minute_utc", "part", "available_at")
        for key in source.columns:
            if key not in known:
                raise ConfigError(f"source {source.name!r}: columns.{key} is unknown{nearest_key(key, known)}")
