"""Settings of `[guard]`: what a forecast must not exceed to be published."""

from __future__ import annotations

from pydantic import Field

from tasks.settings.section import Section


class GuardSettings(Section):
    """Bounds of a plausible forecast: generous, so that no honest model meets them. See docs/forecasts.md."""

    largest_hour: float = Field(
        8.0, gt=1, description="A station's hour may be so many times the largest of its history, and 60 people more."
    )
    jump: float = Field(
        6.0,
        gt=1,
        description="A station's hour may lie so many times beyond both the usual and the last observed hour.",
    )
    network: float = Field(4.0, gt=1, description="The sum of all stations may lie so many times beyond both.")
    few_stations: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of stations that a lower model answers for alone; beyond it, for all.",
    )
    stale_minutes: int = Field(60, ge=1, description="Age of the newest observation beyond which data is stale.")
