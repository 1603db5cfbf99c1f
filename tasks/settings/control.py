"""Settings of `[score.control]`: when the live error counts as out of control."""

from __future__ import annotations

from pydantic import Field

from tasks.settings.section import Section


class ControlSettings(Section):
    """Control chart of the hourly live error, per tier of stations."""

    weight: float = Field(
        0.2, gt=0, le=1, description="Weight of the newest hour in the moving average; the memory is 1 / weight hours."
    )
    width: float = Field(
        4.0, ge=1, description="Limit in spreads of the moving average over the reference: the wider, the rarer alarms."
    )
    least_ratio: float = Field(1.3, gt=1, description="Growth of the error below which nothing is out of control.")
    reference_days: int = Field(21, ge=7, description="Days before the last two that set the limits.")


class DriftSettings(Section):
    """When the counts of the last week differ so much from the weeks before that a person should look."""

    index: float = Field(
        0.25, gt=0, description="Population stability index of the hours of the day: 0.1 is some, 0.25 much change."
    )
    level: float = Field(1.5, gt=1, description="Change of the people per day, as a factor, either way.")
    missing: float = Field(0.2, gt=0, le=1, description="Growth of the share of minutes that were not observed.")
    reference_days: int = Field(28, ge=7, description="Days before the last week that say what is usual.")
