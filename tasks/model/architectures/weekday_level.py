"""The profile at today's level: the forecast to beat."""

from __future__ import annotations

from tasks.base_forecast import profile_times_level
from tasks.model.architectures._baseline import Baseline


class WeekdayLevel(Baseline):
    """Profile times level; the recent hours' mean where there is no profile, else 0."""

    name = "weekday_level"
    mean = staticmethod(profile_times_level)


ARCHITECTURE = WeekdayLevel
