"""Settings of the `[stations]` table."""

from __future__ import annotations

from pydantic import Field

from tasks.settings.section import Section


class StationSettings(Section):
    """How ids of stations are read, and what is known of the stations."""

    aliases: dict[str, str] = Field(
        default_factory=dict,
        max_length=100_000,
        description='Id of a source -> id of the network: { "5379.10" = "5379.1", "HB101" = "72" }.',
    )
    file: str | None = Field(
        None, description="Table of stations: station_id, name, ... as CSV; GTFS stops.txt; GBFS station_information."
    )
