"""The version that the registry calls champion."""

from __future__ import annotations

from tasks.settings.tree import Settings
from tasks.tracking.registry import CHAMPION, alias_version
from tasks.tracking.runs import connect


def champion_version(settings: Settings) -> str | None:
    """Number of the champion's version, None where the registry has none.

    Raises:
        TrackingError: if MLflow does not answer.
    """
    with connect(settings) as tracking:
        return alias_version(tracking, settings, CHAMPION)
