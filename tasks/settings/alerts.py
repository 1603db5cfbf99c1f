"""Settings of `[alerts]`: of what people are warned, and how often."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings.section import Section


class AlertSettings(Section):
    """Warnings of many people: expected above a limit, or counted above what was forecast."""

    signals: tuple[Literal["limit", "crowding"], ...] = Field(
        ("limit", "crowding"),
        description="limit: the next hour may go above a limit; crowding: far more people came than were forecast.",
    )
    alarms_per_station_week: float = Field(
        0.1, gt=0, le=100, description="Alarms of each signal wanted per station and week; thresholds follow from it."
    )
    percent_of_usual: float = Field(
        200.0, gt=0, description="Limit of stations without one of their own, in per cent of the usual count."
    )
    limits: dict[str, dict[str, int]] = Field(
        default_factory=dict,
        description='Target -> station -> people per `window_minutes`: { entries = { "72" = 1200 } }.',
    )
    least_people: int = Field(30, ge=0, description="No limit is lower than so many people.")
    window_minutes: Literal[15, 60] = Field(
        60, description="What a limit is for: the next hour, or any of its quarters."
    )
    crowding_minutes: int = Field(
        15, ge=5, le=30, description="Counts of so many minutes together are compared with what was forecast for them."
    )
    history_weeks: int = Field(4, ge=1, le=26, description="Weeks of scored signals from which thresholds are chosen.")
