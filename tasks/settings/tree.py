"""One settings tree: environment over TOML over defaults. Frozen; unknown keys are rejected by name.

`nexthour.toml` says what the network is; the environment (`NEXTHOUR_…`, nested with `__`) carries secrets
and what differs by machine. Every default works. `toml_file.py` reads it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, get_args

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.arrays import HORIZON_MINUTES
from tasks.clock import QUARTER, WEEKEND, Weekday, usual_offsets, zone
from tasks.errors import ConfigError, about, nearest_key
from tasks.settings.alerts import AlertSettings
from tasks.settings.channels import ChannelSettings, check_channels
from tasks.settings.control import ControlSettings, DriftSettings
from tasks.settings.forecast import ForecastSettings
from tasks.settings.groups import GroupSettings
from tasks.settings.guard import GuardSettings
from tasks.settings.levels import LevelSettings
from tasks.settings.maintain import MaintainSettings
from tasks.settings.notify import NotifySettings
from tasks.settings.presets import fill_preset
from tasks.settings.quality import QualitySettings
from tasks.settings.section import Section
from tasks.settings.serve import ServeSettings
from tasks.settings.servers import LogSettings, MlflowSettings, PrefectSettings
from tasks.settings.sources import SourceSettings, check_source
from tasks.settings.sources.rows import RESERVED, Name
from tasks.settings.sources.simulate import SimulateSource
from tasks.settings.stations import StationSettings
from tasks.settings.targets import AlertTarget, BoardTarget, SqlTarget, WebhookTarget


class Network(Section):
    """What is counted, and where its clocks stand."""

    name: str = Field("network", description="Shown on the board and in MLflow.")
    timezone: str = Field("UTC", description="IANA name; service days and weekly lags follow it.")
    country: str | None = Field(None, description="ISO 3166 code for holidays; none without it.")
    subdivision: str | None = Field(None, description="ISO 3166-2 code of a part of the country, for its holidays.")
    interval_minutes: Literal[1, 5, 10, 15, 20, 30, 60] = Field(1, description="Minutes that a row counts.")
    targets: tuple[Name, ...] = Field(
        ("entries", "exits"), min_length=1, max_length=8, description="What is counted and forecast."
    )
    total: Name | None = Field(None, description="Name of a series of its own, the sum of all stations.")
    aliases: dict[str, str] = Field(default_factory=dict, description="Taken from [stations].", exclude=True)
    excluded: tuple[str, ...] = Field((), description="Taken from [stations].", exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> Network:
        with about("[network] timezone"):
            zone(self.timezone)
        if self.interval_minutes > QUARTER and self.interval_minutes not in (fits := intervals_of(self.timezone)):
            raise ConfigError(
                f"[network] interval_minutes = {self.interval_minutes}: the clocks of {self.timezone} are not whole "
                f"intervals from UTC, so that its days do not begin with one: use {max(fits)} or less"
            )
        if len(set(self.targets)) != len(self.targets):
            raise ConfigError(f"[network] targets {list(self.targets)} names one twice")
        for taken in set(self.targets) & set(RESERVED):
            raise ConfigError(f"[network] targets: {taken!r} is a column of every table: name the target otherwise")
        return self


def intervals_of(timezone: str) -> tuple[int, ...]:
    """Minutes of intervals that the days of a time zone may be made of, as its clocks are whole ones from UTC."""
    every = get_args(Network.model_fields["interval_minutes"].annotation)
    offsets = usual_offsets(timezone)
    return tuple(n for n in every if n <= QUARTER or all(offset % n == 0 for offset in offsets))


class FeatureSettings(Section):
    """How lags become a profile and a level."""

    weeks: int = Field(14, ge=1, le=52, description="Weekly lags: the same minutes of so many weeks before.")
    recent_minutes: int = Field(120, ge=15, le=720, description="Minutes before the origin, one by one.")
    level_minutes: int = Field(60, ge=5, le=720, description="Minutes before the origin that give the level.")
    trail_hours: int = Field(24, ge=0, le=168, description="Hours before the recent minutes, summed per hour.")
    level_prior: float = Field(10.0, gt=0, description="People added to observed and expected.")
    smooth_minutes: int = Field(11, ge=1, le=61, description="Width over which the profile is smoothed.")
    recency: float = Field(0.82, gt=0, le=1, description="Weight of a week over the one after it.")
    other_days: float = Field(
        0.3, ge=0, le=1, description="Weight in the profile of another day of the same kind beside the same weekday."
    )
    other_days_reach: int = Field(14, ge=1, le=28, description="Days back that these other days are taken from.")
    weekend: tuple[Weekday, ...] = Field(
        WEEKEND, description="Weekdays without ordinary work: they pool with one another, the others likewise."
    )

    mapped_mib: int = Field(
        2048,
        ge=1,
        description="MiB of counts from which on a training maps them from a file beside the data root, which goes "
        "with it, in place of holding them in memory.",
    )

    @property
    def reach_of_other_days(self) -> int:
        """Days back from which other days are taken; 0 where they do not count."""
        return self.other_days_reach if self.other_days else 0

    @property
    def days_back(self) -> int:
        """Days before a minute that its profile may be made from."""
        return max(7 * self.weeks, self.reach_of_other_days)


class RetrainSettings(Section):
    """What a night's training sees."""

    model: Name = Field("next_hour_lstm", description="Architecture of the challenger.")
    train_days: int = Field(70, ge=1, description="Days that the weights are fitted on.")
    validation_days: int = Field(7, ge=1, description="Days after these that say when to stop.")
    holdout_days: int = Field(7, ge=1, description="Newest days, which only the gate sees.")
    minimum_days: int = Field(8, ge=2, description="Days of history without which nothing is trained.")
    origin_minutes: int = Field(15, ge=1, le=1440, description="Distance of the training origins.")
    mode: Literal["alternate", "fine_tune", "scratch"] = Field(
        "alternate",
        description="Fits from scratch, or goes on from the champion's network; alternate: in turn by night.",
    )
    seed: int = Field(7, description="Of the first weights and of the order of the rows.")
    members: int = Field(1, ge=1, le=20, description="Networks of the seeds from `seed` on that forecast as one.")


class RunnerSettings(Section):
    """Where wide work runs: the parts of a backtest, compaction by day, training by group."""

    kind: Literal["threads", "dask", "ray"] = Field(
        "threads", description="This machine alone, or the workers of a Dask or Ray cluster (nexthour[dask], [ray])."
    )
    address: str | None = Field(
        None,
        description="Of a running cluster, such as tcp://host:8786 or ray://host:10001, whose workers see the same "
        "folders; without one, Dask and Ray start workers of this machine.",
    )
    workers: int | None = Field(None, ge=1, description="Workers of this machine; one per core by default.")

    @model_validator(mode="after")
    def _address_of_a_cluster(self) -> RunnerSettings:
        if self.address and self.kind == "threads":
            raise ConfigError(f'[runner] address {self.address!r} needs kind = "dask" or "ray"')
        return self


class GateSettings(Section):
    """When a challenger becomes champion."""

    confidence: float = Field(0.8, gt=0.5, lt=1, description="How sure the gate is that the challenger is better.")
    margin: float = Field(0.03, ge=0, description="How much worse any station tier may get.")
    minimum_days: int = Field(1, ge=1, description="Held-out days without which nothing is promoted.")
    baselines: tuple[Name, ...] = Field(
        ("weekday_mean", "weekday_level", "linear_level"),
        min_length=1,
        description="Architectures that a challenger must not lose to.",
    )
    approval: bool = Field(
        False, exclude_if=lambda value: value is False, description="Whether a person decides on a promotion."
    )


class PublishSettings(Section):
    """Where forecasts go besides the table."""

    targets: tuple[Name, ...] = Field(("latest_json",), description="Modules of tasks/publish.")
    day_minutes: int = Field(
        15, ge=1, le=240, description="Minutes of a bin of the day's series, rounded up to whole intervals."
    )
    sql: SqlTarget = Field(SqlTarget(), exclude_if=lambda section: section == SqlTarget())
    webhook: WebhookTarget = Field(WebhookTarget(), exclude_if=lambda section: section == WebhookTarget())
    gtfs_rt_alerts: AlertTarget = Field(AlertTarget(), exclude_if=lambda section: section == AlertTarget())
    board: BoardTarget = Field(BoardTarget(), exclude_if=lambda section: section == BoardTarget())


class ScoreSettings(Section):
    """How matured forecasts are scored."""

    bands: tuple[int, ...] = Field((5, 15, 30, 60), description="Last horizon minute of each band.")
    back_days: int = Field(3, ge=1, description="How far back a scheduled run looks for late truth.")
    control: ControlSettings = ControlSettings()
    drift: DriftSettings = DriftSettings()

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
    sources: tuple[SourceSettings, ...] = Field(
        (SimulateSource(name="city"),), min_length=1, description="Where counts come from."
    )
    stations: StationSettings = StationSettings()
    channels: tuple[ChannelSettings, ...] = Field((), description="What else is known of minutes.")
    features: FeatureSettings = FeatureSettings()
    retrain: RetrainSettings = RetrainSettings()
    groups: GroupSettings = Field(GroupSettings(), exclude_if=lambda section: section == GroupSettings())
    runner: RunnerSettings = Field(RunnerSettings(), exclude_if=lambda section: section == RunnerSettings())
    models: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="[models.NAME]: config of an architecture; see its file."
    )
    gate: GateSettings = GateSettings()
    guard: GuardSettings = GuardSettings()
    forecast: ForecastSettings = ForecastSettings()
    publish: PublishSettings = PublishSettings()
    levels: LevelSettings = LevelSettings()
    score: ScoreSettings = ScoreSettings()
    alerts: AlertSettings = AlertSettings()
    maintain: MaintainSettings = MaintainSettings()
    quality: QualitySettings = QualitySettings()
    notify: NotifySettings = NotifySettings()
    mlflow: MlflowSettings = MlflowSettings()
    prefect: PrefectSettings = PrefectSettings()
    serve: ServeSettings = Field(ServeSettings(), exclude_if=lambda section: section == ServeSettings())
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the TOML."""
        return env_settings, init_settings

    @model_validator(mode="before")
    @classmethod
    def _fill_presets(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """With the keys of its presets in every source; which preset they came from decides nothing."""
        network, sources = tree.get("network"), tree.get("sources")
        if not isinstance(sources, list | tuple):
            return tree
        given = network.targets if isinstance(network, Network) else (network or {}).get("targets")
        targets = given if isinstance(given, list | tuple) else Network().targets
        filled = [fill_preset(source, targets) if isinstance(source, dict) else source for source in sources]
        return {**tree, "sources": filled}

    @model_validator(mode="after")
    def _share_stations(self) -> Settings:
        """Sources see the network only."""
        shared = self.network.model_copy(update={"aliases": self.stations.aliases, "excluded": self.stations.exclude})
        object.__setattr__(self, "network", shared)
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ConfigError(f"[[sources]] names must differ: {names}")
        for source in self.sources:
            check_source(source, self.network.targets, self.network.timezone)
        check_channels(self.channels, self.network.targets, self.network.interval_minutes)
        self._check_retention()
        for target in self.quality.ranges:
            if target not in self.network.targets:
                raise ConfigError(
                    f"[quality] ranges: {target!r} is no target{nearest_key(target, self.network.targets)}"
                )
        return self

    def _check_retention(self) -> None:
        """Reject a retention that removes what the loop itself reads."""
        keep, plan = self.maintain.retention_days, self.retrain
        training = plan.train_days + plan.validation_days + plan.holdout_days + 1
        for table, least, why in (
            ("minutes", self.features.days_back + training, "training and its lags read"),
            ("forecasts", self.score.back_days + 1, "scoring reads"),
        ):
            days = getattr(keep, table)
            if days is not None and days < least:
                raise ConfigError(
                    f"[maintain] retention_days: {table} = {days} is less than the {least} days that {why}"
                )
