"""Steps of the publish stage."""

from __future__ import annotations

import logging
from typing import Any

import pyarrow as pa

from tasks.publish import make_target
from tasks.settings.tree import Settings
from tasks.stepping import step

log = logging.getLogger(__name__)


@step("publish", retries=2)
def publish(settings: Settings, target: str, issue_table: pa.Table, summary: dict[str, Any]) -> str:
    """Publish one issue to one target; returns where it can be found. The same issue twice is one.

    Args:
        settings: the network, and where things go.
        target: a name of `[publish] targets`.
        issue_table: rows of `tables.FORECASTS` of one origin.
        summary: of the same issue.

    Raises:
        ConfigError: if there is no such target.
        StoreError: if it cannot be written.
    """
    place = make_target(settings, target).publish(issue_table, summary)
    log.info("published to %s: %s", target, place)
    return place
