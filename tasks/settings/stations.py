"""Settings of the `[stations]` table."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from tasks.errors import ConfigError
from tasks.settings.section import Section


class StationSettings(Section):
    """How ids of stations are read, and what people call them."""

    aliases: dict[str, str] = Field(
        default_factory=dict,
        max_length=100_000,
        description='Id of a source -> id of the network: { "5379.10" = "5379.1", "HB101" = "72" }.',
    )
    exclude: tuple[str, ...] = Field(
        (),
        max_length=10_000,
        exclude_if=lambda names: not names,
        description="Ids of the network, or patterns with * and ?, whose rows are left out and counted as such: totals "
        'among the stations. ["Total", "TOTAL *"]',
    )
    file: str | None = Field(
        None,
        min_length=1,
        exclude_if=lambda file: file is None,
        description="Names and places of stations: a CSV with station_id, name, latitude, longitude, line, zone, "
        "capacity, GTFS stops.txt or the zip of GTFS, or GBFS station_information.json; of this machine, or an address "
        "that ingests fetch once a day.",
    )

    @field_validator("file")
    @classmethod
    def _check_address(cls, file: str | None) -> str | None:
        if file is None or "://" not in file:
            return file
        parts = urlsplit(file)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("[stations] file is no address of the web: give http(s)://..., or the path of a file")
        if parts.username or parts.password:
            raise ConfigError("[stations] file has a user or password in its address: give one that needs none")
        return file
