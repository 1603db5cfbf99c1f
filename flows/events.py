"""Events of the flows: every outcome that an automation or a person could want to act on.

Each event is about the resource `nexthour.network.<name>`, except those of quality checks, which are about a source, a
station or the network. An event that cannot be sent is a line of the log, and never fails the run that it tells of.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tasks.quality.steps import QualityResult
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)

PUBLISHED = "nexthour.forecast.published"
DEGRADED, RECOVERED = "nexthour.forecast.degraded", "nexthour.forecast.recovered"
TARGET_FAILED, TARGET_RECOVERED = "nexthour.publish.failed", "nexthour.publish.recovered"
CHAMPION_CHANGED = "nexthour.champion.changed"
REJECTED = "nexthour.challenger.rejected"
WAITING = "nexthour.retrain.waiting"
NOTHING_LANDED, LANDED = "nexthour.ingest.nothing_landed", "nexthour.ingest.landed"
SILENT, BACK = "nexthour.source.silent", "nexthour.source.back"
OUT_OF_CONTROL, IN_CONTROL = "nexthour.error.out_of_control", "nexthour.error.in_control"
QUALITY = "nexthour.quality."
"""A quality check follows: `nexthour.quality.<check>`, once per warning, when it is new."""

EVENTS = {
    PUBLISHED: "A forecast was published to at least one target.",
    DEGRADED: "The first forecast that is not the champion's on fresh data; `reason` says why.",
    RECOVERED: "The first forecast of the champion on fresh data after degraded ones.",
    TARGET_FAILED: "Publishing to `target` failed for the first time.",
    TARGET_RECOVERED: "Publishing to `target` works again.",
    CHAMPION_CHANGED: "`version` publishes from now on instead of `previous`; `by` is gate, person or rollback.",
    REJECTED: "A retraining ended with a challenger that the gate did not promote; `reason` says why.",
    WAITING: "A retraining ended without training, as there is too little history.",
    NOTHING_LANDED: "Of `source` nothing could be read or landed, or most rows were rejected; `reason` says why.",
    LANDED: "Rows of `source` land again.",
    SILENT: "`source` has stated nothing for longer than its `quiet_after_minutes`.",
    BACK: "`source` states minutes again.",
    OUT_OF_CONTROL: "The error of the live forecasts of `tier` left its control limits.",
    IN_CONTROL: "The error of the live forecasts of `tier` is within its control limits again.",
}
"""Sentence per name; names are contracts, as automations of other people refer to them."""


def emit(
    settings: Settings, name: str, payload: Mapping[str, Any], *, kind: str = "network", subject: str | None = None
) -> None:
    """Emit one event; what goes wrong is logged.

    Args:
        settings: the network.
        name: a key of `EVENTS`, or `nexthour.quality.<check>`.
        payload: JSON-able.
        kind: of what the resource is: network, source or station.
        subject: its name; the network's by default.
    """
    from prefect.events import emit_event

    network = settings.network.name
    try:
        emit_event(
            event=name,
            resource={
                "prefect.resource.id": f"nexthour.{kind}.{subject or network}",
                "prefect.resource.name": subject or network,
                "nexthour.network": network,
            },
            payload=dict(payload),
        )
    # What the run did is stored. A lost event must not fail it, whatever the reason (too large, no server, no JSON).
    except Exception as error:
        log.error("the event %s was not sent: %s", name, error)


def emit_warnings(settings: Settings, results: Sequence[QualityResult]) -> None:
    """Emit one event per warning that is new with this run: `nexthour.quality.<check>`, about its subject."""
    for result in results:
        if result.status == "warning" and result.new:
            emit(settings, f"{QUALITY}{result.check}", asdict(result), kind=result.kind, subject=result.subject)
