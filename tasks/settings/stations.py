"""Settings of the `[stations]` table."""

from __future__ import annotations

from pydantic import Field

from tasks.settings.section import Section


class StationSettings(Section):
    """How ids of stations are read."""

    aliases: dict[str, str] = Field(
        default_factory=dict,
        max_length=100_000,
        description='Id of a source -> id of the network: { "5379.10" = "5379.1", "HB101" = "72" }.',
    )
