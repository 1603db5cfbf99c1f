"""Settings of `[quality]`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from tasks.errors import ConfigError
from tasks.settings.section import Section
from tasks.settings.sources.rows import Name

CHECKS = (
    "quiet_source",
    "missing",
    "frozen",
    "jump",
    "range",
    "unknown_station",
    "alike_names",
    "sum_of_others",
    "clock_skew",
    "duplicates",
)
"""Quality checks that run without being asked for."""


class QualitySettings(Section):
    """What an ingest is checked against; nothing here rejects a row."""

    checks: tuple[Name, ...] = Field(CHECKS, description="Modules of tasks/quality/checks, in the order of the report.")
    worst: int = Field(5, ge=1, le=100, description="Warnings of one check that are shown; their number always is.")
    days: int = Field(2, ge=1, le=31, description="Newest service days that an ingest touched to look at.")
    recent_hours: int = Field(6, ge=1, le=48, description="Hours before now to look at, touched or not.")
    weeks: int = Field(3, ge=1, le=14, description="Earlier days of the same kind that say what is usual.")
    ranges: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="Smallest and largest count of one interval by target."
    )
    missing_share: float = Field(
        0.5, ge=0, lt=1, description="Of an hour's minutes, more than the station usually lacks."
    )
    late_minutes: int = Field(120, ge=0, description="How long after its end an hour may still come in.")
    frozen_minutes: int = Field(
        120, ge=1, description="How long one count other than zero may stand (24 steps at least)."
    )
    frozen_people: float = Field(100, gt=0, description="Usual in hours in which nobody at all is counted.")
    jump_factor: float = Field(5, gt=1, description="Times what is usual and the network's busiest hour together.")
    jump_people: float = Field(50, ge=0, description="An hour, added to these, for networks with few people.")
    stations: tuple[str, ...] = Field((), description="The stations that there are; see also stations_file.")
    stations_file: str | None = Field(None, description="One station per line, or a CSV with them in its first column.")
    new_station_days: int = Field(28, ge=1, description="Without a list: a station not seen for so long is new.")
    future_share: float = Field(0.01, ge=0, lt=1, description="Of a source's rows ahead of our clock.")
    skew_minutes: int = Field(60, ge=1, description="Age of the newest row that a source just brought.")
    duplicate_share: float = Field(0.05, ge=0, lt=1, description="Of a source's rows stated twice in one input.")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="[quality.options.NAME]: limits of a check of your own; see its file."
    )

    @model_validator(mode="after")
    def _check_order(self) -> QualitySettings:
        for target, (low, high) in self.ranges.items():
            if low > high:
                raise ConfigError(
                    f"[quality] ranges: {target} = [{low:g}, {high:g}] is empty: write the smaller one first"
                )
        return self
