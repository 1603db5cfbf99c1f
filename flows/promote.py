"""Promote: choose by hand which version publishes: a given one, or the champion before the present one.

The pipelines are `promote` and `rollback` in flows/pipelines/loop.py: Prefect takes seconds to import, and `nexthour
promote` and `nexthour rollback` do without it. Their steps, in order:

1. `promote_version`   tasks/model/promotion/   a registered version publishes from now on, on disk and in the registry
2. `roll_back`         tasks/model/promotion/   the previous champion publishes again
"""

from __future__ import annotations

from typing import Literal

from flows.common import begin
from flows.outcomes import announce_champion
from flows.parameters import Version
from flows.pipelines import loop
from flows.reports.loop_reports import promote_document
from flows.runs import publish_artifact, reported_flow
from tasks.errors import ConfigError


@reported_flow("promote")
def promote(
    action: Literal["promote version", "roll back"] = "promote version", version: Version | None = None
) -> None:
    """Let another version publish; the next forecast is made by it.

    Args:
        action: let the version below publish, or the champion before the present one, whatever its number.
        version: number of the version in MLflow's registry; only to promote.
    """
    settings, moment = begin(None)
    if (action == "promote version") != (version is not None):
        raise ConfigError("give a version to promote one, and none to roll back")
    now = loop.promote(settings, moment, version) if version else loop.rollback(settings, moment)
    announce_champion(settings)
    publish_artifact(promote_document(now, action), "promote", "Which version publishes, and why")
