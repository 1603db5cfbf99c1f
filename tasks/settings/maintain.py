"""Settings of `[maintain]`."""

from __future__ import annotations

from pydantic import Field, model_validator

from tasks.errors import ConfigError
from tasks.settings.section import Section


class Retention(Section):
    """How many observed days of each table are kept; all where nothing is set. A day is removed when it is older.

    `observations` removes no day: it thins what was stated before, down to what is needed to know what is true today.
    Days of observations go together with their `minutes`.
    """

    observations: int | None = Field(None, ge=1, description="Days whose every past moment can still be read.")
    minutes: int | None = Field(None, ge=1, description="Days of minutes, and of the observations behind them.")
    rejects: int | None = Field(None, ge=1, description="Days of receipt of rejected rows.")
    forecasts: int | None = Field(None, ge=1, description="Days of published forecasts.")
    shadows: int | None = Field(None, ge=1, description="Days of forecasts of shadow models.")
    scores: int | None = Field(None, ge=1, description="Days of scores; at least those of forecasts.")
    lag_table: int | None = Field(None, ge=1, description="Days of the lag table.")
    alerts: int | None = Field(None, ge=1, description="Days of alerts as they opened and closed.")
    alert_signals: int | None = Field(None, ge=1, description="Days of what alerts would have raised, for thresholds.")
    busy_hours: int | None = Field(None, ge=1, description="Days of the limits above which an hour is busy.")
    drift: int | None = Field(None, ge=1, description="Days of what was found of the drift of the counts.")
    rest_of_day: int | None = Field(None, ge=1, description="Days of the rest of the day as it was published.")
    rest_of_day_scores: int | None = Field(None, ge=1, description="Days of scores of the rest of the day.")
    spool: int | None = Field(
        None,
        ge=1,
        description="Days of forecasts that could not be added to their table; those that go are reported.",
    )


class MaintainSettings(Section):
    """What upkeep keeps, and how much it checks per night."""

    retention_days: Retention = Retention()
    check_nights: int = Field(14, ge=1, description="Nights in which every file's checksum is checked once.")
    running_files: int = Field(500, ge=2, description="Files from which on the running day is compacted, too.")

    @model_validator(mode="after")
    def _consistent(self) -> MaintainSettings:
        keep = self.retention_days
        if keep.minutes and keep.observations and keep.observations > keep.minutes:
            raise ConfigError(
                f"[maintain] retention_days: observations = {keep.observations} outlive minutes = {keep.minutes}, "
                "with which they go: raise minutes or lower observations"
            )
        if keep.scores and (keep.forecasts is None or keep.forecasts > keep.scores):
            raise ConfigError(
                f"[maintain] retention_days: scores = {keep.scores} without forecasts of at most as many days: what is "
                "kept of the forecasts would be scored again every hour"
            )
        return self
