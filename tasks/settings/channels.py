"""Settings of a `[[channels]]` table."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from tasks.clock import zone
from tasks.errors import ConfigError, about, nearest_key
from tasks.settings.section import Section
from tasks.settings.sources.rows import RESERVED, Name

COLUMNS = ("station_id", "minute", "minute_utc", "value", "available_at")


class ChannelSettings(Section):
    """Something else that is known of minutes, ahead of them or not: the weather, a match, school holidays.

    A value stands for `interval_minutes` from its minute. A row that says when it was available is seen by origins
    from then on, and the last one available counts; a row that does not was always known.
    """

    name: Name = Field(description="Of the channel, which models see it by.")
    path: str = Field(min_length=1, description="File, folder or glob; relative to the configuration's folder.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Our name -> the file's: minute or minute_utc, value (default: the channel's name), "
        "station_id (without it a value is for all stations), available_at.",
    )
    timezone: str | None = Field(None, description="Of times without an offset; default the network's.")
    interval_minutes: int | None = Field(
        None, ge=1, le=525_600, description="How long a value stands; default the network's interval."
    )
    max_bytes: int = Field(1 << 30, gt=0, description="A file that is larger, stored or unpacked, is rejected.")

    @model_validator(mode="after")
    def _sound(self) -> ChannelSettings:
        with about(f"channel {self.name!r}"):
            if self.timezone is not None:
                zone(self.timezone)
            for key in self.columns:
                if key not in COLUMNS:
                    raise ConfigError(f"columns.{key} is unknown{nearest_key(key, COLUMNS)}")
        return self


def check_channels(channels: Sequence[ChannelSettings], targets: tuple[str, ...], interval: int) -> None:
    """Whether channels can stand beside a network's targets.

    Raises:
        ConfigError: if two have one name, a name is taken, or a value stands for less than an interval.
    """
    names = [channel.name for channel in channels]
    if len(set(names)) != len(names):
        raise ConfigError(f"[[channels]] names must differ: {names}")
    for channel in channels:
        where = f"channel {channel.name!r}"
        if channel.name in targets:
            raise ConfigError(f"{where} has the name of a target of [network]: name it otherwise")
        if channel.name in RESERVED:
            raise ConfigError(f"{where} has the name of a column of every table: name it otherwise")
        if channel.interval_minutes is not None and channel.interval_minutes < interval:
            raise ConfigError(
                f"{where}: interval_minutes {channel.interval_minutes} is less than the network's {interval}"
            )
