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
