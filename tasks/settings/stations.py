"""Settings of the `[stations]` table."""

from __future__ import annotations

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
        "capacity, GTFS stops.txt or the zip of GTFS, or GBFS station_information.json.",
    )

    @field_validator("file")
    @classmethod
    def _local(cls, file: str | None) -> str | None:
        if file is not None and "://" in file:
            raise ConfigError(f"[stations] file {file!r} is an address: download it, and give the path of the file")
        return file
