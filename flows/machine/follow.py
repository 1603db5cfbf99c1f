"""Take over the champion that a person chose in MLflow, and forecast with it: `python -m flows.machine.follow`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import numpy as np

from flows.pipelines import loop
from tasks.errors import NexthourError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)


def follow_and_forecast(settings: Settings, now: np.datetime64) -> str | None:
    """Let the registry's champion publish, at once; returns what was done, None if nothing had changed."""
    followed = loop.follow_champion(settings, now)
    if followed is None:
        return None
    try:
        report = loop.forecast(settings, now)
    except NexthourError as error:
        log.error("the next scheduled forecast is its first, as this one failed: %s", error)
        return followed
    return f"{followed}; forecast issued by {report.issue.model_version}"


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    done = follow_and_forecast(load_settings(), np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us"))
    log.info("%s", done or "the champion is the one that publishes already")
