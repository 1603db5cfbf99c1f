"""Which service days of a table the settings keep, by the days that were observed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.clock import service_dates
from tasks.settings.tree import Settings
from tasks.storage.store import Store


def first_day_to_keep(observed: Sequence[str], today: str, days: int, observed_kept: int | None = None) -> str | None:
    """First day of a table to be kept; None where nothing may go.

    A day goes when it is more than `days` days before today *and* so many later days were observed, so that a clock
    that runs ahead, or a feed that stopped, removes nothing that was not asked for.

    Args:
        observed: service days with observations, ascending.
        today: service day of now.
        days: how many are kept.
        observed_kept: how many days of observations are kept, None for all; of those before them the calendar's count.
    """
    past, counted = [day for day in observed if day <= today], min(days, observed_kept or days)
    if len(past) < counted:
        return None
    by_clock = np.datetime64(today, "D") - days
    return str(min(by_clock, np.datetime64(past[-counted], "D") - (days - counted)))


def cutoff_day(settings: Settings, store: Store, as_of: np.datetime64, table: str) -> str | None:
    """First day kept of a table by the settings; None where all are."""
    days = getattr(settings.maintain.retention_days, table)
    if days is None:
        return None
    today = str(service_dates(np.array([as_of], dtype="datetime64[m]"), settings.network.timezone)[0])
    observed, kept = store.partitions("observations"), settings.maintain.retention_days.minutes
    return first_day_to_keep(observed, today, days, kept)
