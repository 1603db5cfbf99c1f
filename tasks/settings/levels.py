"""Settings of `[levels]`: in which of five steps the next hour of a station lies."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from tasks.errors import ConfigError
from tasks.settings.section import Section

Measure = Literal["usual", "record", "capacity"]
STEPS = 5
DEFAULT_THRESHOLDS: dict[Measure, tuple[float, ...]] = {
    "usual": (60, 85, 115, 140),
    "record": (20, 40, 60, 80),
    "capacity": (25, 50, 75, 100),
}
DEFAULT_NAMES: dict[Measure, tuple[str, ...]] = {
    "usual": ("very quiet", "quiet", "usual", "busy", "very busy"),
    "record": ("very quiet", "quiet", "medium", "busy", "very busy"),
    "capacity": ("very quiet", "quiet", "medium", "busy", "full"),
}


class LevelSettings(Section):
    """Five steps that people understand, from the quietest to the busiest."""

    by: Measure = Field("usual", description="What the people of the hour are compared with.")
    thresholds: tuple[float, ...] | None = Field(
        None,
        min_length=STEPS - 1,
        max_length=STEPS - 1,
        description="Per cent from which the levels 2 to 5 begin; by default 60, 85, 115, 140 of usual, 20, 40, 60, 80 "
        "of the record, 25, 50, 75, 100 of capacity.",
    )
    names: tuple[str, ...] | None = Field(
        None,
        min_length=STEPS,
        max_length=STEPS,
        description="Of the five levels; by default very quiet, quiet, usual, busy, very busy.",
    )
    least_people: float = Field(
        5.0, ge=0, description="With a smaller difference from usual, in people per hour, the level is the middle one."
    )
    stay_minutes: int = Field(
        60,
        ge=1,
        le=1440,
        description="Minutes that one person or bicycle takes a place of the capacity; 60 compares the hour with it.",
    )

    @model_validator(mode="after")
    def _ascending(self) -> LevelSettings:
        if any(a >= b for a, b in pairwise((0.0, *self.limits))):
            raise ConfigError(f"[levels] thresholds {list(self.limits)} must ascend from above 0")
        if any(not name.strip() for name in self.labels) or len(set(self.labels)) != STEPS:
            raise ConfigError(f"[levels] names {list(self.labels)} must be five different names")
        return self

    @property
    def limits(self) -> tuple[float, ...]:
        """Per cent from which the levels 2 to 5 begin."""
        return self.thresholds or DEFAULT_THRESHOLDS[self.by]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the levels 1 to 5."""
        return self.names or DEFAULT_NAMES[self.by]
