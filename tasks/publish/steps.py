"""Steps of the publish stage."""

from __future__ import annotations

import logging

from tasks.contracts import Publication
from tasks.publish import make_target
from tasks.settings.tree import Settings
from tasks.stepping import step

log = logging.getLogger(__name__)


@step("publish", retries=2)
def publish(settings: Settings, target: str, publication: Publication) -> str:
    """Publish one issue to one target; returns where it can be found. The same issue twice is one.

    Args:
        settings: the network, and where things go.
        target: a name of `[publish] targets`.
        publication: the issue.

    Raises:
        ConfigError: if there is no such target.
        StoreError: if it cannot be written.
    """
    place = make_target(settings, target).publish(publication)
    log.info("published to %s: %s", target, place)
    return place
