"""Steps of the publish stage."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tasks.contracts import Publication
from tasks.publish import HOUR_ONLY, make_target
from tasks.publish._clock import remember_publication, trusted_until
from tasks.settings.tree import Settings
from tasks.stepping import step
from tasks.storage.store import Store

log = logging.getLogger(__name__)


def uses_day(settings: Settings) -> bool:
    """Whether some target may ask for the whole day of a publication."""
    return not set(settings.publish.targets) <= set(HOUR_ONLY)


def find_wrong_publication(settings: Settings, summary: Mapping[str, Any]) -> str | None:
    """Origin after which what was published is not trusted, as a clock ran ahead; None where all is; see `_clock`."""
    return trusted_until(Store(settings.data_root), settings.network.targets, summary)


def remember_published(settings: Settings, summary: Mapping[str, Any]) -> None:
    """Remember that an issue was published to at least one target."""
    remember_publication(Store(settings.data_root), summary)


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
