"""Events of the flows: every outcome that an automation or a person could want to act on.

Each event is about the resource `nexthour.network.<name>`, except those of quality checks, which are about a source, a
station or the network. An event that cannot be sent is a line of the log, and never fails the run that it reports.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.quality.steps import QualityResult
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)

PUBLISHED = "nexthour.forecast.published"
DEGRADED, RECOVERED = "nexthour.forecast.degraded", "nexthour.forecast.recovered"
CHECK_FAILED, CHECK_PASSED = "nexthour.forecast.check_failed", "nexthour.forecast.check_passed"
TARGET_FAILED, TARGET_RECOVERED = "nexthour.publish.failed", "nexthour.publish.recovered"
CHAMPION_CHANGED = "nexthour.champion.changed"
REJECTED = "nexthour.challenger.rejected"
APPROVAL_ASKED = "nexthour.challenger.waits"
UNANSWERED = "nexthour.challenger.unanswered"
WAITING = "nexthour.retrain.waiting"
GROUP_FAILED = "nexthour.group.failed"
NOTHING_LANDED, LANDED = "nexthour.ingest.nothing_landed", "nexthour.ingest.landed"
SILENT, BACK = "nexthour.source.silent", "nexthour.source.back"
OUT_OF_CONTROL, IN_CONTROL = "nexthour.error.out_of_control", "nexthour.error.in_control"
DRIFTED, SETTLED = "nexthour.inputs.drifted", "nexthour.inputs.settled"
ALERT_OPENED, ALERT_CLOSED = "nexthour.alert.opened", "nexthour.alert.closed"
OVERRIDE_BEGAN, OVERRIDE_ENDED = "nexthour.override.began", "nexthour.override.ended"
WATCHED = "nexthour.watch.started"
QUALITY = "nexthour.quality."
"""A quality check follows: `nexthour.quality.<check>`, once per warning, when it is new."""


@dataclass(frozen=True)
class Text:
    """What an event means, and the message that a notification of it carries.

    Attributes:
        meaning: one sentence.
        message: format string of `network` and the keys of the payload.
    """

    meaning: str
    message: str


EVENTS = {
    PUBLISHED: Text(
        "A forecast was published to at least one target.",
        "{network}: the forecast from {origin_utc} is published",
    ),
    DEGRADED: Text(
        "The first forecast that is not the champion's on fresh data; `reason` says why.",
        "{network}: forecasts are degraded: {reason}",
    ),
    RECOVERED: Text(
        "The first forecast of the champion on fresh data after degraded ones.",
        "{network}: forecasts are the champion's on fresh data again (degraded since {since})",
    ),
    CHECK_FAILED: Text(
        "The first forecast whose answer or input fails the plausibility check `check`; `rung` and `reason` say whose.",
        "{network}: {rung} fails the check {check}: {reason}",
    ),
    CHECK_PASSED: Text(
        "The first forecast after these that does not fail `check`.",
        "{network}: the check {check} passes again (failed since {since})",
    ),
    TARGET_FAILED: Text(
        "Publishing to `target` failed for the first time.",
        "{network}: publishing to {target} fails: {reason}",
    ),
    TARGET_RECOVERED: Text(
        "Publishing to `target` works again.",
        "{network}: publishing to {target} works again (failed since {since})",
    ),
    CHAMPION_CHANGED: Text(
        "`version` publishes from now on instead of `previous`; `by` is gate, person or rollback.",
        "{network}: version {version} is the champion, instead of {previous} ({by}): {reason}",
    ),
    REJECTED: Text(
        "A retraining ended with a challenger that the gate did not promote; `reason` says why.",
        "{network}: version {version} was not promoted: {reason}",
    ),
    APPROVAL_ASKED: Text(
        "The gate would promote a challenger, and a person decides.",
        "{network}: version {version} waits for a person: {reason}",
    ),
    UNANSWERED: Text(
        "A challenger waited for a person in vain: the champion stays.",
        "{network}: version {version} was not promoted, and the champion stays: {reason}",
    ),
    WAITING: Text(
        "A retraining ended without training, as there is too little history.",
        "{network}: nothing was trained: {reason}",
    ),
    GROUP_FAILED: Text(
        "The training of one `group` of stations failed, which keeps the model that it had; `reason` says why.",
        "{network}: group {group} was not trained and keeps {kept}: {reason}",
    ),
    NOTHING_LANDED: Text(
        "Of `source` nothing could be read or landed, or most rows were rejected; `reason` says why.",
        "{network}: source {source} cannot be ingested: {reason}",
    ),
    LANDED: Text(
        "Rows of `source` land again.",
        "{network}: rows of source {source} land again (none since {since})",
    ),
    SILENT: Text(
        "`source` has stated nothing for longer than its `quiet_after_minutes`.",
        "{network}: {reason}",
    ),
    BACK: Text(
        "`source` states minutes again.",
        "{network}: source {source} states minutes again (silent since {since})",
    ),
    OUT_OF_CONTROL: Text(
        "The error of the live forecasts of `tier` left its control limits.",
        "{network}: the error of the forecasts of {tier} is out of control: {reason}",
    ),
    IN_CONTROL: Text(
        "The error of the live forecasts of `tier` is within its control limits again.",
        "{network}: the error of the forecasts of {tier} is in control again (out of it since {since})",
    ),
    DRIFTED: Text(
        "The counts of the last week at the stations of `tier` are unlike those of the weeks before.",
        "{network}: the counts of {tier} have changed: {reason}",
    ),
    SETTLED: Text(
        "The counts of the last week at the stations of `tier` are like those of the weeks before again.",
        "{network}: the counts of {tier} are like those of the weeks before again (unlike since {since})",
    ),
    ALERT_OPENED: Text(
        "`signal` limit: the next hour of a station may go above its limit; crowding: many more people came than were "
        "forecast.",
        "{network}: {sentence}",
    ),
    ALERT_CLOSED: Text(
        "An alert is over: its signal was weak for half an hour.",
        "{network}: over since {until}: {sentence}",
    ),
    OVERRIDE_BEGAN: Text(
        "The first forecast of which a person scales hours at `scope`; `who` and `why` say more.",
        "{network}: {who} multiplies the forecast of {scope} by {factor} until {to}: {why}",
    ),
    OVERRIDE_ENDED: Text(
        "The first forecast that an override does not touch any more.",
        "{network}: the forecast of {scope} is as the model has it again ({who}: {why})",
    ),
    WATCHED: Text(
        "The automations were registered: from now on forecasts and runs are waited for.",
        "{network}: automations are registered",
    ),
}
"""By name; names are contracts, as automations of other people refer to them."""


def emit(
    settings: Settings,
    name: str,
    payload: Mapping[str, Any],
    *,
    kind: str = "network",
    subject: str | None = None,
    related: Sequence[dict[str, str]] = (),
) -> None:
    """Emit one event, its message added to the payload; what goes wrong is logged.

    Args:
        settings: the network.
        name: a key of `EVENTS`, or `nexthour.quality.<check>`.
        payload: JSON-able.
        kind: of what the resource is: network, source or station.
        subject: its name; the network's by default.
        related: further resources.
    """
    from prefect.events import emit_event

    network = settings.network.name
    try:
        message = EVENTS[name].message.format_map({"network": network, **payload}) if name in EVENTS else None
        emit_event(
            event=name,
            resource={
                "prefect.resource.id": f"nexthour.{kind}.{subject or network}",
                "prefect.resource.name": subject or network,
                "nexthour.network": network,
            },
            related=list(related) or None,
            payload={**payload, **({"message": message} if message else {})},
        )
    # What the run did is stored. A lost event must not fail it, whatever the reason (too large, no server, no JSON).
    except Exception as error:
        log.error("the event %s was not sent: %s", name, error)


def emit_warnings(settings: Settings, results: Sequence[QualityResult]) -> None:
    """Emit one event per warning that is new with this run: `nexthour.quality.<check>`, about its subject."""
    for result in results:
        if result.status == "warning" and result.new:
            emit(settings, f"{QUALITY}{result.check}", asdict(result), kind=result.kind, subject=result.subject)
